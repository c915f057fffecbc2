/** Labelling bar above the grid: selected label, labels of the keys 1 to 9, and what is missing for a training. */

import { openPanel } from "../collections/panel.js";
import { announce, byId, count, group, h, icon } from "../core/dom.js";
import { current, on, set, state } from "../core/state.js";
import { TILES, missingForTraining } from "../learning/readiness.js";
import { hasQuery } from "../search/uploaded.js";
import { focusTile, shownTiles } from "../results/grid.js";
import { loadMore } from "../search/run.js";
import { assignKey, extendPalette, labelColour, openKeys } from "./palette.js";
import { progressMenu } from "./progress.js";
import { openReview } from "./review.js";
import { labelsOf, loadSteps, relabel, undo } from "./store.js";
import { cleanLabel, labelField } from "./typeahead.js";

const ADVANCE = "dyad.advance"; // storage key: whether the focus moves to the next unlabelled tile
const MOST_PAGES = 5; // loaded to find an unlabelled tile
let collection = "";

/** Select the label that a click adds. @param {string} label */
function choose(label) {
  const clean = cleanLabel(label);
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

/** Focus the next tile without a label, if the person chose so. @param {string} id the tile just labelled */
async function advance(id) {
  if (localStorage.getItem(ADVANCE) !== "yes" || !labelsOf(id).includes(state.labelling.current)) return;
  for (let page = 0; page <= MOST_PAGES; page++) {
    const tiles = shownTiles();
    const next = tiles.slice(tiles.findIndex((f) => f.id === id) + 1).find((f) => !labelsOf(f.id).length);
    if (next) { focusTile(next.id); return; }
    if (!state.results.token) break;
    await loadMore();
  }
  announce("No further tile without a label");
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
 * @param {KeyboardEvent} event
 * @param {string|null} id the tile under the focus or the pointer
 * @returns {boolean} whether the key was handled
 */
export function labelKey({ key, code, shiftKey }, id) {
  const typed = /^[1-9]$/.test(key);
  const digit = typed ? key : /^Digit([1-9])$/.exec(code)?.[1];
  if (key === "u") undo();
  else if (key === "v") openReview();
  else if (digit && shiftKey && !typed) {
    if (!state.labelling.current) return false;
    assignKey(state.labelling.current, Number(digit));
    announce(`Key ${digit}: ${state.labelling.current}`);
  } else if (digit) {
    const label = state.palette[Number(digit) - 1];
    if (!label) return true;
    choose(label);
    if (id) { toggleLabel(id); void advance(id); }
  } else if (id && (key === "Enter" || key === " " || key === "l")) { toggleLabel(id); void advance(id); }
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
  if (!label) return "";
  const n = state.labels.find((l) => l.value === label)?.count ?? 0;
  const missing = Math.max(0, TILES - n);
  return h("button", { type: "button", class: "label-key", "data-label": label, "aria-pressed": String(label === state.labelling.current), onclick: () => choose(label) },
  h("kbd", {}, i + 1), h("i", { class: "dot", style: `background:${labelColour(label)}` }), h("span", { class: "ellipsis" }, label),
  h("span", { class: "option-count" }, missing ? `${n}/${TILES}` : group(n)), h("span", { class: "sr-only" }, missing ? ` tiles, ${missing} more needed for training` : " tiles"));
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

function focusActiveCard() {
  /** @type {HTMLElement|null} */ (document.querySelector("#grid .card.active a"))?.focus();
}

/** @param {string} text the text of the field when the focus leaves it: a label that exists is selected */
function leaveField(text) {
  const label = cleanLabel(text);
  if (state.labels.some((l) => l.value === label)) choose(label);
  else parts.input.value = state.labelling.current;
}

const field = labelField({ id: "label-input", label: "Label to add", placeholder: "Choose or type a label", onchoose: (label) => { choose(label); parts.input.value = label; focusActiveCard(); }, onblur: leaveField });

/** The elements of the bar; created once, so that a focused element keeps the focus. */
const parts = {
  input: field.input,
  dot: h("i", { class: "dot" }),
  keys: h("div", { class: "label-keys", role: "group", "aria-label": "Labels by key" }),
  many: h("button", { type: "button", id: "label-many", onclick: () => labelMany(bulkTargets()?.ids ?? []) }),
  undo: h("button", { type: "button", id: "label-undo", title: "u", onclick: undo }, icon("undo"), "Undo"),
  review: h("button", { type: "button", id: "label-review", title: "v", onclick: openReview }, "Review…"),
  progress: h("div", { class: "pop" }),
  hint: h("div", { class: "row label-hint" }),
  error: h("div", {}),
};

function build() {
  const advancing = h("input", { type: "checkbox", id: "label-advance", checked: localStorage.getItem(ADVANCE) === "yes",
    onchange: (/** @type {any} */ e) => localStorage.setItem(ADVANCE, e.target.checked ? "yes" : "no") });
  const menu = h("details", { class: "menu", id: "label-progress" }, h("summary", { class: "button quiet" }, "Classes"), parts.progress);
  menu.addEventListener("toggle", drawProgress);
  byId("label-bar").append(
    h("div", { class: "row" },
      h("div", { class: "label-form" }, parts.dot, field.element), parts.keys, h("span", { class: "spread" }), parts.many, parts.review, parts.undo,
      h("button", { type: "button", id: "label-done", class: "quiet", title: "Esc", onclick: stopLabelling }, "Done")),
    h("div", { class: "row label-options" }, h("label", { class: "option", title: "After a key adds a label, go to the next tile that has none" }, advancing, h("span", {}, "Auto-advance")),
      h("button", { type: "button", id: "label-keys", class: "quiet", onclick: openKeys }, "Keys…"), menu, parts.hint),
    parts.error);
}

function drawProgress() {
  if (/** @type {any} */ (byId("label-progress")).open) parts.progress.replaceChildren(...progressMenu((label) => { choose(label); byId("label-progress").removeAttribute("open"); focusActiveCard(); }));
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
  parts.dot.style.background = labelColour(label) ?? "transparent";
  const focused = parts.keys.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.label : undefined;
  parts.keys.replaceChildren(...state.palette.map(keyButton).filter(Boolean));
  if (focused !== undefined) parts.keys.querySelector(`[data-label="${CSS.escape(focused)}"]`)?.focus();
  const bulk = bulkTargets();
  parts.many.hidden = !bulk;
  parts.many.textContent = bulk?.text ?? "";
  parts.undo.disabled = !state.undoable;
  parts.hint.replaceChildren(...[state.unsaved > 0 ? h("span", { class: "muted" }, `Saving ${count(state.unsaved, "tile")}…`) : null, readiness()].flat().filter(Boolean));
  drawProgress();
  parts.error.replaceChildren(...[saveError()].filter(Boolean));
}

export function setupLabelling() {
  build();
  byId("label").addEventListener("click", () => (state.labelling.on ? stopLabelling() : startLabelling()));
  on(["view", "collections"], () => {
    if (state.view.collection === collection) return;
    collection = state.view.collection;
    loadSteps(collection);
    set({ labelling: { on: false, current: "" } });
  });
  on(["labelling", "labels", "palette", "undoable", "unsaved", "labelError", "marks", "results", "collections"], draw);
}
