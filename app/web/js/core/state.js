/** What the page knows, in one place. Modules listen to the keys they draw. */

/**
 * @typedef {import("./types.js").View} View
 * @typedef {import("./types.js").Results} Results
 */

/** @returns {View} */
export const emptyView = () => ({ collection: "", items: [], not: [], labels: [], from: "", to: "", bbox: null, upload: 0,
  rerank: "", least: 0, fold: false, version: "" });

/** @returns {Results} */
export const noResults = () => ({
  mode: "idle", busy: false, features: [], matched: null, total: null, token: null, timings: null, model: null, error: null, more: false,
  version: null, rerank: null, matchesEnd: null, before: null,
});

export const state = {
  /** @type {import("./types.js").Collection[]} */ collections: [],
  /** @type {import("./types.js").Model[]} */ models: [],
  /** @type {import("./types.js").LabelCount[]} */ labels: [],
  /** @type {View} */ view: emptyView(),
  /** @type {Results} */ results: noResults(),
  /** Tiles marked in the grid and not yet part of the query. */
  marks: /** @type {{more: string[], less: string[]}} */ ({ more: [], less: [] }),
  /** The label at hand while tiles are labelled. */
  labelling: { on: false, current: "" },
  /** The labels under the keys 1 to 9. */
  palette: /** @type {string[]} */ ([]),
  /** Tiles whose labels changed last. */
  relabelled: /** @type {string[]} */ ([]),
  /** Changes of labels that can be taken back. */
  undoable: 0,
  /** Labels that could not be saved, and why. */
  labelTrouble: /** @type {{message: string, changes: {id: string, labels: string[]}[]}|null} */ (null),
  /** What happened meanwhile, as elements to show above the results. */
  news: /** @type {HTMLElement[]} */ ([]),
  /** Tile under the pointer or the focus, in the grid or on the map. */
  hover: /** @type {{id: string|null, from: string}} */ ({ id: null, from: "" }),
  /** @type {import("./types.js").Job[]} */ running: [],
  loaded: false,
};

/** @typedef {typeof state} State */

/** @type {Map<string, Set<() => void>>} */
const listeners = new Map();

/**
 * Call `fn` after any of `keys` changed.
 * @param {(keyof State)[]} keys
 * @param {() => void} fn
 */
export function on(keys, fn) {
  for (const key of keys) {
    if (!listeners.has(key)) listeners.set(key, new Set());
    listeners.get(key)?.add(fn);
  }
}

/**
 * Change some keys and tell whoever listens, each listener once.
 * @param {Partial<State>} patch
 */
export function set(patch) {
  Object.assign(state, patch);
  const called = new Set();
  for (const key of Object.keys(patch)) for (const fn of listeners.get(key) ?? []) called.add(fn);
  for (const fn of called) fn();
}

/** The collection that is looked at, or undefined. */
export const current = () => state.collections.find((c) => c.id === state.view.collection);
