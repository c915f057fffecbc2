/** The labels of the keys 1 to 9. A label keeps its key and colour while the collection is open, even if the counts change. */

import { on, set, state } from "../core/state.js";

const KEYS = 9;
// distinguishable in both colour schemes and with most colour vision deficiencies (after Okabe and Ito); the label text is always shown too
const COLOURS = ["#e69f00", "#3a9fd8", "#009e73", "#d55e00", "#cc79a7", "#8f7ee7", "#b5a300", "#5c8a8a", "#a0522d"];
let collection = "";

/** @param {string} label @returns {string|null} */
export function labelColour(label) {
  return COLOURS[state.palette.indexOf(label)] ?? null;
}

/** Assign free keys to labels without a key: first the label just used, then the most frequent ones. @param {string} [used] */
export function extendPalette(used) {
  const known = [...(used ? [used] : []), ...state.labels.map((l) => l.value)];
  const more = [...new Set(known)].filter((label) => !state.palette.includes(label)).slice(0, KEYS - state.palette.length);
  if (more.length) set({ palette: [...state.palette, ...more] });
}

export function setupPalette() {
  on(["view"], () => {
    if (state.view.collection === collection) return;
    collection = state.view.collection;
    set({ palette: [] });
  });
  on(["labels"], () => extendPalette());
}
