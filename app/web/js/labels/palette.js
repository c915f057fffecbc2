/** The labels under the keys 1 to 9. A label keeps its key and colour while a collection is looked at, however the counts change. */

import { on, set, state } from "../core/state.js";

const KEYS = 9;
// told apart in both colour schemes and by most colour-blind eyes (after Okabe and Ito); never the only sign of a label
const COLOURS = ["#e69f00", "#3a9fd8", "#009e73", "#d55e00", "#cc79a7", "#8f7ee7", "#b5a300", "#5c8a8a", "#a0522d"];
let collection = "";

/** @param {string} label @returns {string|null} */
export function labelColour(label) {
  return COLOURS[state.palette.indexOf(label)] ?? null;
}

/** Give free keys to labels that have none: one just used first, then the most used. @param {string} [used] */
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
