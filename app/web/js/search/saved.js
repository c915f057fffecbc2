/** Saved searches of the collection: save the current one, open one again, show it as a map layer, copy its addresses. */

import * as api from "../core/api.js";
import { byId, copy, errorBox, h } from "../core/dom.js";
import { go } from "../core/route.js";
import { current, on, set, state } from "../core/state.js";
import { savedQuery } from "./run.js";
import { hasQuery, uploaded } from "./uploaded.js";

let loaded = "";

/** Load the saved searches when the collection changes. */
async function load() {
  const { collection } = state.view;
  if (collection === loaded || !current()) return;
  loaded = collection;
  set({ saved: [], layer: null });
  try {
    const { searches } = await api.savedSearches(collection);
    if (collection === loaded) set({ saved: searches });
  } catch (error) {
    byId("saved-body").replaceChildren(errorBox(error));
  }
}

/** @param {SubmitEvent} event */
async function save(event) {
  event.preventDefault();
  const { view } = state;
  const field = /** @type {HTMLInputElement} */ (byId("saved-title"));
  try {
    const made = await api.saveSearch(view.collection, { ...savedQuery(view), title: field.value.trim() }, uploaded(view.upload)?.file ?? null);
    set({ saved: [...state.saved, made], layer: current()?.placed ? made.id : null });
  } catch (error) {
    byId("saved-body").append(errorBox(error));
  }
}

/** Show the search of `search` again. @param {import("../core/types.js").SavedSearch} search */
function open({ query }) {
  const [from, to] = String(query.datetime ?? "/").split("/").map((end) => (end === ".." ? "" : end.slice(0, 10)));
  go({ items: query.positives ?? [], not: query.negatives ?? [], point: query.point ?? null, upload: 0, bbox: query.bbox ?? null, labels: query.labels ?? [],
    from: from ?? "", to: to ?? "", least: Math.round(100 * (query.min_probability ?? 0)) });
}

/** @param {import("../core/types.js").SavedSearch} search */
async function remove(search) {
  try {
    await api.deleteSearch(search.id);
    set({ saved: state.saved.filter((each) => each.id !== search.id), layer: state.layer === search.id ? null : state.layer });
  } catch (error) {
    byId("saved-body").append(errorBox(error));
  }
}

/** @param {Event} event @param {string} url */
async function copyUrl(event, url) {
  const button = /** @type {HTMLElement} */ (event.currentTarget);
  const text = button.textContent;
  button.textContent = (await copy(url)) ? "Copied" : url;
  setTimeout(() => { button.textContent = text; }, 2500);
}

/** @param {import("../core/types.js").SavedSearch} search */
function entry(search) {
  const title = search.title || search.id;
  const absolute = (/** @type {string} */ path) => decodeURI(new URL(path, document.baseURI).href);
  const items = (/** @type {string} */ format) => `${api.itemsUrl(search.id, new URLSearchParams({ f: format }))}`;
  return h("li", { class: "saved-search" },
    h("span", { class: "saved-name" }, search.has_image ? title : h("button", { type: "button", class: "link", onclick: () => open(search) }, title)),
    current()?.placed && h("label", {}, h("input", { type: "checkbox", checked: state.layer === search.id,
      onchange: (/** @type {any} */ e) => set({ layer: e.target.checked ? search.id : null }) }), " On the map"),
    h("details", {}, h("summary", {}, "Share"),
      h("div", { class: "saved-share" },
        h("button", { type: "button", class: "quiet", onclick: (/** @type {Event} */ e) => copyUrl(e, absolute(items("json"))) }, "Copy OGC address"),
        current()?.placed && h("button", { type: "button", class: "quiet", onclick: (/** @type {Event} */ e) => copyUrl(e, absolute(api.mapTilesUrl(search.id))) }, "Copy XYZ address"),
        [["gpkg", "GeoPackage"], ["csv", "CSV"], ["parquet", "GeoParquet"]].map(([format, name]) => h("a", { href: items(format), download: `${title}.${format}` }, name)),
        h("button", { type: "button", class: "quiet", onclick: () => remove(search) }, "Delete"))));
}

function draw() {
  const { saved, view } = state;
  byId("saved").hidden = !saved.length && !hasQuery(view);
  const form = hasQuery(view) && h("form", { id: "save-search", onsubmit: save },
    h("input", { type: "text", id: "saved-title", maxlength: 256, placeholder: "Name of this search", "aria-label": "Name of this search", required: true }),
    h("button", {}, "Save"));
  byId("saved-body").replaceChildren(...[saved.length > 0 && h("ul", { class: "saved-list" }, saved.map(entry)), form].filter(Boolean));
}

export function setupSaved() {
  on(["view", "collections"], () => { void load(); });
  on(["view", "saved", "layer", "collections"], draw);
}
