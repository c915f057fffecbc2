/** How a search is ranked: whether the matcher looks at the pairs, the least probability, and folding of near-copies. */

import { h } from "../core/dom.js";
import { go } from "../core/route.js";
import { current, state } from "../core/state.js";
import { modelOf } from "../learning/names.js";
import { hasQuery } from "./uploaded.js";

/** The model of the index that answers. */
function model() {
  const c = current();
  const id = state.view.version ? modelOf(state.view.version) : c?.index?.model ?? c?.model;
  return state.models.find((m) => m.id === id);
}

/** Whether results are re-ranked when nothing is said: where there is a matcher, and this collection's labels do not speak against it. */
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

/** The fields, for the filters; none while nothing is searched. */
export function rankingFields() {
  const { view } = state;
  if (!hasQuery(view)) return null;
  const matcher = Boolean(model()?.matcher);
  const on = matcher && (view.rerank ? view.rerank === "on" : byDefault());
  const why = !matcher ? "This model only compares tiles; it has no matcher."
    : current()?.rerank === false && !view.rerank ? "Off here: by this collection's labels, results are better without." : "";
  return h("fieldset", { class: "ranking" }, h("legend", {}, "Ranking"),
    toggle("rerank", "Re-rank by the matcher", on, (yes) => go({ rerank: yes === byDefault() ? "" : yes ? "on" : "off", least: yes ? view.least : 0 }),
      { disabled: !matcher, title: "Look at the most similar tiles again, each together with the query" }),
    why && h("p", { class: "muted small" }, why),
    h("label", { class: "field inline" }, h("span", {}, "At least"), h("input", { type: "number", id: "least", min: 0, max: 100, step: 5, placeholder: "any", disabled: !on,
      value: view.least || "", onchange: (/** @type {any} */ e) => { if (e.target.checkValidity()) go({ least: Number(e.target.value) }); } }), h("span", {}, "% match")),
    toggle("diversify", "Fold near-copies", view.fold, (fold) => go({ fold }), { title: "Show overlapping windows and the same place again as one result" }));
}

/** What a search says about its ranking. @param {import("../core/types.js").View} view */
export function rankingQuery(view) {
  /** @type {Record<string, any>} */
  const out = {};
  if (view.rerank) out.rerank = view.rerank === "on";
  if (view.least) out.min_probability = view.least / 100;
  if (view.fold) out.diversify = true;
  if (view.version) out.index_version = view.version;
  return out;
}
