/** Keys that work anywhere on the page, and the dialog that lists them all. */

import { openDialog } from "./dialog.js";
import { byId, h } from "./dom.js";
import { focusFilters } from "./filters.js";
import { focusGrid } from "./grid.js";
import { chooseImage, clearQuery } from "./query.js";
import { hasQuery } from "./search.js";
import { set, state } from "./state.js";
import { refine } from "./status.js";

/** @type {[string, string][]} */
const KEYS = [
  ["/", "to the filters"], ["g", "to the grid"], ["o", "choose an image to search with"], ["Esc", "drop the marks, then the query"],
  ["← ↑ → ↓", "move in the grid"], ["Enter", "search from the tile"], ["+", "more like this tile"], ["−", "less like this tile"],
  ["r", "refine the search by the marks"], ["i", "details of the tile"], ["?", "this list"],
];

function openHelp() {
  openDialog("Keyboard", [h("dl", { class: "keys" }, KEYS.map(([key, text]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)])),
    h("p", { class: "muted" }, "An image can also be dropped on the page or pasted from the clipboard.")], { class: "small" });
}

function escape() {
  if (state.marks.more.length || state.marks.less.length) set({ marks: { more: [], less: [] } });
  else if (hasQuery(state.view)) clearQuery();
}

/** @type {Record<string, () => void>} */
const ACTIONS = { "/": focusFilters, g: focusGrid, o: chooseImage, r: refine, "?": openHelp, Escape: escape };

export function setupKeys() {
  byId("help").addEventListener("click", openHelp);
  document.querySelector("[data-skip]")?.addEventListener("click", (event) => { event.preventDefault(); focusGrid(); });
  document.addEventListener("keydown", (event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    const typing = target.matches("input:not([type=checkbox],[type=radio]),textarea,select");
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (typing && event.key === "Escape") { target.blur(); return; }
    if (typing || !(event.key in ACTIONS)) return;
    event.preventDefault();
    ACTIONS[event.key]();
  });
}
