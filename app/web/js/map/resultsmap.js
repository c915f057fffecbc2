/** Map of the results: footprints with rank numbers, thumbnails at high zoom, the filter box, hover shared with the grid. */

import * as api from "../core/api.js";
import { byId, count, lonLat } from "../core/dom.js";
import { go, searchHash } from "../core/route.js";
import { current, on, set, state } from "../core/state.js";
import { toggleLabel } from "../labels/labelbar.js";
import { addGraticule, addLand } from "./basemap.js";
import { addLayers } from "./layers.js";
import { setupBoxTool } from "./drawbox.js";
import { boxBounds, corners, polygons, toBox } from "./footprints.js";
import { tileImage } from "./tileimage.js";

const L = /** @type {any} */ (window).L;
const PICTURE_FROM = 26; // minimum width of a footprint on the screen, px
const MAX_PICTURES = 150;
const CORNER_FROM = 60; // width from which the rank number is drawn in the corner, px
const LABEL_ROOM = 20; // minimum distance between the centres of two rank numbers, px

/** @typedef {{id: string, layer: any, bounds: any, corners: any, rank: number|null}} Placed */

/** @type {any} */ let map;
/** @type {any} */ let shapes;
/** @type {any} */ let numbers;
/** @type {any} */ let pictures;
/** @type {any} */ let filterBox;
/** @type {Placed[]} */ let placed = [];
/** @type {any} */ let queryMark = null;
let marked = "";
let fitted = "";

function setupPanes() {
  map.createPane("tiles").style.zIndex = 300;
  map.getPane("tiles").style.pointerEvents = "none";
  const top = map.createPane("numbers");
  top.style.zIndex = 620;
  top.style.pointerEvents = "none";
}

/** @param {import("../core/types.js").Feature} f @returns {Placed|null} */
function place(f) {
  const shape = polygons(f.geometry);
  if (!shape.length) return null;
  const layer = L.polygon(shape, { className: "footprint", bubblingMouseEvents: false });
  layer.on({
    mouseover: () => set({ hover: { id: f.id, from: "map" } }),
    mouseout: () => set({ hover: { id: null, from: "" } }),
    click: () => { if (state.labelling.on) toggleLabel(f.id); else location.hash = searchHash(f.id); },
  });
  const p = f.properties;
  const title = [p.rank && `${p.rank}.`, p.file_name, typeof p.score === "number" && p.score.toFixed(3)].filter(Boolean).join(" ");
  layer.bindTooltip(() => document.createTextNode(title).textContent ?? "", { sticky: true, opacity: 1, className: "tip" });
  return { id: f.id, layer, bounds: layer.getBounds(), corners: corners(shape), rank: p.rank ?? null };
}

function drawShapes() {
  if (state.results.busy) return;
  shapes.clearLayers();
  placed = /** @type {Placed[]} */ (state.results.features.map(place).filter(Boolean));
  // draw rank 1 last, above the others
  for (const p of [...placed].reverse()) shapes.addLayer(p.layer);
  const { features, mode } = state.results;
  const missing = features.length - placed.length;
  byId("map-note").textContent = !features.length || mode === "idle" ? ""
    : !placed.length ? "These tiles are not georeferenced" : missing ? `${count(missing, "tile")} not georeferenced` : "";
  byId("map-fit").disabled = !placed.length;
  const key = `${state.view.collection}|${state.view.items}|${state.view.upload}|${mode}`;
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
  map.fitBounds(bounds, { padding: [24, 24], maxZoom: 19, animate: !still });
  drawDetail();
}

/** Draw rank numbers where they do not overlap, best ranks first, and thumbnails where they are large enough. */
function drawDetail() {
  numbers.clearLayers();
  pictures.clearLayers();
  const view = map.getBounds().pad(0.1);
  /** @type {{x: number, y: number}[]} */
  const taken = [];
  let shown = 0;
  for (const p of placed) {
    if (!view.intersects(p.bounds)) continue;
    const nw = map.latLngToContainerPoint(p.bounds.getNorthWest()), se = map.latLngToContainerPoint(p.bounds.getSouthEast());
    if (p.corners && se.x - nw.x >= PICTURE_FROM && shown < MAX_PICTURES) {
      pictures.addLayer(tileImage(api.thumbnailUrl(state.view.collection, p.id), p.corners));
      shown += 1;
    }
    const middle = map.latLngToContainerPoint(p.bounds.getCenter());
    if (taken.some((t) => Math.abs(t.x - middle.x) < LABEL_ROOM && Math.abs(t.y - middle.y) < LABEL_ROOM)) continue;
    taken.push(middle);
    const corner = se.x - nw.x >= CORNER_FROM;
    numbers.addLayer(L.marker(corner ? p.bounds.getNorthWest() : p.bounds.getCenter(), { pane: "numbers", interactive: false, keyboard: false,
      icon: L.divIcon({ className: corner ? "number corner" : "number", html: p.rank ? `<span>${Number(p.rank)}</span>` : "<i></i>", iconSize: [0, 0] }) }));
  }
}

function drawHover() {
  for (const { id, layer } of placed) layer.getElement()?.classList.toggle("hot", id === state.hover.id);
  const hot = placed.find((p) => p.id === state.hover.id);
  hot?.layer.bringToFront();
}

/** Search with a place beside the results. @param {any} event */
function searchPlace(event) {
  const c = current();
  const bbox = c?.placed ? c.extent?.spatial?.bbox?.[0] : undefined;
  if (!bbox || state.labelling.on || map.getContainer().classList.contains("drawing")) return;
  if (!L.latLngBounds(boxBounds(bbox)).contains(event.latlng)) return;
  const { lng, lat } = event.latlng.wrap();
  go({ point: [Number(lng.toFixed(6)), Number(lat.toFixed(6))], items: [], not: [], upload: 0 });
}

/** Mark the query: the footprint of its first tile, or its place. */
async function drawQuery() {
  const { collection, items, point, upload } = state.view;
  const key = `${collection}|${point ?? (upload ? "" : items[0] ?? "")}`;
  if (key === marked) return;
  marked = key;
  queryMark?.remove();
  queryMark = null;
  if (point) queryMark = L.circleMarker([point[1], point[0]], { className: "query-mark", radius: 8, interactive: false }).addTo(map);
  else if (items[0] && !upload) {
    const tile = await api.item(collection, items[0]).catch(() => null);
    const shape = polygons(tile?.geometry);
    if (shape.length && key === marked) queryMark = L.polygon(shape, { className: "query-mark", interactive: false }).addTo(map);
  }
}

function drawBox() {
  filterBox?.remove();
  const { bbox } = state.view;
  filterBox = bbox && L.rectangle(boxBounds(bbox), { className: "box", interactive: false }).addTo(map);
}

/** Without georeferenced results, show the extent of the collection. Hide the map if the collection has no extent. */
function showExtent() {
  const c = current();
  const bbox = c?.placed ? c.extent?.spatial?.bbox?.[0] : undefined;
  byId("layout").classList.toggle("no-places", Boolean(c?.item_count && !bbox));
  if (placed.length || !bbox || bbox.length !== 4) return;
  map.fitBounds(boxBounds(bbox), { padding: [24, 24], maxZoom: 14, animate: false });
}

function setupToggle() {
  const button = byId("map-toggle");
  const show = (/** @type {boolean} */ open) => {
    button.setAttribute("aria-expanded", String(open));
    byId("map-panel").classList.toggle("closed", !open);
    byId("layout").classList.toggle("no-map", !open);
    if (!open) return;
    map.invalidateSize({ animate: false });
    fit(false);
  };
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
  byId("map-draw").addEventListener("click", () => show(true), true);
  if (matchMedia("(max-width: 860px)").matches) show(false);
}

export function setupMap() {
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  map = L.map("map", { zoomControl: false, attributionControl: false, minZoom: 1, maxZoom: 22, zoomSnap: 0.5, zoomAnimation: !still,
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
  new ResizeObserver(() => map.invalidateSize({ animate: false })).observe(map.getContainer());
  byId("map-fit").addEventListener("click", () => fit());
  setupBoxTool(map, byId("map-draw"), (bounds) => go({ bbox: toBox(bounds, map.getZoom()) }));
  map.on("click", searchPlace);
  setupToggle();
  on(["view"], drawQuery);
  on(["results"], drawShapes);
  on(["hover"], drawHover);
  on(["view"], drawBox);
  on(["collections", "view"], showExtent);
}
