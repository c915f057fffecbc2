/** Map of the results: footprints with rank numbers, thumbnails at high zoom, the filter box, hover shared with the grid. */

import * as api from "../core/api.js";
import { byId, count, icon, lonLat } from "../core/dom.js";
import { searchHash } from "../core/route.js";
import { coveredBySheet } from "../core/splitter.js";
import { current, on, set, state } from "../core/state.js";
import { toggleLabel } from "../labels/labelbar.js";
import { addGraticule, addLand } from "./basemap.js";
import { makeFocusable, setupMapKeys } from "./keys.js";
import { addLayers } from "./layers.js";
import { setupLayersPanel } from "./layerspanel.js";
import { setupDates } from "../dates/dates.js";
import { setupDrawing } from "./draw.js";
import { boxBounds, corners, polygons } from "./footprints.js";
import { setupQueryMarks } from "./querymarks.js";
import { askForUse } from "./shapechoice.js";
import { setupSwipe } from "../dates/swipe.js";
import { tileImage } from "./tileimage.js";
import { setupTimeline } from "../dates/timeline.js";
import { setupToggle } from "./toggle.js";

const L = /** @type {any} */ (window).L;
const PICTURE_FROM = 26; // minimum width of a footprint on the screen, px
const MAX_PICTURES = 150;
const CORNER_FROM = 60; // width from which the rank number is drawn in the corner, px
const DOT_BELOW = 12; // width below which a tile without a rank is marked by a dot, px
const LABEL_ROOM = 20; // minimum distance between the centres of two rank numbers, px

/** @typedef {{id: string, layer: any, bounds: any, corners: any, rank: number|null, title: string}} Placed */

/** @type {any} */ let map;
/** @type {any} */ let shapes;
/** @type {any} */ let numbers;
/** @type {any} */ let pictures;
/** @type {Placed[]} */ let placed = [];
let fitted = "";
let fittedView = ""; // the view that `fit` chose

function setupPanes() {
  map.createPane("tiles").style.zIndex = 300;
  map.getPane("tiles").style.pointerEvents = "none";
  const top = map.createPane("numbers");
  top.style.zIndex = 620;
  top.style.pointerEvents = "none";
}

/** Label a tile, or search with it. @param {string} id */
function choose(id) {
  if (state.labelling.on) toggleLabel(id);
  else location.hash = searchHash(id);
}

/** @param {import("../core/types.js").Feature} f @returns {Placed|null} */
function place(f) {
  const shape = polygons(f.geometry);
  if (!shape.length) return null;
  const layer = L.polygon(shape, { className: "footprint", bubblingMouseEvents: false });
  layer.on({
    // not `mouseover`: outlines that appear under a pointer that did not move are no hover
    mousemove: () => { if (state.hover.id !== f.id) set({ hover: { id: f.id, from: "map" } }); },
    mouseout: () => { if (state.hover.from === "map") set({ hover: { id: null, from: "" } }); },
    click: () => choose(f.id),
  });
  const p = f.properties;
  const title = [p.rank && `${p.rank}.`, p.file_name, typeof p.score === "number" && p.score.toFixed(3)].filter(Boolean).join(" ");
  layer.bindTooltip(() => document.createTextNode(title).textContent ?? "", { sticky: true, opacity: 1, className: "tip" });
  return { id: f.id, layer, bounds: layer.getBounds(), corners: corners(shape), rank: p.rank ?? null, title };
}

function drawShapes() {
  if (state.results.busy) return;
  shapes.clearLayers();
  hot = -1;
  placed = /** @type {Placed[]} */ (state.results.features.map(place).filter(Boolean));
  // draw rank 1 last, above the others
  for (const p of [...placed].reverse()) shapes.addLayer(p.layer);
  makeFocusable(placed);
  drawHover();
  const { features, mode } = state.results;
  const missing = features.length - placed.length;
  byId("map-note").textContent = !features.length || mode === "idle" ? ""
    : !placed.length ? "These tiles are not georeferenced" : missing ? `${count(missing, "tile")} not georeferenced` : "";
  byId("map-fit").disabled = !placed.length;
  const { collection, items, areas, upload } = state.view;
  const key = `${collection}|${items}|${areas}|${upload}|${mode}`;
  if (placed.length && key !== fitted) {
    fitted = key;
    fit(false);
  } else drawDetail();
}

/** @param {boolean} [animate] */
function fit(animate = true) {
  if (!placed.length) return;
  const bounds = L.latLngBounds([]);
  for (const p of placed) bounds.extend(p.bounds);
  const still = !animate || matchMedia("(prefers-reduced-motion: reduce)").matches;
  map.fitBounds(bounds, { ...padding(), maxZoom: 19, animate: !still });
  fittedView = still ? viewKey() : "";
  drawDetail();
}

const viewKey = () => `${map.getZoom()}|${map.getCenter()}`;

/** Follow the size of the map. Results that were fitted, and not moved since, are fitted to the new size. */
function resized() {
  const isFitted = fittedView === viewKey();
  map.invalidateSize({ animate: false });
  if (isFitted) fit(false);
}

/** Margins in px for `fitBounds`, so that nothing is behind the sheet, the tools and the buttons. */
const padding = () => ({ paddingTopLeft: [54, 24], paddingBottomRight: [54, 24 + coveredBySheet(map.getContainer())] });

/** Draw rank numbers where they do not overlap, best ranks first, and thumbnails where they are large enough. */
function drawDetail() {
  numbers.clearLayers();
  pictures.clearLayers();
  const view = map.getBounds().pad(0.1);
  /** @type {{x: number, y: number}[]} */
  const taken = [];
  let shown = 0;
  const imagery = byId("map-imagery").checked; // shows tiles without a rank
  for (const p of placed) {
    if (!view.intersects(p.bounds)) continue;
    const nw = map.latLngToContainerPoint(p.bounds.getNorthWest()), se = map.latLngToContainerPoint(p.bounds.getSouthEast());
    if (p.corners && (p.rank || !imagery) && se.x - nw.x >= PICTURE_FROM && shown < MAX_PICTURES) {
      pictures.addLayer(tileImage(api.thumbnailUrl(state.view.collection, p.id), p.corners, p.id));
      shown += 1;
    }
    const corner = se.x - nw.x >= CORNER_FROM;
    if (!p.rank && se.x - nw.x >= DOT_BELOW) continue;
    const middle = map.latLngToContainerPoint(p.bounds.getCenter());
    if (taken.some((t) => Math.abs(t.x - middle.x) < LABEL_ROOM && Math.abs(t.y - middle.y) < LABEL_ROOM)) continue;
    taken.push(middle);
    numbers.addLayer(L.marker(corner ? p.bounds.getNorthWest() : p.bounds.getCenter(), { pane: "numbers", interactive: false, keyboard: false,
      icon: L.divIcon({ className: corner ? "number corner" : "number", html: p.rank ? `<span>${Number(p.rank)}</span>` : "<i></i>", iconSize: [0, 0] }) }));
  }
}

let hot = -1;
let raised = false;

/**
 * Mark the tile under the pointer. If the pointer is on its card, its place is raised above the others, and later put back between its
 * neighbours in rank. A place under the pointer is not moved: that would end the hover.
 */
function drawHover() {
  const mark = (/** @type {boolean} */ on) => {
    const p = placed[hot];
    p?.layer.getElement()?.classList.toggle("hot", on);
    if (p) imageOf(p.id)?.classList.toggle("hot", on);
  };
  const next = placed.findIndex((p) => p.id === state.hover.id);
  if (next === hot) return;
  mark(false);
  const element = placed[hot]?.layer.getElement(), above = placed[hot - 1]?.layer.getElement();
  if (raised && element && above) above.before(element);
  hot = next;
  mark(true);
  raised = hot >= 0 && state.hover.from !== "map";
  if (raised) placed[hot].layer.bringToFront();
}

/** @param {string} id @returns {Element|undefined} the picture of a tile on the map */
const imageOf = (id) => [...map.getPane("tiles").children].find((image) => image.dataset.id === id);

/** Without georeferenced results, show the extent of the collection. Hide the map if the collection has no extent. */
function showExtent() {
  const c = current();
  const bbox = c?.placed ? c.extent?.spatial?.bbox?.[0] : undefined;
  byId("layout").classList.toggle("no-places", Boolean(c?.item_count && !bbox));
  if (placed.length || !bbox || bbox.length !== 4) return;
  map.fitBounds(boxBounds(bbox), { ...padding(), maxZoom: 14, animate: false });
}

export function setupMap() {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  map = L.map("map", { zoomControl: false, attributionControl: false, minZoom: 1, maxZoom: 22, zoomSnap: 0.25, zoomAnimation: !still,
    fadeAnimation: !still, inertia: !still, maxBounds: [[-88, -360], [88, 360]], maxBoundsViscosity: 1 });
  setupPanes();
  addGraticule(map);
  addLayers(map);
  map.setView([20, 10], 1.5);
  L.control.zoom({ position: "topright" }).addTo(map);
  L.control.scale({ position: "bottomright", imperial: false }).addTo(map);
  L.control.attribution({ position: "bottomright", prefix: false }).addAttribution("Leaflet, Natural Earth").addTo(map);
  shapes = L.layerGroup().addTo(map);
  numbers = L.layerGroup().addTo(map);
  pictures = L.layerGroup().addTo(map);
  addLand(map).catch((error) => console.warn("base map not loaded:", error));
  const readout = L.DomUtil.create("output", "readout", map.getContainer());
  map.on("mousemove", (/** @type {any} */ e) => {
    readout.textContent = lonLat(e.latlng.lng, e.latlng.lat, Math.min(6, Math.max(2, Math.round(map.getZoom() / 3))));
  });
  map.on("mouseout", () => { readout.textContent = ""; });
  map.on("moveend", drawDetail);
  byId("map-imagery").addEventListener("change", drawDetail);
  new ResizeObserver(resized).observe(map.getContainer());
  byId("map-fit").addEventListener("click", () => fit());
  setupDrawing(map, { box: byId("map-draw"), polygon: byId("map-polygon"), lasso: byId("map-lasso") }, byId("map-hint"), (ring, tool) => askForUse(map, ring, tool));
  setupMapKeys(map, () => placed, choose, setupQueryMarks(map));
  for (const [id, name] of /** @type {const} */ ([["map-draw", "box"], ["map-polygon", "polygon"], ["map-lasso", "lasso"]])) byId(id).append(icon(name));
  setupToggle(map, () => fit(false));
  setupLayersPanel();
  setupTimeline();
  setupSwipe(map);
  setupDates();
  on(["results"], drawShapes);
  on(["hover"], drawHover);
  on(["collections", "view"], showExtent);
}
