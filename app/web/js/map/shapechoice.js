/** After a shape is drawn, or a place is pressed long or with the right button: what it is for. */

import { h } from "../core/dom.js";
import { go, NO_QUERY } from "../core/route.js";
import { state } from "../core/state.js";
import { hasQuery } from "../search/uploaded.js";
import { toBox } from "./footprints.js";

const L = /** @type {any} */ (window).L;

/** @param {number} value @param {number} digits */
const rounded = (value, digits) => Number(value.toFixed(digits));

/**
 * Ask what a shape is for, in a popup at its middle.
 * @param {any} map
 * @param {any[]} corners `LatLng`s; a single one is a place
 * @param {string} [tool] `box` becomes a bounding box if it is a filter
 */
export function askForUse(map, corners, tool) {
  const digits = Math.min(7, Math.max(3, Math.ceil(map.getZoom() / 3)));
  const area = corners.map((p) => { const { lng, lat } = p.wrap(); return [rounded(lng, digits), rounded(lat, digits)]; });
  const isPlace = corners.length === 1;
  const outline = isPlace ? L.circleMarker(corners[0], { className: "box drawn", radius: 7, interactive: false }) : L.polygon(corners, { className: "box drawn", interactive: false });
  const { view } = state;
  const filter = () => (tool === "box" ? { bbox: toBox(L.latLngBounds(corners), map.getZoom()), within: null } : { within: area, bbox: null });
  /** @type {[string, string, () => any][]} */
  const uses = [["search", isPlace ? "Search with this place" : "Search with this area", () => ({ ...NO_QUERY, areas: [area] })]];
  if (hasQuery(view)) uses.push(["more", "More like this", () => ({ areas: [...view.areas, area] })], ["less", "Less like this", () => ({ notAreas: [...view.notAreas, area] })]);
  if (!isPlace) uses.push(["filter", "Filter: only tiles here", filter]);
  const popup = L.popup({ className: "shape-choice", closeButton: false, autoPanPadding: [20, 20], minWidth: 0 });
  const buttons = uses.map(([id, text, changes], i) => h("button", { type: "button", id: `use-${id}`, class: i ? "" : "primary", onclick: () => { popup.remove(); go(changes()); } }, text));
  popup.setContent(h("div", { class: "uses", role: "group", "aria-label": "Use of the drawn shape", onkeydown: (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    popup.remove();
    map.getContainer().focus();
  } }, buttons, h("button", { type: "button", class: "quiet", onclick: () => popup.remove() }, "Cancel")));
  popup.on("remove", () => outline.remove());
  outline.addTo(map);
  popup.setLatLng(isPlace ? corners[0] : outline.getBounds().getCenter()).openOn(map);
  buttons[0].focus({ preventScroll: true });
}
