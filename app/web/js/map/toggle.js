/** The button *Map*: on wide screens it shows or hides the map, on small ones it lowers or raises the sheet above it. */

import { byId } from "../core/dom.js";
import { lowerSheet, mapIsFree } from "../core/splitter.js";

/**
 * @param {any} map
 * @param {() => void} fit called when the map was shown
 */
export function setupToggle(map, fit) {
  const button = byId("map-toggle");
  const isSmall = () => matchMedia("(max-width: 860px)").matches;
  let open = true;
  const mark = () => {
    const free = isSmall() ? mapIsFree() : open;
    button.setAttribute("aria-expanded", String(free));
    byId("map-panel").classList.toggle("closed", !isSmall() && !open);
    byId("layout").classList.toggle("no-map", !isSmall() && !open);
  };
  const show = (/** @type {boolean} */ on) => {
    if (isSmall()) lowerSheet(on);
    else open = on;
    mark();
    if (!on) return;
    map.invalidateSize({ animate: false });
    fit();
  };
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
  for (const id of ["map-draw", "map-polygon", "map-lasso"]) byId(id).addEventListener("click", () => { if (isSmall() || !open) show(true); }, true);
  addEventListener("dyad-layout", mark);
  mark();
}
