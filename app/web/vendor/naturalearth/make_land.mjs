// Makes land.json. Not used at run time.
//
//   npm pack world-atlas@2.0.2 topojson-client@3.1.0    (unpack both, put topojson-client into node_modules)
//   node make_land.mjs path/to/world-atlas/package > land.json
//
// Coordinates are WGS 84 lon/lat, thinned to 0.03 degrees and rounded to 0.01: for orientation only, not for measurements.

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

/** The source stitches polygons across the antimeridian: make the longitudes continuous, then cut at 180 degrees. */
function cut(ring) {
  let turn = 0;
  const flat = ring.map(([lon, lat], i) => {
    if (i) turn -= 360 * Math.round((lon - ring[i - 1][0]) / 360);
    return [lon + turn, lat];
  });
  if (turn) {
    // around the pole: close along the lower edge of the map
    const start = flat[0][0], end = flat.at(-1)[0];
    flat.push([end, -90], [start, -90], flat[0]);
  }
  return [-360, 0, 360].map((shift) => flat.map(([lon, lat]) => [lon + shift, lat]))
    .map((piece) => clip(clip(piece, 180, 1), -180, -1)).filter((piece) => piece.length >= 4);
}

/** Keep what lies west (side 1) or east (side -1) of a meridian: Sutherland and Hodgman's algorithm for one edge. */
function clip(ring, lon, side) {
  const inside = ([x]) => side * (lon - x) >= 0, out = [];
  for (let i = 0; i + 1 < ring.length; i++) {
    const p = ring[i], q = ring[i + 1];
    if (inside(p)) out.push(p);
    if (inside(p) !== inside(q)) out.push([lon, p[1] + ((lon - p[0]) / (q[0] - p[0])) * (q[1] - p[1])]);
  }
  return out.length ? [...out, out[0]] : out;
}

const landTopo = read("land-50m.json"), countries = read("countries-50m.json");
const land = topojson.feature(landTopo, landTopo.objects.land).features
  .flatMap((f) => (f.geometry.type === "Polygon" ? [f.geometry.coordinates] : f.geometry.coordinates))
  .flatMap(([outer, ...holes]) => {
    const pieces = cut(outer).sort((a, b) => area(b) - area(a));
    return pieces.map((piece, i) => [piece, ...(i ? [] : holes)].map(round).filter((ring) => ring.length >= 4 && area(ring) > 0.002));
  })
  .filter((polygon) => polygon.length);
const borders = topojson.mesh(countries, countries.objects.countries, (a, b) => a !== b).coordinates
  .map(round).filter((line) => line.length > 1);
process.stdout.write(JSON.stringify({ type: "FeatureCollection", features: [
  { type: "Feature", properties: { layer: "land" }, geometry: { type: "MultiPolygon", coordinates: land } },
  { type: "Feature", properties: { layer: "borders" }, geometry: { type: "MultiLineString", coordinates: borders } },
] }));
