/** Ranking options: re-ranking, minimum match probability, one result per place. */

import { h } from "../core/dom.js";
import { go } from "../core/route.js";
import { current, state } from "../core/state.js";
import { modelOf } from "../learning/names.js";
import { hasQuery } from "./uploaded.js";

/** The model of the index that is searched. */
function model() {
  const c = current();
  const id = state.view.version ? modelOf(state.view.version) : c?.index?.model ?? c?.model;
  return state.models.find((m) => m.id === id);
}

/** Whether results are re-ranked by default: the model includes a pairwise model, and re-ranking is not off for the collection. */
const byDefault = () => Boolean(model()?.matcher) && current()?.rerank !== false;

/**
 * @param {string} id
 * @param {string} text
 * @param {boolean} checked
 * @param {(on: boolean) => void} onchange
 * @param {{disabled?: boolean, title?: string}} [options]
 */
function toggle(id, text, checked, onchange, { disabled, title } = {}) {
  return h("label", { class: "option", title }, h("input", { type: "checkbox", role: "switch", id, checked, disabled,
    onchange: (/** @type {any} */ e) => onchange(e.target.checked) }), h("span", { class: "option-name" }, text));
}

/** The fields of the filter form; null without a query. */
export function rankingFields() {
  const { view } = state;
  if (!hasQuery(view)) return null;
  const supported = Boolean(model()?.matcher);
  const on = supported && (view.rerank ? view.rerank === "on" : byDefault());
  const why = !supported ? "The model of this collection does not include a pairwise model."
    : current()?.rerank === false && !view.rerank ? "Off by default for this collection: an evaluation found lower accuracy with re-ranking, or it was turned off under Details." : "";
  return h("fieldset", { class: "ranking" }, h("legend", {}, "Ranking"),
    toggle("rerank", "Re-rank (pairwise model)", on, (yes) => go({ rerank: yes === byDefault() ? "" : yes ? "on" : "off", least: yes ? view.least : 0 }),
      { disabled: !supported, title: "Compare each of the most similar tiles with the query again, with the pairwise model" }),
    why && h("p", { class: "muted small" }, why),
    h("label", { class: "field inline" }, h("span", {}, "At least"), h("input", { type: "number", id: "least", min: 0, max: 100, step: 1, placeholder: "any", disabled: !on,
      value: view.least || "", onchange: (/** @type {any} */ e) => { if (e.target.checkValidity()) go({ least: Number(e.target.value) }); } }), h("span", {}, "% match")),
    toggle("diversify", "One result per place", view.onePerPlace, (onePerPlace) => go({ onePerPlace }), { title: "Merge overlapping tiles and repeated images of the same place into one result" }));
}

/** The ranking options as members of a search request. @param {import("../core/types.js").View} view */
export function rankingQuery(view) {
  /** @type {Record<string, any>} */
  const out = {};
  if (view.rerank) out.rerank = view.rerank === "on";
  if (view.least) out.min_probability = view.least / 100;
  if (view.onePerPlace) out.diversify = true;
  if (view.version) out.index_version = view.version;
  return out;
}
