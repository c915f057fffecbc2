/** Base map: land and borders (Natural Earth) and a graticule with labels in degrees. */

const L = /** @type {any} */ (window).L;
const STEPS = [60, 30, 20, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002];
const LINES = 5;

/** @param {string} name custom property of the style sheet, without `--` */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** @param {any} feature */
function style(feature) {
  return feature.properties.layer === "land"
    ? { stroke: true, weight: 0.8, color: colour("map-coast"), fill: true, fillColor: colour("map-land"), fillOpacity: 1, interactive: false }
    : { stroke: true, weight: 0.7, color: colour("map-border"), fill: false, dashArray: "3 3", interactive: false };
}

/**
 * Add the tiles of the base map that the operator has set (`DYAD_BASEMAP_URL`), above land and borders.
 * @param {any} map
 */
function addTiles(map) {
  const setting = /** @type {HTMLMetaElement} */ (document.querySelector("meta[name=dyad-base-map]"));
  if (!setting.content) return;
  const attribution = document.createElement("span");
  attribution.textContent = setting.dataset.attribution ?? "";
  const pane = map.createPane("basemap");
  pane.style.zIndex = 155;
  pane.style.pointerEvents = "none";
  L.tileLayer(setting.content, { pane: "basemap", maxZoom: 24, maxNativeZoom: 18, attribution: attribution.innerHTML }).addTo(map);
}

/**
 * Add land and borders, and the base map. Copies shifted by 360 degrees are added when the view reaches them.
 * @param {any} map
 */
export async function addLand(map) {
  addTiles(map);
  const pane = map.createPane("land");
  pane.style.zIndex = 150;
  pane.style.pointerEvents = "none";
  const renderer = L.canvas({ pane: "land", padding: 0.3 });
  const data = await (await fetch(new URL("../../vendor/naturalearth/land.json", import.meta.url))).json();
  /** @type {Map<number, any>} */
  const copies = new Map();
  const add = (/** @type {number} */ shift) => {
    if (copies.has(shift)) return;
    const coordsToLatLng = (/** @type {number[]} */ [lon, lat]) => L.latLng(lat, lon + shift);
    copies.set(shift, L.geoJSON(data, { style, renderer, pane: "land", coordsToLatLng, interactive: false }).addTo(map));
  };
  const reach = () => {
    const bounds = map.getBounds();
    if (bounds.getWest() < -180) add(-360);
    if (bounds.getEast() > 180) add(360);
  };
  add(0);
  map.on("moveend", reach);
  reach();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => copies.forEach((layer) => layer.setStyle(style)));
}

/** @param {number} value @param {number} step @param {"EW"|"NS"} letters */
function degrees(value, step, letters) {
  const digits = step >= 1 ? 0 : Math.min(4, Math.ceil(-Math.log10(step)));
  const wrapped = letters === "EW" ? ((((value + 180) % 360) + 360) % 360) - 180 : value;
  const side = Math.abs(wrapped) < 1e-9 ? "" : letters[wrapped > 0 ? 0 : 1];
  return `${Math.abs(wrapped).toFixed(digits)}°${side}`;
}

/**
 * Add a graticule at round degrees, with labels along the left and lower edge. It is redrawn when the map stops moving.
 * @param {any} map
 */
export function addGraticule(map) {
  const pane = map.createPane("graticule");
  pane.style.zIndex = 160;
  pane.style.pointerEvents = "none";
  const renderer = L.svg({ pane: "graticule", padding: 0.5 });
  const group = L.layerGroup().addTo(map);
  map.createPane("degrees").style.zIndex = 590; // above imagery
  map.getPane("degrees").style.pointerEvents = "none";
  /** Whether the tools cover a label of the left edge. @param {number} lat @param {number} lng */
  const isCovered = (lat, lng) => {
    const tools = document.querySelector(".map-tools")?.getBoundingClientRect();
    const y = map.latLngToContainerPoint([lat, lng]).y + map.getContainer().getBoundingClientRect().top;
    return Boolean(tools?.height) && y > tools.top && y < tools.bottom + 14;
  };
  const draw = () => {
    group.clearLayers();
    const view = map.getBounds(), wide = view.pad(0.5);
    const span = Math.max(view.getEast() - view.getWest(), view.getNorth() - view.getSouth());
    const step = STEPS.find((s) => span / s >= LINES) ?? STEPS[STEPS.length - 1];
    const corner = map.containerPointToLatLng([4, map.getSize().y - 4]);
    const line = (/** @type {number[][]} */ points) => group.addLayer(L.polyline(points, { renderer, className: "graticule", interactive: false, weight: 1 }));
    const label = (/** @type {number[]} */ at, /** @type {string} */ text, /** @type {string} */ cls) => group.addLayer(L.marker(at, {
      pane: "degrees", interactive: false, keyboard: false, icon: L.divIcon({ className: `degree ${cls}`, html: `<span>${text}</span>`, iconSize: [0, 0] }) }));
    const south = Math.max(-85, wide.getSouth()), north = Math.min(85, wide.getNorth());
    for (let lon = Math.ceil(wide.getWest() / step) * step; lon <= wide.getEast(); lon += step) {
      line([[south, lon], [north, lon]]);
      if (lon > view.getWest() && lon < view.getEast()) label([corner.lat, lon], degrees(lon, step, "EW"), "lon");
    }
    for (let lat = Math.ceil(south / step) * step; lat <= north; lat += step) {
      line([[lat, wide.getWest()], [lat, wide.getEast()]]);
      if (lat > corner.lat && !isCovered(lat, corner.lng)) label([lat, corner.lng], degrees(lat, step, "NS"), "lat");
    }
  };
  map.on("moveend resize", draw);
  if (map._loaded) draw();
}
