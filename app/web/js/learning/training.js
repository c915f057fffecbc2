/** Tab "Train" of a collection: training on its labels, then re-indexing; and evaluation of the current index. */

import * as api from "../core/api.js";
import { attempt, count, group, h } from "../core/dom.js";
import { state } from "../core/state.js";
import { watch } from "../jobs/tracker.js";
import { jobView } from "../jobs/view.js";
import { labelColour } from "../labels/palette.js";
import { allSaved } from "../labels/store.js";
import { modelTitle, licenceLines, researchTag } from "./names.js";
import { missingForTraining } from "./readiness.js";

/** @typedef {import("../core/types.js").Collection} Collection */

const HEAD = "head";
const MAX_LABELS = 12; // shown

/** The labels for training, with their counts. */
function trainingData() {
  const { labels } = state;
  const most = Math.max(1, ...labels.map((l) => l.count));
  const missing = missingForTraining(labels);
  return h("section", { class: "stack" },
    h("h3", {}, "Training data"),
    labels.length > 0 && h("ul", { class: "label-bars" }, labels.slice(0, MAX_LABELS).map(({ value, count: n }) => h("li", {},
      h("span", { class: "ellipsis" }, value), h("span", { class: "bar-track" }, h("i", { style: `inline-size:${(100 * n) / most}%;background:${labelColour(value) ?? "var(--muted)"}` })),
      h("span", { class: "option-count" }, group(n)))),
    labels.length > MAX_LABELS && h("li", { class: "muted" }, `and ${count(labels.length - MAX_LABELS, "more label")}`)),
    h("p", { class: missing ? "" : "muted" }, missing ? `Label some tiles first: training needs ${missing}.`
      : "One labelled tile in five is held out for evaluation. Unlabelled tiles are used too. The new index is compared on all labelled tiles, by heads that did not learn them."));
}

/** @param {any} process description of the process `train` */
function recipes(process) {
  const field = process?.inputs?.recipe?.schema ?? {};
  return /** @type {string[]} */ (field.enum ?? field.examples ?? []).filter((name) => name !== HEAD);
}

/** The training methods; fine-tuning the head is selected. */
function methods() {
  const known = h("datalist", { id: "recipes" });
  const more = h("input", { type: "text", name: "recipe", "aria-label": "Recipe", list: "recipes", placeholder: "Name of the recipe", spellcheck: "false", autocomplete: "off" });
  const about = h("p", { class: "muted" });
  const network = h("input", { type: "radio", name: "way", value: "full" });
  const load = async () => {
    const process = await attempt(about, () => api.process("train"));
    if (!process) return;
    about.textContent = "Any recipe listed by dyad train --list. Use hr-s2dml for few labels and many unlabelled tiles.";
    known.replaceChildren(...recipes(process).map((name) => h("option", { value: name })));
    if (!more.value) more.value = recipes(process)[0] ?? "";
  };
  more.addEventListener("input", () => { network.checked = true; });
  const head = h("label", { class: "model" }, h("input", { type: "radio", name: "way", value: HEAD, checked: true }),
    h("span", {}, h("b", {}, "Fine-tune the head (seconds)"),
      h("span", { class: "muted" }, "Trains a new last layer and calibrates the match probabilities, from the stored features of all tiles. No image is read.")));
  return [head, h("details", { class: "advanced", ontoggle: (/** @type {any} */ e) => { if (e.target.open && !known.childNodes.length) void load(); } },
    h("summary", {}, "More: train the network"),
    h("div", { class: "stack" },
      h("label", { class: "model" }, network, h("span", {}, h("b", {}, "Train the network (hours)"),
        h("span", { class: "muted" }, "Trains on the images of the collection. The job can be cancelled. Requires dyad[train] on the server."), more, known)),
      about,
      h("div", { class: "fields two" },
        h("label", { class: "field" }, "Epochs", h("input", { type: "number", name: "epochs", min: 1, max: 10000, placeholder: "recipe default" })),
        h("label", { class: "field" }, "Seed", h("input", { type: "number", name: "seed", min: 0, placeholder: "0" }))),
      h("label", { class: "option" }, h("input", { type: "checkbox", name: "from_scratch" }), h("span", {}, "Train from scratch instead of fine-tuning the current model"))))];
}

/** @param {Collection} c @param {FormData} data */
function inputs(c, data) {
  const text = (/** @type {string} */ name) => String(data.get(name) ?? "").trim();
  const full = text("way") === "full";
  /** @type {Record<string, any>} */
  const out = { collection: c.id, recipe: full ? text("recipe") : HEAD, reindex: data.has("reindex") };
  if (text("title")) out.title = text("title");
  if (full && text("epochs")) out.settings = { epochs: Number(text("epochs")) };
  if (full && data.has("from_scratch")) out.from_scratch = true;
  if (full && text("seed")) out.seed = Number(text("seed"));
  return out;
}

/** Note that a model trained from the current one has its terms. @param {Collection} c */
function inheritedTerms(c) {
  const model = state.models.find((m) => m.id === c.model);
  return model && h("div", { class: "stack small" }, h("span", { class: "row" }, "A fine-tuned model has the terms of ", h("b", {}, modelTitle(model.id)), researchTag(model)),
    licenceLines(model));
}

/** The tab. @param {Collection} c */
export function training(c) {
  const note = h("div", {});
  const run = h("div", { class: "stack", id: "train-run" });
  const submit = h("button", { class: "primary", id: "train-start" }, "Train");
  const form = h("form", { class: "stack", id: "train-form", onsubmit: async (/** @type {Event} */ event) => {
    event.preventDefault();
    const job = await attempt(note, () => afterLabels("train", inputs(c, new FormData(form))), submit);
    if (job) begin(job, run);
  } },
  trainingData(),
  h("fieldset", { class: "models" }, h("legend", {}, "Method"), methods()),
  h("div", { class: "fields two" },
    h("label", { class: "field" }, "Name of the new model", h("input", { type: "text", name: "title", maxlength: 200, placeholder: `default: ${c.title || c.id}` })),
    h("label", { class: "option" }, h("input", { type: "checkbox", name: "reindex", checked: true }),
      h("span", {}, "Then re-index, and switch if the new index is better"))),
  inheritedTerms(c),
  note,
  h("div", { class: "row end" }, submit));
  return [run, form, evaluation(c)];
}

/** Start a process that reads labels, when the changes made here are saved. @param {string} process @param {Record<string, any>} inputs */
async function afterLabels(process, inputs) {
  await allSaved();
  return api.execute(process, inputs);
}

/** Follow a job in a box, in place of the previous one. @param {import("../core/types.js").Job} job @param {HTMLElement} box */
function begin(job, box) {
  const view = jobView(job);
  box.replaceChildren(view.element);
  view.element.scrollIntoView({ block: "nearest" });
  watch(job, view).catch(() => {}); // the view shows the error
}

/** @param {Collection} c */
function evaluation(c) {
  const note = h("div", {});
  const run = h("div", { class: "stack" });
  const button = h("button", { type: "button", id: "evaluate", onclick: async () => {
    const job = await attempt(note, () => afterLabels("evaluate", { collection: c.id }), button);
    if (job) begin(job, run);
  } }, "Evaluate");
  return h("section", { class: "stack part" },
    h("div", { class: "row" }, h("div", { class: "grow" }, h("h3", {}, "Evaluation"),
      h("p", { class: "muted" }, "Searches with each labelled tile that was not used for training, and reports how many of the first results have the same label.")), button),
    note, run);
}
