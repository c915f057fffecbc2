/** The view as URL fragment: reload, back, bookmarks and shared links show the same view. */

import { emptyView, state } from "./state.js";

/** @typedef {import("./types.js").View} View */

/** Changes that remove the query from a view. */
export const NO_QUERY = /** @type {Partial<View>} */ ({ items: [], not: [], point: null, areas: [], notAreas: [], upload: 0 });
/** Changes that remove the filters. */
export const NO_FILTERS = /** @type {Partial<View>} */ ({ labels: [], from: "", to: "", bbox: null, within: null });

/** @param {string|null} text */
const list = (text) => (text ? text.split(",").filter(Boolean) : []);

/** Corners as "lon,lat,lon,lat,..."; null if the text is not that. @param {string|null} text @returns {number[][]|null} */
function ring(text) {
  const numbers = list(text).map(Number);
  if (!numbers.length || numbers.length % 2 || !numbers.every(Number.isFinite)) return null;
  return numbers.flatMap((lon, i) => (i % 2 ? [] : [[lon, numbers[i + 1]]]));
}

/** @param {string[]} texts */
const rings = (texts) => /** @type {number[][][]} */ (texts.map(ring).filter(Boolean));

/**
 * @param {string} hash
 * @returns {View}
 */
export function parse(hash) {
  const params = new URLSearchParams(hash.replace(/^#/, ""));
  const rerank = params.get("rerank");
  const bbox = list(params.get("bbox")).map(Number);
  const point = list(params.get("point")).map(Number);
  return {
    ...emptyView(),
    collection: params.get("collection") ?? "",
    items: list(params.get("item")),
    not: list(params.get("not")),
    labels: list(params.get("labels")),
    from: params.get("from") ?? "",
    to: params.get("to") ?? "",
    bbox: bbox.length === 4 && bbox.every(Number.isFinite) ? bbox : null,
    point: point.length === 2 && point.every(Number.isFinite) ? point : null,
    areas: rings(params.getAll("area")),
    notAreas: rings(params.getAll("notarea")),
    within: bbox.length === 4 ? null : ring(params.get("within")),
    upload: Number(params.get("upload")) || 0,
    rerank: rerank === "on" || rerank === "off" ? rerank : "",
    least: Math.min(100, Math.max(0, Number(params.get("least")) || 0)),
    onePerPlace: params.get("fold") === "1",
    version: params.get("version") ?? "",
    sort: params.get("sort") ?? "",
  };
}

/** @param {View} view */
export function format(view) {
  const params = new URLSearchParams();
  if (view.collection) params.set("collection", view.collection);
  if (view.upload) params.set("upload", String(view.upload));
  if (view.point) params.set("point", view.point.join(","));
  for (const area of view.areas) params.append("area", area.join(","));
  for (const area of view.notAreas) params.append("notarea", area.join(","));
  if (view.items.length) params.set("item", view.items.join(","));
  if (view.not.length) params.set("not", view.not.join(","));
  if (view.labels.length) params.set("labels", view.labels.join(","));
  if (view.from) params.set("from", view.from);
  if (view.to) params.set("to", view.to);
  if (view.bbox) params.set("bbox", view.bbox.join(","));
  if (view.within) params.set("within", view.within.join(","));
  if (view.rerank) params.set("rerank", view.rerank);
  if (view.least) params.set("least", String(view.least));
  if (view.onePerPlace) params.set("fold", "1");
  if (view.version) params.set("version", view.version);
  if (view.sort) params.set("sort", view.sort);
  return `#${params.toString().replaceAll("%2C", ",")}`;
}

/** URL fragment of a search with one tile, with the current filters. @param {string} id */
export const searchHash = (id) => format({ ...state.view, ...NO_QUERY, items: [id] });

/**
 * Change the view; `replace` adds no history entry.
 * @param {Partial<View>} changes
 * @param {{replace?: boolean}} [options]
 */
export function go(changes, { replace = false } = {}) {
  const hash = format({ ...state.view, ...changes });
  if (hash === location.hash) replace = true;
  history[replace ? "replaceState" : "pushState"](null, "", hash);
  dispatchEvent(new PopStateEvent("popstate"));
}
