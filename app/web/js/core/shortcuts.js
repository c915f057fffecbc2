/** Keyboard shortcuts of the page, and the dialog that lists them. */

import { labelKey, startLabelling, stopLabelling } from "../labels/labelbar.js";
import { focusGrid, targetTile } from "../results/grid.js";
import { refine } from "../results/status.js";
import { focusFilters } from "../search/filters.js";
import { chooseImage, clearQuery } from "../search/querypanel.js";
import { hasQuery } from "../search/uploaded.js";
import { openDialog } from "./dialog.js";
import { byId, h } from "./dom.js";
import { set, state } from "./state.js";

/** @type {[string, string][]} */
const KEYS = [
  ["/", "go to the filters"], ["g", "go to the grid"], ["o", "choose an image to search with"], ["Esc", "clear the marks, then the query"],
  ["← ↑ → ↓", "move in the grid"], ["Enter", "find similar tiles"], ["+", "more like this tile"], ["−", "less like this tile"],
  ["r", "refine the search with the marked tiles"], ["i", "details of the tile"], ["s", "select the tile; also Ctrl or Shift and click, Shift and arrow keys, Ctrl+A"], ["l", "label tiles"], ["?", "this list"],
];
/** @type {[string, string][]} */
const MAP_KEYS = [
  ["← ↑ → ↓", "pan the map, or move between its footprints"], ["Enter", "search with the middle of the map, or with the footprint"], ["i", "details of the footprint"],
  ["Space", "while drawing: set a corner in the middle of the map; Enter ends the shape"],
];
/** @type {[string, string][]} */
const LABEL_KEYS = [
  ["Enter, Space, l", "add the selected label to the tile, or remove it"], ["1 … 9", "select the label of this key, and add it to the tile or remove it"],
  ["Shift+1 … 9", "give this key to the selected label"], ["v", "review tiles to label next"], ["x", "remove a label from the tile"], ["u", "undo"], ["Esc", "stop labelling"],
];

function openHelp() {
  const list = (/** @type {[string, string][]} */ keys) => h("dl", { class: "keys" }, keys.map(([key, text]) => [
    h("dt", {}, key.split(/,? /).map((k) => (k === "…" ? " … " : h("kbd", {}, k)))), h("dd", {}, text)]));
  openDialog("Keyboard shortcuts", [list(KEYS), h("h3", {}, "On the map"), list(MAP_KEYS), h("h3", {}, "While labelling"), list(LABEL_KEYS),
    h("p", { class: "muted" }, "You can also drop an image on the page, or paste one from the clipboard."),
    h("p", {}, h("a", { href: "docs", target: "_blank" }, "API documentation"))], { class: "small" });
}

function escape() {
  const open = document.querySelector("details:is(.clock, .menu)[open]");
  if (open) open.removeAttribute("open");
  else if (state.selected.length) set({ selected: [] });
  else if (state.labelling.on) stopLabelling();
  else if (state.marks.more.length || state.marks.less.length) set({ marks: { more: [], less: [] } });
  else if (hasQuery(state.view)) clearQuery();
}

/** @type {Record<string, () => void>} */
const ACTIONS = { "/": focusFilters, g: focusGrid, o: chooseImage, r: refine, l: label, "?": openHelp, Escape: escape };

function label() {
  startLabelling();
  byId("label-input").focus();
}

export function setupShortcuts() {
  byId("help").addEventListener("click", openHelp);
  document.querySelector("[data-skip]")?.addEventListener("click", (event) => { event.preventDefault(); focusGrid(); });
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = target.matches("input:not([type=checkbox],[type=radio]),textarea,select");
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (typing && event.key === "Escape") { target.blur(); return; }
    if (typing || event.defaultPrevented) return;
    // Enter and Space activate the focused element, so a focused button handles them itself
    const pressing = event.key === "Enter" || event.key === " ";
    const tile = /** @type {HTMLElement|null} */ (target.closest(".tile")?.closest(".card"))?.dataset.id ?? null;
    if (state.labelling.on && !(pressing && !tile) && labelKey(event, pressing ? tile : targetTile())) {
      event.preventDefault();
      return;
    }
    if (!(event.key in ACTIONS)) return;
    event.preventDefault();
    ACTIONS[event.key]();
  });
}
