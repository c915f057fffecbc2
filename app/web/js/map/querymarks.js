/** The query and the filter on the map: the query's first tile, its places and areas, and the area of the filter. */

import * as api from "../core/api.js";
import { go, NO_QUERY } from "../core/route.js";
import { current, on, state } from "../core/state.js";
import { boxBounds, polygons } from "./footprints.js";
import { askForUse } from "./shapechoice.js";

const L = /** @type {any} */ (window).L;

/** @param {number[][]} ring */
const latLngs = (ring) => ring.map(([lon, lat]) => [lat, lon]);

/** @param {any} map @returns {(latlng: any) => void} searches with a place, if the collection has imagery there */
export function setupQueryMarks(map) {
  const pane = map.createPane("marks"); // above the footprints
  pane.style.zIndex = 450;
  pane.style.pointerEvents = "none";
  const marks = L.layerGroup().addTo(map);
  const filter = L.layerGroup().addTo(map);
  let drawn = "";

  /** @param {number[][]} ring one point is a place @param {string} kind */
  const mark = (ring, kind) => marks.addLayer(ring.length === 1
    ? L.circleMarker(latLngs(ring)[0], { className: `query-mark ${kind}`, radius: 8, interactive: false, pane: "marks" })
    : L.polygon(latLngs(ring), { className: `query-mark ${kind}`, interactive: false, pane: "marks" }));

  async function drawQuery() {
    const { collection, items, point, areas, notAreas, upload } = state.view;
    const key = JSON.stringify([collection, point, areas, notAreas, upload ? "" : items[0]]);
    if (key === drawn) return;
    drawn = key;
    marks.clearLayers();
    if (point) mark([point], "more");
    for (const area of areas) mark(area, "more");
    for (const area of notAreas) mark(area, "less");
    if (!items[0] || upload || point || areas.length) return;
    const tile = await api.item(collection, items[0]).catch(() => null);
    const shape = polygons(tile?.geometry);
    if (shape.length && key === drawn) marks.addLayer(L.polygon(shape, { className: "query-mark more", interactive: false, pane: "marks" }));
  }

  function drawFilter() {
    filter.clearLayers();
    const { bbox, within } = state.view;
    const style = { className: "box", interactive: false, pane: "marks" };
    if (bbox) filter.addLayer(L.rectangle(boxBounds(bbox), style));
    if (within) filter.addLayer(L.polygon(latLngs(within), style));
  }

  /** Whether a place is in the extent of the collection, so that a search with it is possible. @param {any} latlng */
  const isCovered = (latlng) => {
    const c = current();
    const bbox = c?.placed ? c.extent?.spatial?.bbox?.[0] : undefined;
    return Boolean(bbox && !state.labelling.on && !map.getContainer().classList.contains("drawing") && L.latLngBounds(boxBounds(bbox)).contains(latlng));
  };

  const search = (/** @type {any} */ latlng) => { if (isCovered(latlng)) searchAt(latlng); };
  map.on("click", (/** @type {any} */ { latlng }) => search(latlng));
  map.on("contextmenu", (/** @type {any} */ { latlng }) => {
    if (isCovered(latlng)) askForUse(map, [latlng]);
  });
  on(["view"], drawQuery);
  on(["view"], drawFilter);
  return search;
}

/** Search with a place. @param {any} latlng */
function searchAt(latlng) {
  const { lng, lat } = latlng.wrap();
  go({ ...NO_QUERY, point: [Number(lng.toFixed(6)), Number(lat.toFixed(6))] });
}
