/** Status line above the grid (number of tiles, latency, model), order, "Refine search", number of loaded tiles, and error messages. */

import { byId, copyFrom, count, errorBox, group, h, milliseconds } from "../core/dom.js";
import { refreshCollections } from "../core/loading.js";
import { go, NO_FILTERS, NO_QUERY } from "../core/route.js";
import { current, on, set, state } from "../core/state.js";
import { modelTitle } from "../learning/names.js";
import { versionMenu } from "../learning/versions.js";
import { gisUrl, loadMore, run } from "../search/run.js";
import { hasQuery } from "../search/uploaded.js";
import { ORDERS, sortsLoaded } from "./order.js";

/** @type {Record<string, string>} */
const STEPS = { decode: "Decode image", embed: "Compute embedding", search: "Nearest-neighbour search", rerank: "Re-rank (pairwise model)", total: "Total" };

function summary() {
  const { mode, features, matched, total, timings, model, version } = state.results;
  const n = matched ?? features.length;
  const of = total !== null && total !== n ? `${group(n)} of ${count(total, "tile")}` : count(n, "tile");
  if (mode !== "search") return `${of}${total !== null && total !== n ? " match the filters" : ""}`;
  return [`${of} searched`, timings && [" in ", latency(timings)], model && ` · ranked by ${modelTitle(model)}`, version && [", ", versionMenu(version)]];
}

/** Latency of a search; a click shows the time of each step. @param {Record<string, number>} timings */
function latency(timings) {
  const { rerank, version, model } = state.results;
  const most = Math.max(timings.total, 1e-9);
  const rows = Object.entries(timings).map(([step, ms]) => [h("dt", {}, STEPS[step] ?? step), h("dd", {}, milliseconds(ms)),
    h("dd", { class: "share", "aria-hidden": "true" }, step !== "total" && h("i", { style: `inline-size:${Math.min(100, (100 * ms) / most)}%` }))]);
  return h("details", { class: "clock" }, h("summary", {}, milliseconds(timings.total)),
    h("div", { class: "pop" }, h("dl", {}, rows),
      h("p", { class: "muted" }, rerank ? `The ${rerank.depth} most similar tiles were re-ranked${rerank.budget_ms ? `, within a time budget of ${milliseconds(rerank.budget_ms)}` : ""}.`
        : "Not re-ranked: sorted by similarity."),
      model && h("p", { class: "muted" }, `Model ${model}${version ? `, index ${version}` : ""}`)));
}

/** Note that a previous index version is searched. */
function previousIndex() {
  const { version } = state.view;
  return version && h("span", { class: "row" }, h("span", { class: "chip" }, `previous index version ${version}`),
    h("button", { type: "button", class: "quiet", id: "live-index", onclick: () => go({ version: "" }) }, "Use the current index"));
}

/** Search again with the marked tiles as additional examples. */
export function refine() {
  const { marks, view } = state;
  if (!marks.more.length && !marks.less.length) return;
  go({
    items: [...view.items.filter((id) => !marks.less.includes(id)), ...marks.more.filter((id) => !view.items.includes(id))],
    not: [...view.not.filter((id) => !marks.more.includes(id)), ...marks.less.filter((id) => !view.not.includes(id))],
  });
}

/** @param {Event} event */
async function copyGis(event) {
  const url = gisUrl(state.view);
  if (url) await copyFrom(/** @type {HTMLElement} */ (event.currentTarget), url);
}

/** Choice of the order of the tiles. */
function orderMenu() {
  const { view } = state;
  const has = { date: Boolean(current()?.extent?.temporal?.interval?.[0]?.some(Boolean)), place: Boolean(current()?.placed) };
  const offered = Object.entries(ORDERS).filter(([id]) => id === view.sort || !(/date/.test(id) && !has.date) && !(/north|west/.test(id) && !has.place));
  return h("select", { id: "sort", "aria-label": "Order", onchange: (/** @type {any} */ e) => go({ sort: e.target.value }) },
    offered.map(([id, text]) => h("option", { value: id, selected: id === view.sort }, id || hasQuery(view) ? text : "Default order")));
}

function drawStatus() {
  const { results, marks, view } = state;
  const marked = marks.more.length + marks.less.length;
  const url = view.collection && results.mode !== "idle" ? gisUrl(view) : null;
  const parts = [];
  if (results.busy && !results.more) parts.push(h("span", { class: "busy" }, results.mode === "search" ? "Searching…" : "Loading…"));
  else if (results.mode !== "idle" && !results.error) {
    parts.push(h("span", { class: "summary" }, summary()), previousIndex());
  }
  parts.push(h("span", { class: "spread" }));
  if (marked) {
    parts.push(
      h("span", { class: "muted" }, [marks.more.length && `${marks.more.length} more`, marks.less.length && `${marks.less.length} less`].filter(Boolean).join(", ")),
      h("button", { type: "button", class: "primary", id: "refine", onclick: refine }, "Refine search"),
      h("button", { type: "button", class: "quiet", onclick: () => set({ marks: { more: [], less: [] } }) }, "Clear marks"));
  } else if (url && results.features.length) {
    parts.push(h("button", { type: "button", class: "quiet", id: "gis-url", title: `URL to add as a layer in QGIS: ${url}`, onclick: copyGis }, "Copy GIS URL"));
  }
  if (results.mode !== "idle" && results.features.length) parts.push(orderMenu());
  const focused = document.activeElement?.id === "sort";
  byId("status").replaceChildren(...parts.filter(Boolean));
  if (focused) byId("sort")?.focus();
}

/** Number of loaded tiles; more are loaded on scrolling, except while the page itself sorts the loaded ones. */
function drawMore() {
  const { results, view } = state;
  const box = byId("more");
  const n = results.features.length;
  const sorted = sortsLoaded(view) && results.token;
  box.replaceChildren(...(!n || results.mode === "idle" ? [] : [
    results.error ? errorBox(results.error, { retry: loadMore })
      : h("span", { class: "muted" }, results.busy && results.more ? "Loading more…" : sorted ? `Sorted among the ${group(n)} loaded of ${group(results.matched ?? n)}`
        : results.token ? `${group(n)} of ${group(results.matched ?? n)} loaded` : `All ${group(n)} shown`),
    sorted && !results.busy && h("button", { type: "button", id: "load-more", onclick: loadMore }, "Load and sort more"),
  ].filter(Boolean)));
}

const clear = () => go(NO_QUERY);

function drawNotice() {
  const { results, view } = state;
  const box = byId("notice");
  box.replaceChildren();
  // the collection may have been deleted in another window
  if (/** @type {any} */ (results.error)?.status === 404 && current()) refreshCollections().catch(() => {});
  if (results.error && !results.features.length) {
    // a retry does not help after a client error (4xx)
    const refused = /** @type {any} */ (results.error).status >= 400 && /** @type {any} */ (results.error).status < 500;
    box.append(errorBox(results.error, refused ? {} : { retry: run }));
    if (refused && view.version) box.append(h("button", { type: "button", onclick: () => go({ version: "" }) }, "Use the current index"));
    else if (refused && hasQuery(view)) box.append(h("button", { type: "button", onclick: clear }, "Show all tiles"));
  }
  else if (!results.busy && results.warnings.length) box.append(...results.warnings.map((text) => h("p", { class: "muted small" }, `Note: ${text}`)));
  else if (!results.busy && results.mode !== "idle" && !results.features.length && current()?.item_count) {
    const filtered = view.labels.length || view.from || view.to || view.bbox || view.within;
    box.append(h("div", { class: "nothing" },
      h("p", {}, hasQuery(view) && view.least ? `No tile has a match probability of at least ${view.least} %${filtered ? " with these filters" : ""}.`
        : filtered ? "No tile matches these filters." : "The collection has no other tiles."),
      hasQuery(view) && view.least > 0 && h("button", { type: "button", onclick: () => go({ least: 0 }) }, "Remove the minimum probability"),
      filtered && h("button", { type: "button", onclick: () => go(NO_FILTERS) }, "Clear the filters"),
      hasQuery(view) && h("button", { type: "button", onclick: clear }, "Show all tiles")));
  }
}

export function setupStatus() {
  on(["results", "marks", "models"], drawStatus);
  document.addEventListener("click", (event) => {
    const open = document.querySelector(".clock[open]");
    if (open && !open.contains(/** @type {Node} */ (event.target))) open.removeAttribute("open");
  });
  on(["results", "view"], drawMore);
  on(["results", "collections"], drawNotice);
}
