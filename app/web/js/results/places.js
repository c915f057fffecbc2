/** Where a result and the query match: both images, and on each a grid that is brighter where the other image matches it well. */

import * as api from "../core/api.js";
import { errorBox, h } from "../core/dom.js";
import { state } from "../core/state.js";
import { explained } from "../search/run.js";
import { uploaded } from "../search/uploaded.js";

/** @typedef {import("../core/types.js").Feature} Feature */

/**
 * A button that adds both images below itself; null if the results are not re-ranked.
 * @param {Feature} f
 */
export function placesButton(f) {
  if (state.results.mode !== "search" || !state.results.rerank) return null;
  const box = h("div", { class: "places" });
  const button = h("button", { type: "button", class: "quiet", "aria-expanded": "false", onclick: async () => {
    const show = button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", String(show));
    box.replaceChildren();
    if (show) box.replaceChildren(...(await content(f)));
  } }, "Show where it matches");
  return h("div", {}, button, box);
}

/** @param {Feature} f @returns {Promise<Element[]>} */
async function content(f) {
  const { view } = state;
  try {
    const answer = await explained(view, f.id);
    const match = answer.features[0]?.match;
    if (!match) return [h("p", { class: "muted small" }, answer.warnings?.at(-1) ?? "The tile is no longer in the collection.")];
    const values = [...match.query, ...match.candidate].flat();
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const query = uploaded(view.upload)?.url ?? api.thumbnailUrl(view.collection, view.items[0], 256);
    return [
      picture("Query", query, match.query, low, high),
      picture("Result", api.thumbnailUrl(view.collection, f.id, 256), match.candidate, low, high),
      h("p", { class: "muted small" }, `Brighter places are matched better by the other image (similarity ${low.toFixed(2)} to ${high.toFixed(2)}).`),
    ];
  } catch (error) {
    return [errorBox(error)];
  }
}

/**
 * @param {string} name
 * @param {string} src
 * @param {number[][]} rows
 * @param {number} low
 * @param {number} high
 */
function picture(name, src, rows, low, high) {
  return h("figure", { class: "places-image" }, h("div", {}, h("img", { src, alt: "", width: 256, height: 256 }), heat(rows, low, high, name)), h("figcaption", {}, name));
}

/** A grid over a picture, opaque where the other picture matches. @param {number[][]} rows @param {number} low @param {number} high @param {string} name */
export function heat(rows, low, high, name) {
  const cells = rows.flat().map((value) => h("i", { style: `opacity:${high > low ? ((value - low) / (high - low)).toFixed(2) : 1}` }));
  return h("div", { class: "heat", role: "img", "aria-label": `${name}: places that match`, style: `grid-template-columns:repeat(${rows[0].length}, 1fr)` }, cells);
}
