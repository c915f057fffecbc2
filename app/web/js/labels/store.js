/** Changes of labels: shown immediately and saved in the background, with one request at a time for each tile. A change that cannot be saved is reverted, with an error message. */

import * as api from "../core/api.js";
import { announce, count, debounce } from "../core/dom.js";
import { refreshLabels } from "../core/loading.js";
import { set, state } from "../core/state.js";

/** @typedef {import("../core/types.js").LabelCount} LabelCount */
/** @typedef {{id: string, labels: string[]}} Change the new labels of a tile */
/** @typedef {{id: string, collection: string, saved: string[], wanted: string[],
 *   done: ((error: Error|null) => void)[]}} Pending */

const MAX_REQUESTS = 4; // at the same time; images and events need connections too
const MAX_STEPS = 100; // that can be undone

/** @type {Map<string, Pending>} */
const pending = new Map();
/** @type {Pending[]} */
const queue = [];
/** @type {{collection: string, before: Change[]}[]} */
let steps = [];
let active = 0;

/** The labels of a tile, with unsaved changes. @param {string} id @returns {string[]} */
export function labelsOf(id) {
  return pending.get(id)?.wanted ?? state.results.features.find((f) => f.id === id)?.properties.labels ?? [];
}

/** @param {string[]} a @param {string[]} b */
const same = (a, b) => a.length === b.length && a.every((label) => b.includes(label));

/** @param {LabelCount[]} counts @param {string[]} before @param {string[]} after */
function recount(counts, before, after) {
  const by = new Map(counts.map((l) => [l.value, l.count]));
  for (const label of before) if (!after.includes(label)) by.set(label, (by.get(label) ?? 1) - 1);
  for (const label of after) if (!before.includes(label)) by.set(label, (by.get(label) ?? 0) + 1);
  return [...by].filter(([, n]) => n > 0).map(([value, n]) => ({ value, count: n }));
}

/** @param {Change[]} changes @param {(id: string) => string[]} before */
function show(changes, before) {
  let counts = state.labels;
  for (const { id, labels } of changes) {
    counts = recount(counts, before(id), labels);
    const feature = state.results.features.find((f) => f.id === id);
    if (feature) feature.properties.labels = labels;
  }
  set({ labels: counts, relabelled: changes.map((c) => c.id) });
}

/**
 * Change the labels of tiles.
 * @param {Change[]} wanted
 * @param {{undoable?: boolean}} [options]
 * @returns {Promise<Error|null>} null when all changes are saved, else the error of the first that is not
 */
export async function relabel(wanted, { undoable = true } = {}) {
  const collection = state.view.collection;
  const changes = wanted.filter(({ id, labels }) => !same(labelsOf(id), labels));
  if (!changes.length) return null;
  const before = changes.map(({ id }) => ({ id, labels: labelsOf(id) }));
  if (undoable) steps = [...steps.filter((s) => s.collection === collection), { collection, before }].slice(-MAX_STEPS);
  const old = new Map(before.map((c) => [c.id, c.labels]));
  const saved = changes.map(({ id, labels }) => enqueue(id, collection, old.get(id) ?? [], labels));
  set({ labelError: null, undoable: steps.length });
  show(changes, (id) => old.get(id) ?? []);
  sendQueued();
  return (await Promise.all(saved)).find(Boolean) ?? null;
}

/**
 * @param {string} id @param {string} collection @param {string[]} saved @param {string[]} wanted
 * @returns {Promise<Error|null>}
 */
function enqueue(id, collection, saved, wanted) {
  let entry = pending.get(id);
  if (entry) entry.wanted = wanted;
  else {
    entry = { id, collection, saved, wanted, done: [] };
    pending.set(id, entry);
    queue.push(entry);
  }
  return new Promise((resolve) => entry.done.push(resolve));
}

/** @param {Pending} entry @param {Error|null} error */
function finish(entry, error) {
  pending.delete(entry.id);
  for (const resolve of entry.done) resolve(error);
}

/** Undo the last change. */
export function undo() {
  const step = steps.pop();
  set({ undoable: steps.length });
  if (!step || step.collection !== state.view.collection) return;
  void relabel(step.before, { undoable: false });
  announce(`Undone: labels of ${count(step.before.length, "tile")}`);
}

/** Delete the undo steps of other collections. @param {string} collection */
export function forgetSteps(collection) {
  steps = steps.filter((s) => s.collection === collection);
  set({ undoable: steps.length, labelError: null });
}

function sendQueued() {
  while (active < MAX_REQUESTS && queue.length) {
    active += 1;
    void save(/** @type {Pending} */ (queue.shift())).finally(() => {
      active -= 1;
      sendQueued();
      if (!pending.size) reloadCounts();
    });
  }
}

// reload the counts when all changes are saved: other users may label too
const reloadCounts = debounce(() => { if (!pending.size) refreshLabels().catch(() => {}); }, 600);

/** @param {Pending} entry */
async function save(entry) {
  const sent = entry.wanted;
  try {
    const answer = await api.patchItem(entry.collection, entry.id, { labels: sent });
    entry.saved = answer?.properties?.labels ?? sent;
    if (same(entry.wanted, sent)) finish(entry, null);
    else queue.push(entry);
  } catch (error) {
    revert(entry, /** @type {Error} */ (error));
  }
}

/** @param {Pending} entry @param {Error} error */
function revert(entry, error) {
  const { id, wanted, saved, collection } = entry;
  finish(entry, error);
  if (collection !== state.view.collection) return;
  const before = state.labelError?.changes ?? [];
  show([{ id, labels: saved }], () => wanted);
  set({ labelError: { message: error.message, changes: [...before, { id, labels: wanted }] } });
}

export function setupLabelStore() {
  addEventListener("beforeunload", (event) => { if (pending.size) event.preventDefault(); });
}
