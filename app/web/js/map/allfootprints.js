/** Layer of the footprints of all tiles of a collection, drawn from vector tiles: outlines, or cells shaded by the number of tiles. */

import { decode } from "./vectortile.js";

const L = /** @type {any} */ (window).L;
const SIDE = 256;

/**
 * @param {string} url address of vector tiles with `{z}`, `{x}` and `{y}`
 * @param {any} options of `L.GridLayer`
 */
export const footprintLayer = (url, options) => new FootprintLayer(url, options);

const FootprintLayer = L.GridLayer.extend({
  initialize(/** @type {string} */ url, /** @type {any} */ options) {
    this._url = url;
    L.setOptions(this, options);
    this.on("tileunload", (/** @type {any} */ { tile }) => tile.stop?.abort());
  },

  createTile(/** @type {any} */ coords, /** @type {(error: any, tile: any) => void} */ done) {
    const tile = document.createElement("canvas");
    const scale = window.devicePixelRatio || 1;
    tile.width = tile.height = SIDE * scale;
    tile.stop = new AbortController();
    void load(L.Util.template(this._url, coords), tile.stop.signal).then((polygons) => {
      const context = tile.getContext("2d");
      context.scale(scale, scale);
      draw(context, polygons);
      tile.dataset.count = String(polygons.reduce((sum, { properties }) => sum + (properties.count ?? 1), 0));
      done(null, tile);
    }, (error) => done(error, tile));
    return tile;
  },
});

/** @param {string} url @param {AbortSignal} signal */
async function load(url, signal) {
  const response = await fetch(url, { signal });
  if (!response.ok) throw new Error(`footprints: status ${response.status}`);
  return decode(await response.arrayBuffer());
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {import("./vectortile.js").Polygon[]} polygons
 */
function draw(context, polygons) {
  const outlines = new Path2D();
  for (const { ring, properties } of polygons) {
    if (properties.count) {
      const [x, y] = ring;
      const side = ring[2] - ring[0] || ring[4] - ring[0];
      context.fillStyle = `rgb(20 110 170 / ${Math.min(0.85, 0.35 + 0.16 * Math.log10(properties.count))})`;
      context.fillRect(x * SIDE, y * SIDE, side * SIDE, side * SIDE);
      continue;
    }
    outlines.moveTo(ring[0] * SIDE, ring[1] * SIDE);
    for (let i = 2; i < ring.length; i += 2) outlines.lineTo(ring[i] * SIDE, ring[i + 1] * SIDE);
    outlines.closePath();
  }
  // a light line on a dark one is visible on every ground
  for (const [style, width] of /** @type {const} */ ([["rgb(8 30 48 / .55)", 2.4], ["rgb(255 255 255 / .95)", 1]])) {
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke(outlines);
  }
}
