/** Labelling bar above the grid: selected label, labels of the keys 1 to 9, and what is missing for a training. */

import { openPanel } from "../collections/panel.js";
import { announce, byId, count, group, h, icon } from "../core/dom.js";
import { current, on, set, state } from "../core/state.js";
import { TILES, missingForTraining } from "../learning/readiness.js";
import { hasQuery } from "../search/uploaded.js";
import { extendPalette, labelColour } from "./palette.js";
import { forgetSteps, labelsOf, relabel, undo } from "./store.js";

let collection = "";

/** Select the label that a click adds. @param {string} label */
function choose(label) {
  const clean = label.trim().replaceAll(",", " ");
  if (!clean) return;
  extendPalette(clean);
  set({ labelling: { on: true, current: clean } });
}

/**
 * Add the selected label to a tile, or remove it.
 * @param {string} id
 * @param {string} [label]
 */
export function toggleLabel(id, label = state.labelling.current) {
  if (!label) {
    byId("label-input")?.focus();
    return;
  }
  const has = labelsOf(id).includes(label);
  void relabel([{ id, add: has ? [] : [label], remove: has ? [label] : [] }]);
  announce(has ? `${label} removed` : `${label} added`);
}

/** Remove a label from a tile: the selected one if the tile has it, else the last. @param {string} id */
function removeLabel(id) {
  const labels = labelsOf(id);
  const removed = labels.includes(state.labelling.current) ? state.labelling.current : labels.at(-1);
  if (removed === undefined) return;
  void relabel([{ id, add: [], remove: [removed] }]);
  announce(`${removed} removed`);
}

/** The tiles that one button labels: the marked ones, else the likely matches. */
function bulkTargets() {
  const { results, marks, view } = state;
  if (marks.more.length) return { ids: marks.more, text: `Label ${count(marks.more.length, "marked tile")}` };
  const end = results.likelyMatches;
  if (!hasQuery(view) || end === null || end < 2) return null;
  const ids = results.features.filter((f) => f.properties.rank <= end).map((f) => f.id);
  return { ids, text: ids.length < end ? `Label the first ${count(ids.length, "likely match", "likely matches")}` : `Label ${ids.length} likely matches` };
}

/** @param {string[]} ids */
function labelMany(ids) {
  const label = state.labelling.current;
  if (!label) {
    byId("label-input")?.focus();
    return;
  }
  const without = ids.filter((id) => !labelsOf(id).includes(label));
  void relabel(without.map((id) => ({ id, add: [label], remove: [] })));
  announce(`${label} added to ${count(without.length, "tile")}`);
}

/**
 * Handle a key pressed while labelling.
 * @param {string} key
 * @param {string|null} id the tile under the focus or the pointer
 * @returns {boolean} whether the key was handled
 */
export function labelKey(key, id) {
  if (key === "u") undo();
  else if (/^[1-9]$/.test(key)) {
    const label = state.palette[Number(key) - 1];
    if (!label) return true;
    choose(label);
    if (id) toggleLabel(id);
  } else if (id && (key === "Enter" || key === " " || key === "l")) toggleLabel(id);
  else if (id && key === "x") removeLabel(id);
  else return false;
  return true;
}

export function startLabelling() {
  if (!current()?.item_count || state.labelling.on) return;
  set({ labelling: { ...state.labelling, on: true } });
  if (!state.labelling.current) byId("label-input")?.focus();
}

export function stopLabelling() {
  if (state.labelling.on) set({ labelling: { ...state.labelling, on: false } });
}

/** @param {string} label @param {number} i */
function keyButton(label, i) {
  const n = state.labels.find((l) => l.value === label)?.count ?? 0;
  const missing = Math.max(0, TILES - n);
  return h("button", { type: "button", class: "label-key", "data-label": label, "aria-pressed": String(label === state.labelling.current),
    "aria-label": `${label}, ${count(n, "tile")}${missing ? `, ${missing} more needed for training` : ""}`, onclick: () => choose(label) },
  h("kbd", {}, i + 1), h("i", { class: "dot", style: `background:${labelColour(label)}` }), h("span", { class: "ellipsis" }, label),
  h("span", { class: "option-count" }, missing ? `${n}/${TILES}` : group(n)));
}

function readiness() {
  const missing = missingForTraining(state.labels);
  if (missing) return h("span", { class: "muted" }, `Training needs ${missing}. One labelled tile in five is held out for evaluation.`);
  const n = state.labels.filter((l) => l.count >= TILES).length;
  return [h("span", { class: "good" }, `${count(n, "label")} ready for training.`), h("span", { class: "muted" }, "One labelled tile in five is held out for evaluation, so more labels help."),
    h("button", { type: "button", class: "quiet", id: "label-train", onclick: () => openPanel("train") }, "Train…")];
}

function saveError() {
  const failed = state.labelError;
  if (!failed) return null;
  return h("div", { class: "error", role: "alert" },
    h("p", {}, `${count(failed.changes.length, "tile")} could not be labelled: ${failed.message}`),
    h("button", { type: "button", onclick: () => void relabel(failed.changes) }, "Try again"));
}

/** The elements of the bar; created once, so that a focused element keeps the focus. */
const parts = {
  input: h("input", { type: "text", id: "label-input", placeholder: "Choose or type a label", maxlength: 128, list: "label-known", autocomplete: "off",
    "aria-label": "Label to add" }),
  known: h("datalist", { id: "label-known" }),
  dot: h("i", { class: "dot" }),
  keys: h("div", { class: "label-keys", role: "group", "aria-label": "Labels by key" }),
  many: h("button", { type: "button", id: "label-many", onclick: () => labelMany(bulkTargets()?.ids ?? []) }),
  undo: h("button", { type: "button", id: "label-undo", title: "u", onclick: undo }, icon("undo"), "Undo"),
  hint: h("div", { class: "row label-hint" }),
  error: h("div", {}),
};

function build() {
  const take = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!parts.input.value.trim()) return;
    choose(parts.input.value);
    /** @type {HTMLElement|null} */ (document.querySelector("#grid .card.active a"))?.focus();
  };
  parts.input.addEventListener("change", () => choose(parts.input.value));
  byId("label-bar").append(
    h("div", { class: "row" },
      h("form", { class: "label-form", onsubmit: take }, parts.dot, parts.input, parts.known), parts.keys, h("span", { class: "spread" }), parts.many, parts.undo,
      h("button", { type: "button", id: "label-done", class: "quiet", title: "Esc", onclick: stopLabelling }, "Done")),
    parts.hint, parts.error);
}

function draw() {
  const { on: labelling, current: label } = state.labelling;
  const button = byId("label");
  button.setAttribute("aria-pressed", String(labelling));
  button.disabled = !current()?.item_count;
  document.body.classList.toggle("is-labelling", labelling);
  byId("label-bar").hidden = !labelling;
  if (!labelling) return;
  if (document.activeElement !== parts.input) parts.input.value = label;
  parts.known.replaceChildren(...state.labels.map((l) => h("option", { value: l.value })));
  parts.dot.style.background = labelColour(label) ?? "transparent";
  const focused = parts.keys.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.label : undefined;
  parts.keys.replaceChildren(...state.palette.map(keyButton));
  if (focused !== undefined) parts.keys.querySelector(`[data-label="${CSS.escape(focused)}"]`)?.focus();
  const bulk = bulkTargets();
  parts.many.hidden = !bulk;
  parts.many.textContent = bulk?.text ?? "";
  parts.undo.disabled = !state.undoable;
  parts.hint.replaceChildren(...[readiness()].flat());
  parts.error.replaceChildren(...[saveError()].filter(Boolean));
}

export function setupLabelling() {
  build();
  byId("label").addEventListener("click", () => (state.labelling.on ? stopLabelling() : startLabelling()));
  on(["view", "collections"], () => {
    if (state.view.collection === collection) return;
    collection = state.view.collection;
    forgetSteps(collection);
    set({ labelling: { on: false, current: "" } });
  });
  on(["labelling", "labels", "palette", "undoable", "labelError", "marks", "results", "collections"], draw);
}
