/** Training on a collection's own labels, followed to the new index; and measuring how well the present one finds them. */

import * as api from "../core/api.js";
import { attempt, count, group, h } from "../core/dom.js";
import { state } from "../core/state.js";
import { watch } from "../jobs/tracker.js";
import { jobView } from "../jobs/view.js";
import { labelColour } from "../labels/palette.js";
import { missingForTraining } from "./readiness.js";

/** @typedef {import("../core/types.js").Collection} Collection */

const QUICK = "head";
const SHOWN = 12; // labels

/** The labels that a training would learn, with their counts. */
function material() {
  const { labels } = state;
  const most = Math.max(1, ...labels.map((l) => l.count));
  const missing = missingForTraining(labels);
  return h("section", { class: "stack" },
    h("h3", {}, "What it learns from"),
    labels.length > 0 && h("ul", { class: "label-bars" }, labels.slice(0, SHOWN).map(({ value, count: n }) => h("li", {},
      h("span", { class: "ellipsis" }, value), h("span", { class: "bar-track" }, h("i", { style: `inline-size:${(100 * n) / most}%;background:${labelColour(value) ?? "var(--muted)"}` })),
      h("span", { class: "option-count" }, group(n)))),
    labels.length > SHOWN && h("li", { class: "muted" }, `and ${count(labels.length - SHOWN, "more label")}`)),
    h("p", { class: missing ? "" : "muted" }, missing ? `Label some tiles first: a training needs ${missing}.`
      : "One labelled tile in five is kept from the training: the result is judged by those. Tiles without a label help, too."));
}

/** @param {any} process its description */
function recipes(process) {
  const field = process?.inputs?.recipe?.schema ?? {};
  return /** @type {string[]} */ (field.enum ?? field.examples ?? []).filter((name) => name !== QUICK);
}

/** The ways to train, the quick one chosen. */
function ways() {
  const known = h("datalist", { id: "recipes" });
  const more = h("input", { type: "text", name: "recipe", "aria-label": "Recipe", list: "recipes", placeholder: "Name of a recipe", spellcheck: "false", autocomplete: "off" });
  const about = h("p", { class: "muted" });
  const full = h("input", { type: "radio", name: "way", value: "full" });
  const load = async () => {
    const process = await attempt(about, () => api.process("train"));
    if (!process) return;
    about.textContent = "Any recipe that dyad train --list names. hr-s2dml is for few labels among many tiles.";
    known.replaceChildren(...recipes(process).map((name) => h("option", { value: name })));
    if (!more.value) more.value = recipes(process)[0] ?? "";
  };
  more.addEventListener("input", () => { full.checked = true; });
  const quick = h("label", { class: "model" }, h("input", { type: "radio", name: "way", value: QUICK, checked: true }),
    h("span", {}, h("b", {}, "Head, in seconds"),
      h("span", { class: "muted" }, "A new last layer, and probabilities that fit this collection, from what is stored of every tile. No image is read.")));
  return [quick, h("details", { class: "advanced", ontoggle: (/** @type {any} */ e) => { if (e.target.open && !known.childNodes.length) void load(); } },
    h("summary", {}, "More: train a whole network"),
    h("div", { class: "stack" },
      h("label", { class: "model" }, full, h("span", {}, h("b", {}, "A full recipe, in minutes to hours"),
        h("span", { class: "muted" }, "From the collection's images. It can be stopped, and needs the extra dyad[train] where the service runs."), more, known)),
      about,
      h("div", { class: "fields two" },
        h("label", { class: "field" }, "Epochs", h("input", { type: "number", name: "epochs", min: 1, max: 10000, placeholder: "as the recipe says" })),
        h("label", { class: "field" }, "Seed", h("input", { type: "number", name: "seed", min: 0, placeholder: "0" }))),
      h("label", { class: "option" }, h("input", { type: "checkbox", name: "anew" }), h("span", {}, "Begin anew instead of with the model at hand"))))];
}

/** @param {Collection} c @param {FormData} data */
function inputs(c, data) {
  const text = (/** @type {string} */ name) => String(data.get(name) ?? "").trim();
  const full = text("way") === "full";
  /** @type {Record<string, any>} */
  const out = { collection: c.id, recipe: full ? text("recipe") : QUICK, reindex: data.has("reindex") };
  if (text("title")) out.title = text("title");
  if (full && text("epochs")) out.settings = { epochs: Number(text("epochs")) };
  if (full && data.has("anew")) out.from_scratch = true;
  if (full && text("seed")) out.seed = Number(text("seed"));
  return out;
}

/** The tab. @param {Collection} c */
export function training(c) {
  const note = h("div", {});
  const run = h("div", { class: "stack", id: "train-run" });
  const submit = h("button", { class: "primary", id: "train-start" }, "Train");
  const form = h("form", { class: "stack", id: "train-form", onsubmit: async (/** @type {Event} */ event) => {
    event.preventDefault();
    const job = await attempt(note, () => api.execute("train", inputs(c, new FormData(form))), submit);
    if (job) begin(job, run);
  } },
  material(),
  h("fieldset", { class: "models" }, h("legend", {}, "How"), ways()),
  h("div", { class: "fields two" },
    h("label", { class: "field" }, "Name of the new model", h("input", { type: "text", name: "title", maxlength: 200, placeholder: `as the collection: ${c.title || c.id}` })),
    h("label", { class: "option" }, h("input", { type: "checkbox", name: "reindex", checked: true }),
      h("span", {}, "Then build the new index, and switch if it is not worse"))),
  note,
  h("div", { class: "row end" }, submit));
  return [run, form, measuring(c)];
}

/** Follow a job here, above what was followed before. @param {import("../core/types.js").Job} job @param {HTMLElement} box */
function begin(job, box) {
  const view = jobView(job);
  box.replaceChildren(view.element);
  view.element.scrollIntoView({ block: "nearest" });
  watch(job, view).catch(() => {}); // the view says what went wrong
}

/** @param {Collection} c */
function measuring(c) {
  const note = h("div", {});
  const run = h("div", { class: "stack" });
  const button = h("button", { type: "button", id: "evaluate", onclick: async () => {
    const job = await attempt(note, () => api.execute("evaluate", { collection: c.id }), button);
    if (job) begin(job, run);
  } }, "Measure");
  return h("section", { class: "stack part" },
    h("div", { class: "row" }, h("div", { class: "grow" }, h("h3", {}, "How good is it now?"),
      h("p", { class: "muted" }, "Searches with every labelled tile that no training saw, and reports how many of the first results have its label.")), button),
    note, run);
}
