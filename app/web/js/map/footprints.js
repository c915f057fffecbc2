/** Geometry of footprints: converts GeoJSON (lon, lat) to Leaflet (lat, lng). No access to the page. */

/** @typedef {[number, number]} LatLng */

/**
 * The polygons of a footprint as rings of [lat, lng]; parts split at the antimeridian are joined eastwards.
 * @param {any} geometry GeoJSON Polygon or MultiPolygon
 * @returns {LatLng[][][]}
 */
export function polygons(geometry) {
  if (!geometry || !["Polygon", "MultiPolygon"].includes(geometry.type)) return [];
  const parts = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  const lons = parts.flat(2).map((/** @type {number[]} */ p) => p[0]);
  const cut = parts.length > 1 && Math.min(...lons) <= -180 && Math.max(...lons) >= 180;
  return parts.map((/** @type {number[][][]} */ part) => {
    const shift = cut && part[0].every(([lon]) => lon <= 0) ? 360 : 0;
    return part.map((ring) => ring.map(([lon, lat]) => /** @type {LatLng} */ ([lat, lon + shift])));
  });
}

/**
 * Upper left, upper right and lower left corner of a footprint that is nearly an axis-aligned rectangle, else null:
 * in a rotated footprint, the corner of the first pixel is not known.
 * @param {LatLng[][][]} shape
 * @returns {[LatLng, LatLng, LatLng]|null}
 */
export function corners(shape) {
  if (shape.length !== 1 || shape[0].length !== 1) return null;
  const ring = shape[0][0].slice(0, -1);
  const lats = ring.map((p) => p[0]), lngs = ring.map((p) => p[1]);
  const west = Math.min(...lngs), south = Math.min(...lats);
  const width = Math.max(...lngs) - west, height = Math.max(...lats) - south;
  if (ring.length < 4 || !width || !height || area(ring) < 0.85 * width * height) return null;
  // scaled to a unit square, so that the corners are the extremes along the diagonals
  const unit = ring.map(([lat, lng]) => [(lng - west) / width, (lat - south) / height]);
  const extreme = (/** @type {(p: number[]) => number} */ f) => ring[unit.reduce((best, p, i) => (f(p) > f(unit[best]) ? i : best), 0)];
  return [extreme(([x, y]) => y - x), extreme(([x, y]) => x + y), extreme(([x, y]) => -x - y)];
}

/** @param {LatLng[]} ring */
function area(ring) {
  return Math.abs(ring.reduce((sum, p, i) => {
    const q = ring[(i + 1) % ring.length];
    return sum + p[1] * q[0] - q[1] * p[0];
  }, 0) / 2);
}

/**
 * Convert a bounding box of the API to Leaflet bounds. If it crosses the antimeridian, its east is greater than 180 degrees.
 * @param {number[]} bbox
 * @returns {[LatLng, LatLng]}
 */
export function boxBounds([w, s, e, n]) {
  return [[s, w], [n, w > e ? e + 360 : e]];
}

/**
 * Convert Leaflet bounds to a bounding box of the API, rounded to the resolution of the zoom level.
 * @param {{getWest: () => number, getSouth: () => number, getEast: () => number, getNorth: () => number}} bounds
 * @param {number} zoom
 */
export function toBox(bounds, zoom) {
  const digits = Math.min(7, Math.max(1, Math.ceil(zoom / 3)));
  const round = (/** @type {number} */ v) => Number(v.toFixed(digits));
  const wrap = (/** @type {number} */ lon) => round(((((lon + 180) % 360) + 360) % 360) - 180);
  const whole = bounds.getEast() - bounds.getWest() >= 360;
  return [whole ? -180 : wrap(bounds.getWest()), round(Math.max(-90, bounds.getSouth())),
    whole ? 180 : wrap(bounds.getEast()), round(Math.min(90, bounds.getNorth()))];
}
