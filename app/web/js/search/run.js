/** Loads the results of the view: a ranked search if there is a query, else the tiles of the collection. */

import * as api from "../core/api.js";
import { announce, count } from "../core/dom.js";
import { noResults, set, state } from "../core/state.js";
import { serverSort, sortsLoaded } from "../results/order.js";
import { rankingQuery } from "./ranking.js";
import { hasQuery, uploaded } from "./uploaded.js";

/** @typedef {import("../core/types.js").View} View */

const PAGE = 30;
/** Results of each further page, and of the first one if the page sorts them. */
const NEXT_PAGE = 100;
/** @type {AbortController|null} */
let running = null;

/** @param {View} view */
const hasFilter = (view) => Boolean(view.labels.length || view.from || view.to || view.bbox || view.within);

/**
 * The filters as members of a search request.
 * @param {View} view
 */
function filters(view) {
  /** @type {{labels?: string[], datetime?: string, bbox?: number[], intersects?: any}} */
  const out = {};
  if (view.labels.length) out.labels = view.labels;
  if (view.from || view.to) out.datetime = `${view.from || ".."}/${view.to || ".."}`;
  if (view.bbox) out.bbox = view.bbox;
  if (view.within) out.intersects = place(view.within);
  return out;
}

/** GeoJSON polygon of the corners of an area; [lon, lat] of a place. @param {number[][]} area */
const place = (area) => (area.length === 1 ? area[0] : { type: "Polygon", coordinates: [[...area, area[0]]] });

/**
 * The filters as query parameters.
 * @param {View} view
 */
export function filterParams(view) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(filters(view))) params.set(name, name === "intersects" ? JSON.stringify(value) : String(value));
  return params;
}

/**
 * URL of the results for a GIS layer: search with one tile, or filtered tiles. Null if the search has no GET form.
 * @param {View} view
 */
export function gisUrl(view) {
  const params = filterParams(view);
  if (!hasQuery(view)) {
    params.set("limit", "1000");
    return new URL(api.itemsUrl(view.collection, params), document.baseURI).href;
  }
  if (view.upload || view.not.length || view.areas.length || view.notAreas.length || view.items.length + Number(Boolean(view.point)) !== 1) return null;
  for (const [name, value] of Object.entries(rankingQuery(view))) params.set(name, String(value));
  if (view.point) params.set("point", view.point.join(","));
  else params.set("item", view.items[0]);
  params.set("limit", "100");
  return new URL(api.searchUrl(view.collection, params), document.baseURI).href;
}

/** The search of a view as a request body, without paging. @param {View} view */
export const savedQuery = (view) => ({ ...filters(view), ...rankingQuery(view), positives: view.items, negatives: view.not,
  ...(view.point ? { point: view.point } : {}), ...(view.areas.length ? { places: view.areas.map(place) } : {}),
  ...(view.notAreas.length ? { negative_places: view.notAreas.map(place) } : {}) });

/**
 * @param {View} view
 * @param {string|null} token
 * @param {AbortSignal} signal
 * @returns {Promise<import("../core/types.js").FeatureCollection>}
 */
function fetchPage(view, token, signal) {
  const limit = token || sortsLoaded(view) ? NEXT_PAGE : PAGE;
  if (hasQuery(view)) {
    const query = { ...savedQuery(view), limit, ...(token ? { token } : {}) };
    return api.search(view.collection, query, uploaded(view.upload)?.file ?? null, signal);
  }
  const params = filterParams(view);
  params.set("limit", String(limit));
  const sortby = serverSort(view);
  if (sortby) params.set("sortby", sortby);
  if (token) params.set("token", token);
  return api.browse(view.collection, params, signal);
}

/**
 * One result of the view's search, with the places where it matches the first example.
 * @param {View} view
 * @param {string} id
 */
export function explained(view, id) {
  const query = { ...savedQuery({ ...view, labels: [], from: "", to: "", bbox: null, within: null }), min_probability: undefined, rerank: true, ids: [id], limit: 1, explain: true };
  return api.search(view.collection, query, uploaded(view.upload)?.file ?? null, new AbortController().signal);
}

/** Show results that were loaded before, instead of loading the view. @param {import("../core/types.js").Results} results */
export function restore(results) {
  running?.abort();
  set({ results, marks: { more: [], less: [] }, selected: [] });
}

/** @param {import("../core/types.js").FeatureCollection} answer */
function nextToken(answer) {
  const next = answer.links?.find((link) => link.rel === "next");
  if (!next) return null;
  return next.body?.token ?? new URL(next.href, document.baseURI).searchParams.get("token");
}

/**
 * Load the first page of results for the current view.
 * @param {{compare?: boolean}} [options] compare: keep the previous ranks, to show changes
 */
export async function run({ compare = false } = {}) {
  running?.abort();
  running = new AbortController();
  const { view } = state;
  const mode = hasQuery(view) ? "search" : "browse";
  const before = compare && mode === "search" ? new Map(state.results.features.map((f) => [f.id, Number(f.properties.rank)])) : null;
  if (!view.collection) {
    set({ results: noResults(), marks: { more: [], less: [] }, selected: [] });
    return;
  }
  set({ results: { ...state.results, mode, busy: true, error: null, more: false }, marks: { more: [], less: [] }, selected: [] });
  try {
    const answer = await fetchPage(view, null, running.signal);
    set({
      results: {
        ...noResults(), mode, features: answer.features, matched: answer.number_matched ?? null,
        total: hasFilter(view) ? state.collections.find((c) => c.id === view.collection)?.item_count ?? null : null,
        token: nextToken(answer), timings: answer.timings_ms ?? null, model: answer.model ?? null,
        version: answer.index_version ?? null, rerank: answer.rerank ?? null, likelyMatches: answer.matches_end_at ?? null,
        before, warnings: answer.warnings ?? [],
      },
    });
    announce(mode === "search" ? `${count(answer.features.length, "result")} shown` : `${count(answer.features.length, "tile")} shown`);
  } catch (error) {
    fail(error, mode);
  }
}

/** Append the next page. */
export async function loadMore() {
  const { results, view } = state;
  if (!results.token || results.busy) return;
  running = new AbortController();
  set({ results: { ...results, busy: true, more: true, error: null, place: null } });
  try {
    const answer = await fetchPage(view, results.token, running.signal);
    set({ results: {
      ...results, busy: false, more: true, error: null, place: null, features: [...results.features, ...answer.features], token: nextToken(answer),
      likelyMatches: results.likelyMatches ?? answer.matches_end_at ?? null,
    } });
    announce(`${count(answer.features.length, "more tile")} shown`);
  } catch (error) {
    if (/** @type {Error} */ (error).name !== "AbortError") set({ results: { ...results, busy: false, more: true, error: /** @type {Error} */ (error), place: null } });
  }
}

/** @param {unknown} error @param {"idle"|"browse"|"search"} mode */
function fail(error, mode) {
  if (/** @type {Error} */ (error).name === "AbortError") return;
  set({ results: { ...noResults(), mode, error: /** @type {Error} */ (error) } });
}
