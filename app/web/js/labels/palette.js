/** The labels of the keys 1 to 9, kept for each collection in this browser. A label keeps its key and colour even if the counts change. */

import { openDialog } from "../core/dialog.js";
import { h } from "../core/dom.js";
import { on, set, state } from "../core/state.js";

const KEYS = 9;
// distinguishable in both colour schemes and with most colour vision deficiencies (after Okabe and Ito); the label text is always shown too
const COLOURS = ["#e69f00", "#3a9fd8", "#009e73", "#d55e00", "#cc79a7", "#8f7ee7", "#b5a300", "#5c8a8a", "#a0522d"];
let collection = "";
let checked = false; // whether stored labels that no tile has any more were removed

/** Storage key of the chosen keys. */
const stored = () => `dyad.keys.${collection}`;

/** @param {string} label @returns {string|null} */
export function labelColour(label) {
  return COLOURS[label ? state.palette.indexOf(label) : -1] ?? null;
}

/** Assign free keys to labels without a key: first the label just used, then the most frequent ones. @param {string} [used] */
export function extendPalette(used) {
  const known = [...new Set([...(used ? [used] : []), ...state.labels.map((l) => l.value)])];
  const old = checked || !state.labels.length ? state.palette : state.palette.map((label) => (known.includes(label) ? label : ""));
  if (state.labels.length) checked = true;
  const more = known.filter((label) => !old.includes(label));
  const palette = Array.from({ length: KEYS }, (_, i) => old[i] || more.shift() || "");
  while (palette.at(-1) === "") palette.pop();
  if (palette.join() !== state.palette.join()) store(palette);
}

/** @param {string[]} palette */
function store(palette) {
  set({ palette });
  localStorage.setItem(stored(), JSON.stringify(palette));
}

/** Give a key to a label; the label that had it gets the former key of this one. @param {string} label @param {number} key 1 to 9 */
export function assignKey(label, key) {
  const palette = Array.from({ length: KEYS }, (_, i) => state.palette[i] ?? "");
  const old = palette.indexOf(label);
  if (old >= 0) palette[old] = palette[key - 1];
  palette[key - 1] = label;
  store(palette);
}

/** Dialog to choose the label of each key. */
export function openKeys() {
  const list = h("div", { class: "key-list" });
  const draw = () => list.replaceChildren(...Array.from({ length: KEYS }, (_, i) => {
    const known = [...new Set([...state.palette.filter(Boolean), ...state.labels.map((l) => l.value).sort()])];
    const select = h("select", { "aria-label": `Label of key ${i + 1}`, onchange: () => { assignKey(select.value, i + 1); draw(); list.querySelectorAll("select")[i].focus(); } },
      !state.palette[i] && h("option", { value: "", selected: true }, "no label"), known.map((value) => h("option", { value, selected: value === state.palette[i] }, value)));
    return h("label", { class: "row" }, h("kbd", {}, i + 1), h("i", { class: "dot", style: `background:${COLOURS[i]}` }), select);
  }));
  draw();
  openDialog("Keys of labels", [list, h("p", { class: "muted" }, "While labelling, Shift and a digit gives this key to the selected label. The keys are kept in this browser.")], { class: "small" });
}

export function setupPalette() {
  on(["view"], () => {
    if (state.view.collection === collection) return;
    collection = state.view.collection;
    checked = false;
    /** @type {string[]} */ let palette = [];
    try { palette = JSON.parse(localStorage.getItem(stored()) ?? "[]"); } catch { /* not valid: start with no keys */ }
    set({ palette });
  });
  on(["labels"], () => extendPalette());
}
