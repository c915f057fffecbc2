/** The line above the grid (how many, how fast), the marks waiting to refine, "load more", and what went wrong. */

import { byId, copy, count, errorBox, group, h, milliseconds } from "../core/dom.js";
import { go } from "../core/route.js";
import { current, on, set, state } from "../core/state.js";
import { modelTitle } from "../learning/names.js";
import { gisUrl, loadMore, run } from "../search/run.js";
import { hasQuery } from "../search/uploaded.js";

/** @type {Record<string, string>} */
const STEPS = { decode: "Decode the image", embed: "Embed it", search: "Nearest neighbours", rerank: "Look at pairs again", total: "In all" };

function summary() {
  const { mode, features, matched, total, timings, model, version } = state.results;
  const n = matched ?? features.length;
  const of = total !== null && total !== n ? `${group(n)} of ${count(total, "tile")}` : count(n, "tile");
  if (mode !== "search") return `${of}${total !== null && total !== n ? " match the filters" : ""}`;
  return [`${of} searched`, timings && [" in ", clock(timings)], model && ` · ranked by ${modelTitle(model)}`, version && `, version ${version}`];
}

/** The time of a search, which opens to where it went. @param {Record<string, number>} timings */
function clock(timings) {
  const { rerank, version, model } = state.results;
  const most = Math.max(timings.total, 1e-9);
  const rows = Object.entries(timings).map(([step, ms]) => [h("dt", {}, STEPS[step] ?? step), h("dd", {}, milliseconds(ms)),
    h("dd", { class: "share", "aria-hidden": "true" }, step !== "total" && h("i", { style: `inline-size:${Math.min(100, (100 * ms) / most)}%` }))]);
  return h("details", { class: "clock" }, h("summary", {}, milliseconds(timings.total)),
    h("div", { class: "pop" }, h("dl", {}, rows),
      h("p", { class: "muted" }, rerank ? `The first ${rerank.depth} were looked at again${rerank.budget_ms ? `, as many as fit in ${milliseconds(rerank.budget_ms)}` : ""}.`
        : "Not re-ranked: in the order of similarity."),
      model && h("p", { class: "muted" }, `Model ${model}${version ? `, index ${version}` : ""}`)));
}

/** The line that an older index was asked. */
function older() {
  const { version } = state.view;
  return version && h("span", { class: "row" }, h("span", { class: "chip" }, `kept index ${version}`),
    h("button", { type: "button", class: "quiet", id: "live-index", onclick: () => go({ version: "" }) }, "Back to the live one"));
}

/** Search again with the marked tiles as further examples. */
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
  const button = /** @type {HTMLElement} */ (event.currentTarget);
  const url = gisUrl(state.view);
  if (!url) return;
  button.textContent = (await copy(url)) ? "Copied" : url;
  setTimeout(() => { button.textContent = "Copy GIS URL"; }, 2500);
}

function drawStatus() {
  const { results, marks, view } = state;
  const marked = marks.more.length + marks.less.length;
  const url = view.collection && results.mode !== "idle" ? gisUrl(view) : null;
  const parts = [];
  if (results.busy && !results.more) parts.push(h("span", { class: "busy" }, results.mode === "search" ? "Searching…" : "Loading…"));
  else if (results.mode !== "idle" && !results.error) {
    parts.push(h("span", { class: "summary" }, summary()), older());
  }
  parts.push(h("span", { class: "spread" }));
  if (marked) {
    parts.push(
      h("span", { class: "muted" }, [marks.more.length && `${marks.more.length} more`, marks.less.length && `${marks.less.length} less`].filter(Boolean).join(", ")),
      h("button", { type: "button", class: "primary", id: "refine", onclick: refine }, "Refine search"),
      h("button", { type: "button", class: "quiet", onclick: () => set({ marks: { more: [], less: [] } }) }, "Unmark"));
  } else if (url && results.features.length) {
    parts.push(h("button", { type: "button", class: "quiet", id: "gis-url", title: `Opens in QGIS as a layer: ${url}`, onclick: copyGis }, "Copy GIS URL"));
  }
  byId("status").replaceChildren(...parts.filter(Boolean));
}

function drawMore() {
  const { results } = state;
  const box = byId("more");
  box.replaceChildren();
  if (!results.features.length || results.mode === "idle") return;
  const total = results.matched ?? results.features.length;
  box.append(h("span", { class: "muted" }, `${group(results.features.length)} of ${group(total)} shown`));
  if (results.token) {
    box.append(h("button", { type: "button", id: "load-more", "aria-busy": results.busy, onclick: loadMore }, results.busy ? "Loading…" : "Load more"));
  }
}

const clear = () => go({ items: [], not: [], upload: 0 });

function drawNotice() {
  const { results, view } = state;
  const box = byId("notice");
  box.replaceChildren();
  if (results.error) {
    // what the service refused it will refuse again; what did not come through may
    const refused = /** @type {any} */ (results.error).status >= 400 && /** @type {any} */ (results.error).status < 500;
    box.append(errorBox(results.error, refused ? {} : { retry: run }));
    if (refused && view.version) box.append(h("button", { type: "button", onclick: () => go({ version: "" }) }, "Ask the live index"));
    else if (refused && (view.items.length || view.upload)) box.append(h("button", { type: "button", onclick: clear }, "Show all tiles"));
  }
  else if (!results.busy && results.mode !== "idle" && !results.features.length && current()?.item_count) {
    const filtered = view.labels.length || view.from || view.to || view.bbox;
    box.append(h("div", { class: "nothing" },
      h("p", {}, hasQuery(view) && view.least ? `No tile is a match with at least ${view.least} %${filtered ? " under these filters" : ""}.`
        : filtered ? "No tile matches these filters." : "Nothing else is in this collection."),
      hasQuery(view) && view.least > 0 && h("button", { type: "button", onclick: () => go({ least: 0 }) }, "Show any probability"),
      filtered && h("button", { type: "button", onclick: () => go({ labels: [], from: "", to: "", bbox: null }) }, "Clear the filters"),
      hasQuery(view) && h("button", { type: "button", onclick: clear }, "Show all tiles")));
  }
}

export function setupStatus() {
  on(["results", "marks", "models"], drawStatus);
  document.addEventListener("click", (event) => {
    const open = document.querySelector(".clock[open]");
    if (open && !open.contains(/** @type {Node} */ (event.target))) open.removeAttribute("open");
  });
  on(["results"], drawMore);
  on(["results", "collections"], drawNotice);
}
