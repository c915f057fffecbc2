/** Titles and licences of models, and the model of an index version. */

import { h } from "../core/dom.js";
import { state } from "../core/state.js";

/** @typedef {import("../core/types.js").Model} Model */

export const RESEARCH_ONLY = "research use only";

/** @param {string} id */
export const modelTitle = (id) => state.models.find((m) => m.id === id)?.title || id;

/** Model identifier of an index version, which has the form `<model>.<number>`. @param {string} version */
export const modelOf = (version) => version.replace(/\.\d+$/, "");

/** Tag of a model that may be used for research only. @param {Model} m */
export const researchTag = (m) => m.research_only && h("span", { class: "tag warning" }, RESEARCH_ONLY);

/** Licence of a model, and the terms of the imagery and the weights that it was made from. @param {Model} m */
export function licenceLines(m) {
  const parts = (/** @type {string} */ title, /** @type {import("../core/types.js").Terms[]} */ list) => list.length > 0
    && `${title}: ${list.map((t) => `${t.name} (${t.terms}${t.source ? `; ${t.source}` : ""})`).join(", ")}`;
  return [m.licence && `Licence: ${m.licence}`, parts("Trained on", m.training_sets), parts("Started from", m.starting_weights)]
    .filter(Boolean).map((text) => h("span", { class: "muted" }, text));
}
