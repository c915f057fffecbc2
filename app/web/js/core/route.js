/** The view as URL fragment: reload, back, bookmarks and shared links show the same view. */

import { emptyView, state } from "./state.js";

/** @typedef {import("./types.js").View} View */

/** @param {string|null} text */
const list = (text) => (text ? text.split(",").filter(Boolean) : []);

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
    upload: Number(params.get("upload")) || 0,
    rerank: rerank === "on" || rerank === "off" ? rerank : "",
    least: Math.min(100, Math.max(0, Number(params.get("least")) || 0)),
    onePerPlace: params.get("fold") === "1",
    version: params.get("version") ?? "",
  };
}

/** @param {View} view */
export function format(view) {
  const params = new URLSearchParams();
  if (view.collection) params.set("collection", view.collection);
  if (view.upload) params.set("upload", String(view.upload));
  if (view.point) params.set("point", view.point.join(","));
  if (view.items.length) params.set("item", view.items.join(","));
  if (view.not.length) params.set("not", view.not.join(","));
  if (view.labels.length) params.set("labels", view.labels.join(","));
  if (view.from) params.set("from", view.from);
  if (view.to) params.set("to", view.to);
  if (view.bbox) params.set("bbox", view.bbox.join(","));
  if (view.rerank) params.set("rerank", view.rerank);
  if (view.least) params.set("least", String(view.least));
  if (view.onePerPlace) params.set("fold", "1");
  if (view.version) params.set("version", view.version);
  return `#${params.toString().replaceAll("%2C", ",")}`;
}

/** URL fragment of a search with one tile, with the current filters. @param {string} id */
export const searchHash = (id) => format({ ...state.view, items: [id], not: [], point: null, upload: 0 });

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
