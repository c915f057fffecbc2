/** Tile layers below the footprints: imagery of the collection, and the similarity of a saved search with its legend. */

import * as api from "../core/api.js";
import { byId, h } from "../core/dom.js";
import { current, on, set, state } from "../core/state.js";
import { footprintLayer } from "./allfootprints.js";
import { boxBounds } from "./footprints.js";

const L = /** @type {any} */ (window).L;
const MAX_ZOOM = 22;
const EMPTY = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7";

/** Panes of the tile layers, from below, with their z-index. */
const PANES = { imagery: 200, similarity: 250, footprints: 280 };

/** @param {any} map */
export function addLayers(map) {
  for (const [name, level] of Object.entries(PANES)) {
    const pane = map.createPane(name);
    pane.style.zIndex = level;
    pane.style.pointerEvents = "none";
  }
  /** @type {Record<string, {layer: any, key: string}>} */
  const shown = {};

  /**
   * Show a layer; it is created again if its key changed.
   * @param {string} name
   * @param {string} key "" to hide it
   * @param {(box: number[]) => any} create
   */
  function show(name, key, create) {
    const c = current();
    const box = c?.placed ? c.extent?.spatial?.bbox?.[0] : undefined;
    const wanted = key && c && box ? `${key}|${box}|${c.index?.version}` : "";
    if ((shown[name]?.key ?? "") === wanted) return;
    shown[name]?.layer?.remove();
    shown[name] = { key: wanted, layer: wanted && box ? create(box).addTo(map) : null };
  }

  const opacity = () => Number(byId("imagery-opacity").value) / 100;

  function drawImagery() {
    const { view } = state;
    const query = timeQuery(view.from, view.to);
    show("imagery", byId("map-imagery").checked ? `${view.collection}|${query}` : "",
      (box) => layer(api.mapTilesUrl(view.collection) + query, "imagery", box).setOpacity(opacity()));
    show("footprints", byId("map-footprints").checked ? `${view.collection}|${query}` : "", (box) => footprintLayer(
      api.vectorTilesUrl(view.collection) + query, { pane: "footprints", bounds: boxBounds(box), maxZoom: MAX_ZOOM }));
    byId("imagery-opacity").disabled = !byId("map-imagery").checked;
  }

  /** Settings of the legend, kept while its search is shown. */
  let cut = { id: "", least: 0, opacity: 0.7 };

  function drawSimilarity() {
    const search = state.saved.find((each) => each.id === state.layer);
    if (search && search.id !== cut.id) {
      cut = { id: search.id, least: search.query.min_probability ?? 0, opacity: 0.7 };
      byId("map-legend").replaceChildren(...legend(search, (least, opacity) => {
        cut = { ...cut, least, opacity };
        drawSimilarity();
      }));
    }
    // a new layer for each threshold: Leaflet requests tiles of fractional zooms after `setUrl`
    show("similarity", search ? `${search.id}|${cut.least}` : "", (box) => layer(`${api.mapTilesUrl(cut.id)}?min_probability=${cut.least}`, "similarity", box));
    const similarity = shown.similarity?.layer;
    similarity?.setOpacity(cut.opacity);
    map.getContainer().classList.toggle("coloured", Boolean(similarity));
    byId("map-legend").hidden = !similarity;
    if (!search) cut.id = "";
  }

  for (const id of ["map-imagery", "map-footprints"]) byId(id).addEventListener("change", drawImagery);
  byId("imagery-opacity").addEventListener("input", () => shown.imagery?.layer?.setOpacity(opacity()));
  on(["collections", "view"], drawImagery);
  on(["collections", "view", "saved", "layer"], drawSimilarity);
}

/** Parameters of tiles for an interval of dates; "" for all dates. @param {string} from @param {string} to */
export const timeQuery = (from, to) => (from || to ? `?datetime=${from || ".."}/${to || ".."}` : "");

/**
 * @param {string} url
 * @param {string} pane
 * @param {number[]} box
 */
export function layer(url, pane, box) {
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
