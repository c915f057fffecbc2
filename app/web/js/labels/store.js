/**
 * Changes of labels: shown immediately and saved in the background, with one request at a time for each tile. A request adds and removes
 * labels, so labels that other users give at the same time stay. A change that cannot be saved is reverted, with an error message.
 */

import * as api from "../core/api.js";
import { announce, count, debounce } from "../core/dom.js";
import { refreshLabels } from "../core/loading.js";
import { set, state } from "../core/state.js";

/** @typedef {import("../core/types.js").LabelCount} LabelCount */
/** @typedef {{add: string[], remove: string[]}} Edit labels to add and labels to remove; none is in both */
/** @typedef {Edit & {id: string, known?: string[]}} Change an edit of a tile; known: its labels, if it is not among the results */
/** @typedef {{id: string, labels: string[]}} Labelled */
/**
 * @typedef {{id: string, collection: string, saved: string[], wanted: Edit, unsent: Edit, done: ((error: Error|null) => void)[]}} Pending
 * saved: labels at the service. wanted: the edit that is not confirmed yet. unsent: the part of it that is not in the current request
 */

const MAX_REQUESTS = 4; // at the same time; images and events need connections too
const MAX_STEPS = 100; // that can be undone
const MAX_STORED = 500_000; // characters of the stored steps
const stepsKey = () => `dyad.undo.${stepsOf}`;

/** @type {Map<string, Pending>} */
const pending = new Map();
/** @type {Pending[]} */
const queue = [];
/** Changes that can be undone, of the current collection. @type {Change[][]} */
let steps = [];
let stepsOf = "";
let active = 0;
let edits = 0;
/** The loaded tiles by identifier. */
let index = { features: /** @type {any[]} */ ([]), byId: new Map() };

/** @param {string} id @returns {import("../core/types.js").Feature|undefined} */
function loadedTile(id) {
  const { features } = state.results;
  if (index.features !== features) index = { features, byId: new Map(features.map((f) => [f.id, f])) };
  return index.byId.get(id);
}

/** Number of changes and of answers so far; the labels of a request that was sent before the last one may be old. */
export const changes = () => edits;

/** @returns {Edit} */
const nothing = () => ({ add: [], remove: [] });
/** @param {Edit} edit */
const isEmpty = (edit) => !edit.add.length && !edit.remove.length;
/** @param {string[]} labels @param {string[]} excluded */
const without = (labels, excluded) => labels.filter((label) => !excluded.includes(label));
/** @param {string[]} labels @param {Edit} edit */
const applied = (labels, { add, remove }) => [...without(labels, remove), ...without(add, labels)];
/** One edit with the effect of two. @param {Edit} first @param {Edit} then @returns {Edit} */
const joined = (first, then) => ({
  add: [...new Set([...without(first.add, then.remove), ...then.add])],
  remove: [...new Set([...without(first.remove, then.add), ...then.remove])],
});
/** @param {string[]} a @param {string[]} b */
const same = (a, b) => a.length === b.length && a.every((label) => b.includes(label));

/** The labels of a tile, with unsaved changes. @param {string} id @param {string[]} [known] its labels, if it is not among the results @returns {string[]} */
export function labelsOf(id, known = []) {
  const entry = pending.get(id);
  return entry ? applied(entry.saved, entry.wanted) : loadedTile(id)?.properties.labels ?? known;
}

/** @param {LabelCount[]} counts @param {string[]} before @param {string[]} after */
function recount(counts, before, after) {
  const by = new Map(counts.map((l) => [l.value, l.count]));
  for (const label of before) if (!after.includes(label)) by.set(label, (by.get(label) ?? 1) - 1);
  for (const label of after) if (!before.includes(label)) by.set(label, (by.get(label) ?? 0) + 1);
  return [...by].filter(([, n]) => n > 0).map(([value, n]) => ({ value, count: n }));
}

/** @param {Labelled[]} changes @param {(id: string) => string[]} before */
function show(changes, before) {
  let counts = state.labels;
  for (const { id, labels } of changes) {
    counts = recount(counts, before(id), labels);
    const feature = loadedTile(id);
    if (feature) feature.properties.labels = labels;
  }
  set({ labels: counts, relabelled: changes.map((c) => c.id) });
}

/** Show labels that the service has just returned for a tile. @param {string} id @param {string[]} labels @returns {boolean} whether they are new */
export function showLabels(id, labels) {
  const shown = labelsOf(id, labels);
  const differs = !pending.has(id) && !same(shown, labels);
  if (differs) show([{ id, labels }], () => shown);
  return differs;
}

/**
 * Change the labels of tiles.
 * @param {Change[]} wanted
 * @param {{undoable?: boolean}} [options]
 * @returns {Promise<Error|null>} null when all changes are saved, else the error of the first that is not
 */
export async function relabel(wanted, { undoable = true } = {}) {
  const collection = state.view.collection;
  const old = new Map(wanted.map(({ id, known }) => [id, labelsOf(id, known)]));
  const labels = (/** @type {string} */ id) => old.get(id) ?? [];
  const changes = wanted
    .map(({ id, add, remove }) => ({ id, add: without(add, labels(id)), remove: remove.filter((l) => labels(id).includes(l)), known: labels(id) }))
    .filter((change) => !isEmpty(change));
  if (!changes.length) return null;
  if (undoable) keepSteps([...steps, changes]);
  edits += 1;
  const saved = changes.map((change) => enqueue(change, collection, labels(change.id)));
  set({ labelError: null, undoable: steps.length });
  show(changes.map((change) => ({ id: change.id, labels: applied(labels(change.id), change) })), labels);
  sendQueued();
  return (await Promise.all(saved)).find(Boolean) ?? null;
}

/**
 * @param {Change} change @param {string} collection @param {string[]} saved
 * @returns {Promise<Error|null>}
 */
function enqueue(change, collection, saved) {
  let entry = pending.get(change.id);
  if (!entry) {
    entry = { id: change.id, collection, saved, wanted: nothing(), unsent: nothing(), done: [] };
    pending.set(change.id, entry);
    queue.push(entry);
  }
  entry.wanted = joined(entry.wanted, change);
  entry.unsent = joined(entry.unsent, change);
  showUnsaved();
  return new Promise((resolve) => entry.done.push(resolve));
}

const showUnsaved = debounce(() => { if (state.unsaved !== pending.size) set({ unsaved: pending.size }); }, 120);

/** Number of tiles whose changes are not saved yet. */
export const unsaved = () => pending.size;

/** Wait until every change is saved or reverted: what reads labels at the service starts after this. */
export async function allSaved() {
  while (pending.size) await Promise.all([...pending.values()].map((entry) => new Promise((resolve) => entry.done.push(resolve))));
}

/** @param {Pending} entry @param {Error|null} error */
function finish(entry, error) {
  pending.delete(entry.id);
  edits += 1;
  showUnsaved();
  for (const resolve of entry.done) resolve(error);
}

/** @param {Change[][]} kept */
function keepSteps(kept) {
  steps = kept.slice(-MAX_STEPS);
  let text = JSON.stringify(steps);
  for (let from = 1; text.length > MAX_STORED && from <= steps.length; from++) text = JSON.stringify(steps.slice(from));
  try {
    sessionStorage.setItem(stepsKey(), text);
  } catch {
    // the storage is full or not allowed: undo works until the page is closed
  }
}

/** Undo the last change of this browser tab, also of before a reload. @returns {string[]} the tiles that changed */
export function undo() {
  const step = steps.at(-1);
  if (!step) return [];
  keepSteps(steps.slice(0, -1));
  set({ undoable: steps.length });
  void relabel(step.map(({ id, add, remove, known }) => ({ id, add: remove, remove: add, known: applied(known ?? [], { add, remove }) })), { undoable: false });
  announce(`Undone: labels of ${count(step.length, "tile")}`);
  return step.map(({ id }) => id);
}

/** Load the undo steps of a collection. @param {string} collection */
export function loadSteps(collection) {
  stepsOf = collection;
  try {
    steps = JSON.parse(sessionStorage.getItem(stepsKey()) ?? "[]");
  } catch {
    steps = [];
  }
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
  const shown = () => applied(entry.saved, entry.wanted);
  const sent = entry.unsent;
  entry.unsent = nothing();
  try {
    const answer = await api.patchItem(entry.collection, entry.id, { labels: sent });
    const before = shown();
    entry.saved = answer?.properties?.labels ?? applied(entry.saved, sent);
    entry.wanted = entry.unsent;
    if (isEmpty(entry.wanted)) finish(entry, null);
    else queue.push(entry);
    const after = shown(); // with the labels that other users have given
    if (entry.collection === state.view.collection && !same(before, after)) show([{ id: entry.id, labels: after }], () => before);
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
  show([{ id, labels: saved }], () => applied(saved, wanted));
  set({ labelError: { message: error.message, changes: [...before, { id, ...wanted }] } });
}

export function setupLabelStore() {
  addEventListener("beforeunload", (event) => { if (pending.size) event.preventDefault(); });
}
