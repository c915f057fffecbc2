/** Strip of the tiles at the same place on other dates. */

import * as api from "../core/api.js";
import { h, when } from "../core/dom.js";
import { state } from "../core/state.js";
import { polygons } from "../map/footprints.js";

/** @typedef {import("../core/types.js").Feature} Feature */

const NEAR = 1e-6; // degrees
const MOST = 200; // tiles that are read

/** Middle of a footprint as [lat, lng]; null without one. @param {Feature} f @returns {number[]|null} */
function middle(f) {
  const points = polygons(f.geometry).flat(2);
  return points.length ? [0, 1].map((axis) => (Math.min(...points.map((p) => p[axis])) + Math.max(...points.map((p) => p[axis]))) / 2) : null;
}

/**
 * For each date, the tile whose middle is nearest to that of `f`; ascending by date.
 * @param {Feature} f
 * @returns {Promise<Feature[]>}
 */
async function tilesThere(f) {
  const at = middle(f);
  if (!at || !f.properties.datetime) return [];
  const [lat, lng] = at;
  const bbox = [lng - NEAR, lat - NEAR, lng + NEAR, lat + NEAR].map((v) => v.toFixed(7));
  const { features } = await api.browse(state.view.collection, new URLSearchParams({ bbox: bbox.join(","), limit: String(MOST) }));
  /** @type {Map<string, {tile: Feature, far: number}>} */
  const best = new Map();
  for (const tile of features) {
    const [y, x] = middle(tile) ?? [0, 0];
    const far = tile.id === f.id ? -1 : Math.hypot(y - lat, x - lng);
    const day = tile.properties.datetime?.slice(0, 10);
    if (day && !(far >= (best.get(day)?.far ?? Infinity))) best.set(day, { tile, far });
  }
  return [...best.values()].map(({ tile }) => tile).sort((a, b) => (a.properties.datetime < b.properties.datetime ? -1 : 1));
}

/** Compare, on the map, the date of a tile with the last other date. @param {Feature} f @param {Feature[]} tiles ascending by date */
function compare(f, tiles) {
  const day = (/** @type {Feature} */ tile) => tile.properties.datetime.slice(0, 10);
  const other = tiles.filter((tile) => day(tile) !== day(f)).at(-1);
  const pair = [day(f), other ? day(other) : day(f)].sort();
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  dispatchEvent(new CustomEvent("dyad-compare", { detail: { left: pair[0], right: pair[1], ring: polygons(f.geometry).flat(2) } }));
}

/**
 * The strip; empty until it is loaded, and if there is no other date.
 * @param {Feature} f
 * @param {(id: string) => void} open called with the tile of a date
 */
export function otherDates(f, open) {
  const box = h("div", { class: "other-dates" });
  void tilesThere(f).then((tiles) => {
    if (tiles.length < 2) return;
    box.append(h("h3", {}, "Same place, other dates"), h("ul", {}, tiles.map((tile) => h("li", {},
      h("button", { type: "button", "aria-current": tile.id === f.id ? "true" : null, disabled: tile.id === f.id, onclick: () => open(tile.id) },
        h("img", { src: api.thumbnailUrl(state.view.collection, tile.id, 128), alt: "", loading: "lazy", width: 96, height: 96 }),
        h("time", { datetime: tile.properties.datetime }, when(tile.properties.datetime).slice(0, 10)))))),
    h("button", { type: "button", class: "quiet", onclick: () => compare(f, tiles) }, "Compare dates on the map"));
    const chosen = box.querySelector("[aria-current]"), strip = box.querySelector("ul");
    if (chosen && strip) strip.scrollLeft += chosen.getBoundingClientRect().left - strip.getBoundingClientRect().left - (strip.clientWidth - chosen.clientWidth) / 2;
  }, () => {});
  return box;
}
