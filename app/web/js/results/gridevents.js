/** Pointer and keyboard events of the grid: focus, hover, labelling, selection, marks, details. */

import { byId } from "../core/dom.js";
import { set, state } from "../core/state.js";
import { toggleLabel } from "../labels/labelbar.js";
import { hasQuery } from "../search/uploaded.js";
import { toggleMark } from "./card.js";
import { openDetails } from "./details.js";
import { activeTile, focusTile, makeActive, neighbour } from "./grid.js";
import { extendSelection, selectAll, toggleSelected } from "./selection.js";

/** @param {Event} event */
const cardOf = (event) => /** @type {HTMLElement|null} */ (/** @type {Element} */ (event.target).closest?.(".card"));

/** @param {KeyboardEvent} event */
function onKey(event) {
  const id = activeTile();
  if (!id || event.altKey) return;
  const next = neighbour(id, event.key);
  if ((event.ctrlKey || event.metaKey) && event.key === "a") selectAll();
  else if ((event.ctrlKey || event.metaKey) && event.key === " ") toggleSelected(id);
  else if (event.ctrlKey || event.metaKey) return;
  else if (next !== null) {
    if (event.shiftKey && next) extendSelection(id, next);
    if (next) focusTile(next);
  } else if (event.key === "s") toggleSelected(id);
  else if ((event.key === "+" || event.key === "-") && hasQuery(state.view)) toggleMark(id, event.key === "+" ? "more" : "less");
  else if (event.key === "i") void openDetails(id);
  else return;
  event.preventDefault();
}

/** @param {MouseEvent} event */
function onClick(event) {
  const id = /** @type {Element} */ (event.target).closest(".tile") && cardOf(event)?.dataset.id;
  if (!id) return;
  if (event.shiftKey) extendSelection(state.selected.at(-1) ?? activeTile(), id);
  else if (event.ctrlKey || event.metaKey) toggleSelected(id);
  else if (state.labelling.on) toggleLabel(id);
  else return;
  event.preventDefault();
}

/** @param {HTMLElement} grid */
export function setupGridEvents(grid) {
  grid.addEventListener("keydown", onKey);
  grid.addEventListener("focusin", (event) => {
    const id = cardOf(event)?.dataset.id;
    if (!id) return;
    makeActive(id);
    set({ hover: { id, from: "grid" } });
  });
  grid.addEventListener("focusout", () => set({ hover: { id: null, from: "" } }));
  let last = "";
  grid.addEventListener("pointerover", (event) => {
    const id = cardOf(event)?.dataset.id ?? null;
    const where = `${event.clientX},${event.clientY}`;
    const still = where === last; // the grid moved under a pointer that did not move: not a hover
    last = where;
    if (event.pointerType === "mouse" && !still && id !== state.hover.id) set({ hover: { id, from: "grid" } });
  });
  grid.addEventListener("pointerleave", () => set({ hover: { id: null, from: "" } }));
  grid.addEventListener("error", (event) => {
    const image = /** @type {Element} */ (event.target);
    if (image.tagName === "IMG") image.closest(".tile")?.classList.add("broken");
  }, true);
  grid.addEventListener("click", onClick);
  byId("results").addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || event.defaultPrevented || !state.selected.length) return;
    event.preventDefault();
    set({ selected: [] });
  });
}
