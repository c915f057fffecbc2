/** The classes that a tile probably has, learned from the labelled tiles, "none of these" included. */

import * as api from "../core/api.js";
import { count, errorBox, h } from "../core/dom.js";
import { state } from "../core/state.js";
import { percent } from "../results/scores.js";
import { labelColour } from "./palette.js";

const MOST = 6; // classes shown

/** @param {number} share @param {string} name */
const meter = (share, name) => h("span", { class: "bar-track", role: "img", "aria-label": `${name}: ${percent(share)}` }, h("i", { style: `inline-size:${100 * share}%` }));

/** How good the classification is, as measured on the labelled tiles. @param {any} found */
function quality(found) {
  const measured = found.quality;
  return [...found.notes.map((/** @type {string} */ note) => h("p", { class: "muted small" }, `${note[0].toUpperCase()}${note.slice(1)}.`)),
    measured && h("p", { class: "muted small" }, `Measured on ${count(measured.queries, "labelled tile")}: ${percent(measured.accuracy)} of them are classified correctly.`)];
}

/** @param {any} found */
const noneRow = (found) => h("li", { class: "proposal none" }, h("span", { class: "proposal-name" }, "None of these"), meter(found.none_of_these, "None of these"), h("span", { class: "option-count" }, percent(found.none_of_these)));

/** The classes of a tile as a list, for its details. @param {string} collection @param {string} id */
export function classList(collection, id) {
  const box = h("div", { class: "stack classes" }, h("p", { class: "muted small" }, "Classifying…"));
  api.classes(collection, id).then((found) => box.replaceChildren(...[
    found.classes.length > 0 && h("ul", { class: "proposals" }, found.classes.slice(0, MOST).map((/** @type {any} */ each) => h("li", { class: "proposal", title: `Compared with ${count(each.examples, "tile")} of this label` },
      h("span", { class: "proposal-name ellipsis" }, each.label), meter(each.probability, each.label), h("span", { class: "option-count" }, percent(each.probability)))), noneRow(found)),
    quality(found)].flat(Infinity).filter(Boolean)), (error) => box.replaceChildren(errorBox(error)));
  return box;
}

/**
 * The classes of a tile as buttons; one of them is chosen with the arrow keys.
 * @param {string} collection @param {string} id @param {(label: string) => void} accept
 */
export function proposals(collection, id, accept) {
  /** @type {string[]} */ let labels = [];
  let at = 0;
  const list = h("ul", { class: "proposals" });
  const box = h("div", { class: "stack" }, list, h("p", { class: "muted small" }, "Classifying…"));
  const mark = () => [...list.querySelectorAll("button")].forEach((b, i) => b.setAttribute("aria-current", String(i === at)));
  api.classes(collection, id).then((found) => {
    labels = found.classes.slice(0, MOST).map((/** @type {any} */ each) => each.label);
    list.replaceChildren(...found.classes.slice(0, MOST).map((/** @type {any} */ each) => h("li", {}, h("button", { type: "button", class: "proposal", onclick: () => accept(each.label) },
      h("span", { class: "proposal-name" }, h("i", { class: "dot", style: `background:${labelColour(each.label) ?? "transparent"}` }), h("span", { class: "ellipsis" }, each.label),
        state.palette.includes(each.label) && h("kbd", {}, state.palette.indexOf(each.label) + 1)),
      meter(each.probability, each.label), h("span", { class: "option-count" }, percent(each.probability))))), ...(labels.length ? [noneRow(found)] : []));
    const isNew = labels.length > 0 && found.none_of_these > found.classes[0].probability;
    if (isNew) at = -1;
    box.replaceChildren(...[list, isNew && h("p", { class: "small" }, h("b", {}, "Probably another class."), " Enter or ", h("kbd", {}, "o"), " types its label."), ...quality(found)].flat().filter(Boolean));
    mark();
  }, (error) => box.replaceChildren(errorBox(error)));
  return {
    element: box,
    /** The chosen label, undefined while the classes are loading, or if the tile is probably of none of them. */
    chosen: () => labels[at],
    /** @param {number} by */
    move: (by) => { if (labels.length) { at = (Math.max(at, by > 0 ? -1 : 0) + by + labels.length) % labels.length; mark(); } },
  };
}
