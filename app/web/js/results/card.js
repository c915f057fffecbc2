/** Card of one tile in the grid: thumbnail, rank, match probability, buttons, name, labels. */

import * as api from "../core/api.js";
import { h, icon, when } from "../core/dom.js";
import { searchHash } from "../core/route.js";
import { set, state } from "../core/state.js";
import { labelColour } from "../labels/palette.js";
import { hasQuery } from "../search/uploaded.js";
import { openDetails } from "./details.js";
import { duplicatesButton } from "./sameplace.js";
import { extendSelection, toggleSelected } from "./selection.js";
import { matchText, percent, scoreText } from "./scores.js";

/** @typedef {import("../core/types.js").Feature} Feature */

/** @param {Feature} f */
function describe(f) {
  const p = f.properties;
  return [
    p.rank && `Rank ${p.rank}`, matchText(p) || (p.score !== undefined && `score ${scoreText(p)}`), p.file_name,
    p.labels?.length && p.labels.join(", "), p.datetime && when(p.datetime),
  ].filter(Boolean).join(", ");
}

/** Offset of a tile in its scene. @param {string} text "column, row, width, height" in pixels */
const windowText = (text) => `@ ${text.split(",").slice(0, 2).join(", ")}`;

/** @param {any} p properties */
function scoring(p) {
  if (typeof p.score !== "number") return null;
  const similarity = typeof p.similarity === "number" ? p.similarity : p.score;
  const title = `Cosine similarity to the query: ${similarity.toFixed(3)} (maximum 1)`;
  const match = matchText(p);
  if (!match) return h("span", { class: "score", title }, scoreText(p));
  return h("span", { class: "score", title: `${match}. ${title}` }, percent(p.match_probability), h("span", { class: "sr-only" }, " match"));
}

/** @param {any} p properties */
function bar(p) {
  if (typeof p.match_probability !== "number") return null;
  return h("span", { class: "prob", role: "img", "aria-label": matchText(p) }, h("i", { style: `inline-size:${100 * p.match_probability}%` }));
}

/**
 * @param {Feature} f
 * @param {"more"|"less"} kind
 */
function markButton(f, kind) {
  const more = kind === "more";
  return h("button", { type: "button", class: `mark ${kind}`, tabindex: -1, "aria-pressed": String(state.marks[kind].includes(f.id)),
    title: more ? "More like this (+)" : "Less like this (−)", "aria-label": more ? "More like this" : "Less like this",
    onclick: () => toggleMark(f.id, kind) }, icon(more ? "plus" : "minus"));
}

/** @param {string} label */
function chip(label) {
  const colour = labelColour(label);
  return h("span", { class: "chip" }, colour && h("i", { class: "dot", style: `background:${colour}` }), label);
}

/** @param {Feature} f */
export function card(f) {
  const p = f.properties;
  const searching = hasQuery(state.view);
  const name = p.file_name ?? f.id.slice(0, 8);
  const title = h("div", { class: "name", title: p.source ?? name }, name);
  const element = h("li", { class: "card", "data-id": f.id },
    h("a", { class: "tile", href: searchHash(f.id), tabindex: -1 },
      h("img", { src: api.thumbnailUrl(state.view.collection, f.id), alt: "", loading: "lazy", decoding: "async", draggable: "false", width: 256, height: 256 }),
      p.rank && h("span", { class: "rank", "aria-hidden": "true" }, p.rank, rankChange(f))),
    h("button", { type: "button", class: "select", tabindex: -1, "aria-label": "Select", title: "Select (s, or Ctrl and click)",
      onclick: (/** @type {MouseEvent} */ event) => (event.shiftKey ? extendSelection(state.selected.at(-1) ?? f.id, f.id) : toggleSelected(f.id)) }, icon("check")),
    duplicatesButton(f),
    bar(p),
    h("div", { class: "meta" },
      h("div", { class: "line" },
        !searching && title,
        scoring(p),
        h("span", { class: "acts" },
          searching && [markButton(f, "more"), markButton(f, "less")],
          h("button", { type: "button", tabindex: -1, title: "Details (i)", "aria-label": "Details", onclick: () => openDetails(f.id) }, icon("info")))),
      searching && title,
      h("div", { class: "sub" },
        p.window && h("span", { title: `Window in the scene (column, row, width, height): ${p.window}` }, windowText(p.window)),
        p.datetime && h("time", { datetime: p.datetime, title: when(p.datetime) }, when(p.datetime).slice(0, 10))),
      h("div", { class: "chips" })));
  drawCard(element, f);
  return element;
}

/** Change of rank between two index versions, for the same search. @param {Feature} f */
function rankChange(f) {
  const { before } = state.results;
  if (!before) return null;
  const old = before.get(f.id);
  const by = old === undefined ? null : old - f.properties.rank;
  if (by === 0) return null;
  const text = by === null ? "new" : by > 0 ? `▲${by}` : `▼${-by}`;
  const title = old === undefined ? "Not in the previous results" : `Previous rank: ${old}`;
  return h("span", { class: `moved ${by !== null && by < 0 ? "down" : "up"}`, title }, ` ${text}`);
}

/**
 * Update what depends on labels, marks and the selection. The element is kept, so that it keeps the focus.
 * @param {Element} element
 * @param {Feature} f
 */
export function drawCard(element, f) {
  const selected = state.selected.includes(f.id);
  element.classList.toggle("selected", selected);
  element.querySelector(".select")?.setAttribute("aria-pressed", String(selected));
  for (const kind of /** @type {const} */ (["more", "less"])) {
    element.querySelector(`.mark.${kind}`)?.setAttribute("aria-pressed", String(state.marks[kind].includes(f.id)));
    element.classList.toggle(`is-${kind}`, state.marks[kind].includes(f.id));
  }
  drawLabels(element, f);
}

/** @param {Element} element @param {Feature} f */
function drawLabels(element, f) {
  const labels = /** @type {string[]} */ (f.properties.labels ?? []);
  const { on, current } = state.labelling;
  element.querySelector(".chips")?.replaceChildren(...labels.map(chip));
  const tile = element.querySelector(".tile");
  if (!tile) return;
  const has = on && labels.includes(current);
  tile.setAttribute("aria-label", `${describe(f)}. ${!on ? "Find similar tiles." : current ? `Label ${current}.` : "Choose a label first."}`);
  for (const [name, value] of [["role", on ? "button" : null], ["aria-pressed", on && current ? String(has) : null]]) {
    if (value === null) tile.removeAttribute(/** @type {string} */ (name));
    else tile.setAttribute(/** @type {string} */ (name), /** @type {string} */ (value));
  }
  element.classList.toggle("has-label", has);
}

/**
 * @param {string} id
 * @param {"more"|"less"} kind
 */
export function toggleMark(id, kind) {
  const other = kind === "more" ? "less" : "more";
  const had = state.marks[kind].includes(id);
  set({ marks: /** @type {any} */ ({
    [kind]: had ? state.marks[kind].filter((x) => x !== id) : [...state.marks[kind], id],
    [other]: state.marks[other].filter((x) => x !== id),
  }) });
}
