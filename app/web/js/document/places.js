/** The map of a document's page: its geometries over the base map. */

import { addGraticule, addLand, colour } from "../map/basemap.js";

const L = /** @type {any} */ (window).L;
const features = JSON.parse(document.getElementById("places")?.textContent ?? "[]");
const map = L.map("map", { attributionControl: false });

const places = L.geoJSON(features, {
  style: { color: colour("hot"), weight: 1.5, fillOpacity: 0.15 },
  pointToLayer: (/** @type {any} */ _, /** @type {any} */ at) => L.circleMarker(at, { radius: 5 }),
  onEachFeature: (/** @type {any} */ { properties }, /** @type {any} */ layer) => {
    const link = document.createElement(properties.href ? "a" : "span");
    link.textContent = properties.name;
    if (link instanceof HTMLAnchorElement) link.href = properties.href;
    layer.bindPopup(link);
  },
});
map.fitBounds(places.getBounds().pad(0.2), { maxZoom: 15 });
places.addTo(map);
await addLand(map);
addGraticule(map);
