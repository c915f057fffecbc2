/** An image on the map, positioned by three corners, so that it follows the slight rotation of a reprojected footprint. */

const L = /** @type {any} */ (window).L;
const SIDE = 256;

/**
 * @param {string} url
 * @param {[[number, number], [number, number], [number, number]]} at upper left, upper right, lower left as [lat, lng]
 * @param {string} id of the tile
 */
export function tileImage(url, at, id) {
  return new TileImage(url, at, id);
}

const TileImage = L.Layer.extend({
  initialize(/** @type {string} */ url, /** @type {number[][]} */ at, /** @type {string} */ id) {
    this._url = url;
    this._id = id;
    this._at = at.map((p) => L.latLng(p));
  },
  onAdd() {
    const image = document.createElement("img");
    image.src = this._url;
    image.alt = "";
    image.dataset.id = this._id;
    image.className = "tile-image leaflet-zoom-hide";
    this._image = image;
    this.getPane("tiles").prepend(image); // called by rank: better ranks are above, as their outlines are
    this._place();
  },
  onRemove() {
    this._image.remove();
  },
  getEvents() {
    return { zoom: this._place, viewreset: this._place };
  },
  _place() {
    const [nw, ne, sw] = this._at.map((/** @type {any} */ p) => this._map.latLngToLayerPoint(p));
    const m = [ne.x - nw.x, ne.y - nw.y, sw.x - nw.x, sw.y - nw.y].map((v) => v / SIDE);
    this._image.style.transform = `matrix(${m.join(",")},${nw.x},${nw.y})`;
  },
});
