/** State of the page. Modules subscribe to the keys that they draw. */

/**
 * @typedef {import("./types.js").View} View
 * @typedef {import("./types.js").Results} Results
 */

/** @returns {View} */
export const emptyView = () => ({ collection: "", items: [], not: [], labels: [], from: "", to: "", bbox: null, within: null, point: null, areas: [], notAreas: [], upload: 0,
  rerank: "", least: 0, onePerPlace: false, version: "", sort: "" });

/** @returns {Results} */
export const noResults = () => ({
  mode: "idle", busy: false, features: [], matched: null, total: null, token: null, timings: null, model: null, error: null, more: false,
  version: null, rerank: null, likelyMatches: null, before: null, place: null, warnings: [],
});

export const state = {
  /** @type {import("./types.js").Collection[]} */ collections: [],
  /** @type {import("./types.js").Model[]} */ models: [],
  /** @type {import("./types.js").LabelCount[]} */ labels: [],
  /** @type {View} */ view: emptyView(),
  /** @type {Results} */ results: noResults(),
  /** Tiles marked in the grid that are not yet part of the query. */
  marks: /** @type {{more: string[], less: string[]}} */ ({ more: [], less: [] }),
  /** Selected tiles, for actions on many. */
  selected: /** @type {string[]} */ ([]),
  /** Whether labelling is on, and the selected label. */
  labelling: { on: false, current: "" },
  /** The labels of the keys 1 to 9. */
  palette: /** @type {string[]} */ ([]),
  /** Tiles whose labels were changed last. */
  relabelled: /** @type {string[]} */ ([]),
  /** Number of tiles whose labels are not saved yet. */
  unsaved: 0,
  /** Number of label changes that can be undone. */
  undoable: 0,
  /** Labels that could not be saved, and the reason. */
  labelError: /** @type {{message: string, changes: {id: string, add: string[], remove: string[]}[]}|null} */ (null),
  /** Elements of the notification above the results. */
  notification: /** @type {HTMLElement[]} */ ([]),
  /** Tile under the pointer or the focus, in the grid or on the map. */
  hover: /** @type {{id: string|null, from: string}} */ ({ id: null, from: "" }),
  /** Saved searches of the collection, and the one whose similarity is on the map. */
  saved: /** @type {import("./types.js").SavedSearch[]} */ ([]),
  layer: /** @type {string|null} */ (null),
  /** Acquisition dates of the collection. */
  dates: /** @type {import("../dates/dates.js").Bin[]} */ ([]),
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
 * Change some keys and call their listeners, each listener once.
 * @param {Partial<State>} patch
 */
export function set(patch) {
  Object.assign(state, patch);
  const called = new Set();
  for (const key of Object.keys(patch)) for (const fn of listeners.get(key) ?? []) called.add(fn);
  for (const fn of called) fn();
}

/** The current collection, or undefined. */
export const current = () => state.collections.find((c) => c.id === state.view.collection);
