/** Keeps the results and the scroll position of each entry of the browser history, so that Back and Forward show them at once. */

import { set, state } from "../core/state.js";
import { placeInGrid } from "./grid.js";

/** @typedef {import("../core/types.js").Results} Results */

const MAX_ENTRIES = 12;
/** @type {Map<string, Results>} */
const kept = new Map();
const load = Date.now().toString(36); // entries of an earlier load of the page have no results
let serial = 0;
let entry = "";

/** Keep the results of the current entry; call it before the view changes. */
export function leave() {
  const { results } = state;
  if (!entry || results.busy || results.error || results.mode === "idle") return;
  kept.delete(entry);
  kept.set(entry, { ...results, more: false, before: null, place: placeInGrid() });
  for (const old of kept.keys()) if (kept.size > MAX_ENTRIES) kept.delete(old);
}

/** Identify the entry that is now current. @returns {Results|null} its results, if it was left before */
export function arrive() {
  const known = history.state?.entry;
  entry = known ?? `${load}-${++serial}`;
  if (!known) history.replaceState({ entry }, "", location.href);
  return kept.get(entry) ?? null;
}

/** Delete the results of all entries: the tiles of the service changed. */
export function forgetResults() {
  kept.clear();
  if (state.results.place) set({ results: { ...state.results, place: null } });
}
