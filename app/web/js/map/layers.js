/** Tile layers below the footprints: imagery of the collection, and the similarity of a saved search with its legend. */

import * as api from "../core/api.js";
import { byId, h } from "../core/dom.js";
import { current, on, set, state } from "../core/state.js";
import { boxBounds } from "./footprints.js";

const L = /** @type {any} */ (window).L;
const MAX_ZOOM = 22;
const EMPTY = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

/** @param {any} map */
export function addLayers(map) {
  for (const [name, level] of [["imagery", 200], ["similarity", 250]]) {
    const pane = map.createPane(name);
    pane.style.zIndex = level;
    pane.style.pointerEvents = "none";
  }
  /** @type {any} */ let imagery = null;
  /** @type {any} */ let similarity = null;
  let shownImagery = "", shownSimilarity = "";

  function drawImagery() {
    const c = current();
    const box = c?.placed ? c.extent?.spatial?.bbox?.[0] : undefined;
    const key = byId("map-imagery").checked && c && box ? `${c.id}|${box}|${c.index?.version}` : "";
    if (key === shownImagery) return;
    shownImagery = key;
    imagery?.remove();
    imagery = key && c && box ? layer(api.mapTilesUrl(c.id), "imagery", box).addTo(map) : null;
  }

  function drawSimilarity() {
    const c = current();
    const box = c?.extent?.spatial?.bbox?.[0];
    const search = state.saved.find((each) => each.id === state.layer);
    const key = search && box ? search.id : "";
    if (key === shownSimilarity) return;
    shownSimilarity = key;
    similarity?.remove();
    similarity = search && box ? layer(api.mapTilesUrl(search.id), "similarity", box).addTo(map) : null;
    byId("map-legend").hidden = !similarity;
    if (search) byId("map-legend").replaceChildren(...legend(search, (least, opacity) => {
      similarity?.setOpacity(opacity);
      similarity?.setUrl(`${api.mapTilesUrl(search.id)}?min_probability=${least}`);
    }));
  }

  byId("map-imagery").addEventListener("change", drawImagery);
  on(["collections", "view"], drawImagery);
  on(["collections", "view", "saved", "layer"], drawSimilarity);
}

/**
 * @param {string} url
 * @param {string} pane
 * @param {number[]} box
 */
function layer(url, pane, box) {
  return L.tileLayer(url, { pane, bounds: boxBounds(box), maxZoom: MAX_ZOOM, errorTileUrl: EMPTY, opacity: pane === "imagery" ? 1 : 0.7 });
}

/**
 * Colours of the probabilities, the least probability that is drawn, and the opacity.
 * @param {import("../core/types.js").SavedSearch} search
 * @param {(least: number, opacity: number) => void} onchange
 */
function legend(search, onchange) {
  const least = h("input", { type: "range", min: 0, max: 95, step: 5, value: 100 * (search.query.min_probability ?? 0), "aria-label": "Least match probability on the map" });
  const opacity = h("input", { type: "range", min: 10, max: 100, step: 10, value: 70, "aria-label": "Opacity of the similarity layer" });
  const text = h("output", {});
  const show = () => { text.textContent = `from ${least.value} %`; };
  const change = () => { show(); onchange(Number(least.value) / 100, Number(opacity.value) / 100); };
  least.addEventListener("change", change);
  least.addEventListener("input", show);
  opacity.addEventListener("input", () => onchange(Number(least.value) / 100, Number(opacity.value) / 100));
  show();
  return [
    h("b", {}, search.title || "Similarity"), h("span", { class: "ramp", role: "img", "aria-label": "0 to 100 % match" }), h("span", { class: "ends" }, h("span", {}, "0 %"), h("span", {}, "match"), h("span", {}, "100 %")),
    h("label", {}, "Show ", text, least), h("label", {}, "Opacity", opacity),
    h("button", { type: "button", class: "quiet", onclick: () => set({ layer: null }) }, "Hide layer"),
  ];
}
