/** Selected tiles: by the check of a card, Ctrl or Shift and a click, or keys; the bar above the grid acts on all of them. */

import * as api from "../core/api.js";
import { byId, count, group, h } from "../core/dom.js";
import { go } from "../core/route.js";
import { on, set, state } from "../core/state.js";
import { openBulk } from "../labels/bulk.js";
import { openCompare } from "./compare.js";
import { shownTiles } from "./grid.js";

/** Tiles of an export by identifier, so that its URL stays short enough. */
const MAX_EXPORT = 1500;
const FORMATS = [["gpkg", "GeoPackage"], ["csv", "CSV"], ["geojsonseq", "GeoJSON lines"], ["parquet", "GeoParquet"]];

/** @param {string} id */
export function toggleSelected(id) {
  set({ selected: state.selected.includes(id) ? state.selected.filter((x) => x !== id) : [...state.selected, id] });
}

/** Select all tiles from one to another, in the order shown. @param {string} from @param {string} to */
export function extendSelection(from, to) {
  const ids = shownTiles().map((f) => f.id);
  const [a, b] = [ids.indexOf(from), ids.indexOf(to)];
  if (a < 0 || b < 0) return;
  const range = a <= b ? ids.slice(a, b + 1) : ids.slice(b, a + 1).reverse(); // the last selected one is the end that moves
  set({ selected: [...new Set([...state.selected.filter((id) => !range.includes(id)), ...range])] });
}

export function selectAll() {
  set({ selected: shownTiles().map((f) => f.id) });
}

/** Search with the selected tiles as examples. @param {"items"|"not"} key */
function useAsExamples(key) {
  const other = key === "items" ? "not" : "items";
  const { view, selected } = state;
  go({ [key]: [...new Set([...view[key], ...selected])], [other]: view[other].filter((id) => !selected.includes(id)) });
}

function exportMenu() {
  const many = state.selected.length > MAX_EXPORT;
  return h("details", { class: "menu" }, h("summary", { class: "button" }, "Export"),
    h("div", { class: "pop" }, many ? h("p", { class: "muted" }, `At most ${MAX_EXPORT} selected tiles can be exported. Save the search to export all its results.`)
      : FORMATS.map(([format, name]) => h("a", { href: api.itemsUrl(state.view.collection, new URLSearchParams({ ids: state.selected.join(","), f: format })),
        download: `${state.view.collection}-selection.${format}` }, name))));
}

function draw() {
  const bar = byId("selection-bar");
  const { selected, view } = state;
  bar.hidden = !selected.length;
  document.body.classList.toggle("is-selecting", selected.length > 0);
  if (!selected.length) {
    bar.replaceChildren();
    return;
  }
  const focused = bar.contains(document.activeElement) ? document.activeElement?.id : "";
  const button = (/** @type {string} */ id, /** @type {string} */ text, /** @type {() => void} */ onclick, /** @type {any} */ more = {}) =>
    h("button", { type: "button", id: `selection-${id}`, onclick, ...more }, text);
  bar.replaceChildren(...[
    h("b", {}, `${count(selected.length, "tile")} selected`),
    button("label", "Label…", () => openBulk(selected)),
    button("more", "More like these", () => useAsExamples("items")),
    (view.items.length > 0 || view.point !== null || view.upload !== 0) && button("less", "Less like these", () => useAsExamples("not")),
    button("compare", "Compare", () => void openCompare(selected[0], selected[1]), { disabled: selected.length !== 2, title: "Select two tiles to compare them" }),
    exportMenu(),
    h("span", { class: "spread" }),
    selected.length < shownTiles().length && button("all", `All ${group(shownTiles().length)} loaded`, selectAll, { class: "quiet" }),
    button("clear", "Clear", () => set({ selected: [] }), { class: "quiet", title: "Esc" }),
  ].filter(Boolean));
  if (focused) byId(focused)?.focus();
}

export function setupSelection() {
  byId("status").after(h("div", { class: "selection-bar", id: "selection-bar", role: "group", "aria-label": "Selected tiles", hidden: true }));
  document.addEventListener("click", (event) => {
    for (const open of document.querySelectorAll(".menu[open]")) if (!open.contains(/** @type {Node} */ (event.target))) open.removeAttribute("open");
  });
  // Before all others: Escape closes an open menu, and nothing else.
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && /** @type {HTMLElement|null} */ (document.querySelector(".menu[open]"));
    if (!menu) return;
    menu.removeAttribute("open");
    menu.querySelector("summary")?.focus();
    event.preventDefault();
    event.stopPropagation();
  }, true);
  on(["selected", "results"], draw);
}
