// Makes land.json. Not used at run time.
//
//   npm pack world-atlas@2.0.2 topojson-client@3.1.0    (unpack both, put topojson-client into node_modules)
//   node make_land.mjs path/to/world-atlas/package > land.json
//
// Coordinates are WGS 84 lon/lat, thinned to 0.03 degrees and rounded to 0.01: a basemap to find one's way, not to measure on.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const topojson = createRequire(import.meta.url)("topojson-client");
const folder = process.argv[2];
const read = (name) => JSON.parse(readFileSync(`${folder}/${name}`, "utf8"));
const TOLERANCE = 0.03;

/** Distance of p from the segment a-b, in degrees. */
function distance([x, y], [ax, ay], [bx, by]) {
  const dx = bx - ax, dy = by - ay, length = dx * dx + dy * dy;
  const u = length ? Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length)) : 0;
  return Math.hypot(x - ax - u * dx, y - ay - u * dy);
}

/** Douglas-Peucker, without recursion. */
function thin(points) {
  const keep = new Uint8Array(points.length);
  keep[0] = keep[points.length - 1] = 1;
  const stack = [[0, points.length - 1]];
  while (stack.length) {
    const [first, last] = stack.pop();
    let far = TOLERANCE, index = -1;
    for (let i = first + 1; i < last; i++) {
      const d = distance(points[i], points[first], points[last]);
      if (d > far) [far, index] = [d, i];
    }
    if (index > 0) { keep[index] = 1; stack.push([first, index], [index, last]); }
  }
  return points.filter((_, i) => keep[i]);
}

function round(line) {
  const out = [];
  for (const [x, y] of thin(line)) {
    const p = [+x.toFixed(2), +y.toFixed(2)], q = out.at(-1);
    if (!q || q[0] !== p[0] || q[1] !== p[1]) out.push(p);
  }
  return out;
}

const area = (ring) => Math.abs(ring.reduce((s, p, i) => {
  const q = ring[(i + 1) % ring.length];
  return s + p[0] * q[1] - q[0] * p[1];
}, 0) / 2);

const landTopo = read("land-50m.json"), countries = read("countries-50m.json");
const land = topojson.feature(landTopo, landTopo.objects.land).features
  .flatMap((f) => (f.geometry.type === "Polygon" ? [f.geometry.coordinates] : f.geometry.coordinates))
  .map((polygon) => polygon.map(round).filter((ring) => ring.length >= 4 && area(ring) > 0.002))
  .filter((polygon) => polygon.length);
const borders = topojson.mesh(countries, countries.objects.countries, (a, b) => a !== b).coordinates
  .map(round).filter((line) => line.length > 1);
process.stdout.write(JSON.stringify({ type: "FeatureCollection", features: [
  { type: "Feature", properties: { layer: "land" }, geometry: { type: "MultiPolygon", coordinates: land } },
  { type: "Feature", properties: { layer: "borders" }, geometry: { type: "MultiLineString", coordinates: borders } },
] }));
