/** Order of the tiles: by the service, or, where it has no such order, of the loaded tiles by the page. */

import { polygons } from "../map/footprints.js";
import { hasQuery } from "../search/uploaded.js";

/** @typedef {import("../core/types.js").Feature} Feature */
/** @typedef {import("../core/types.js").View} View */

/** @type {Record<string, string>} */
export const ORDERS = { "": "Best match", "-date": "Newest first", date: "Oldest first", north: "North to south", west: "West to east", name: "Name" };
/** Orders that the service has for lists of tiles without a query. @type {Record<string, string>} */
const SERVER = { date: "datetime", "-date": "-datetime", name: "file_name" };

/** Value of `sortby` for a view, or null if the service does not sort it. @param {View} view */
export const serverSort = (view) => (!hasQuery(view) && SERVER[view.sort]) || null;

/** Whether the page itself sorts the loaded tiles. @param {View} view */
export const sortsLoaded = (view) => view.sort in ORDERS && view.sort !== "" && !serverSort(view);

/** Centre of a tile as latitude and longitude, or null. @param {Feature} f @returns {[number, number]|null} */
function centre(f) {
  const points = polygons(f.geometry).flat(2);
  if (!points.length) return null;
  const middle = (/** @type {number} */ at) => points.reduce((sum, p) => sum + p[at], 0) / points.length;
  return [middle(0), middle(1)];
}

/** @param {Feature} f @param {string} sort @returns {number|string|null} */
function key(f, sort) {
  if (sort === "name") return f.properties.file_name ?? null;
  if (sort === "date") return f.properties.datetime ? Date.parse(f.properties.datetime) : null;
  if (sort === "-date") return f.properties.datetime ? -Date.parse(f.properties.datetime) : null;
  const at = centre(f);
  return at && (sort === "north" ? -at[0] : at[1]);
}

/** The tiles in the order of the view; tiles without a date or a place are last. @param {Feature[]} features @param {View} view */
export function ordered(features, view) {
  if (!sortsLoaded(view)) return features;
  const keyed = features.map((f) => ({ f, by: key(f, view.sort) }));
  const compare = (/** @type {any} */ a, /** @type {any} */ b) => (a < b ? -1 : a > b ? 1 : 0);
  return keyed.sort((a, b) => (a.by === null ? 1 : 0) - (b.by === null ? 1 : 0) || compare(a.by, b.by)).map(({ f }) => f);
}
