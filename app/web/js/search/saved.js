/** Saved searches of the collection: save the current one, open one again, show it as a map layer, copy its addresses. */

import * as api from "../core/api.js";
import { byId, copyFrom, errorBox, h } from "../core/dom.js";
import { go, NO_QUERY } from "../core/route.js";
import { current, on, set, state } from "../core/state.js";
import { savedQuery } from "./run.js";
import { hasQuery, keep, uploaded } from "./uploaded.js";

let loaded = "";
// made once, so that a redraw takes neither what a person types nor the focus
const list = h("ul", { class: "saved-list" });
const nameInput = /** @type {HTMLInputElement} */ (h("input", { type: "text", id: "saved-title", maxlength: 256, placeholder: "Search name", "aria-label": "Name of this search", required: true }));
const form = /** @type {HTMLFormElement} */ (h("form", { id: "save-search", onsubmit: save }, nameInput, h("button", {}, "Save")));
const notes = h("div");

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
    notes.replaceChildren(errorBox(error));
  }
}

/** @param {SubmitEvent} event */
async function save(event) {
  event.preventDefault();
  const { view } = state;
  try {
    const made = await api.saveSearch(view.collection, { ...savedQuery(view), title: nameInput.value.trim() }, uploaded(view.upload)?.file ?? null);
    form.reset(); // an emptied field would be marked as invalid
    notes.replaceChildren();
    set({ saved: [...state.saved, made], layer: current()?.placed ? made.id : null });
  } catch (error) {
    notes.replaceChildren(errorBox(error));
  }
}

/** Corners of a GeoJSON polygon; a single one for [lon, lat]. @param {any} place */
const corners = (place) => (Array.isArray(place) ? [place] : place.coordinates[0].slice(0, -1));

/** The number of the query image that the service keeps with a search, 0 without one. @param {import("../core/types.js").SavedSearch} search */
async function imageOf({ id, title, has_image }) {
  return has_image ? keep(new File([await api.searchImage(id)], title || "query image")) : 0;
}

/** Show the search of `search` again. @param {import("../core/types.js").SavedSearch} search */
async function open(search) {
  const { query } = search;
  let upload = 0;
  try {
    upload = await imageOf(search);
  } catch (error) {
    notes.replaceChildren(errorBox(error));
    return;
  }
  const [from, to] = String(query.datetime ?? "/").split("/").map((end) => (end === ".." ? "" : end.slice(0, 10)));
  go({ ...NO_QUERY, upload, items: query.positives ?? [], not: query.negatives ?? [], point: query.point ?? null, areas: (query.places ?? []).map(corners),
    notAreas: (query.negative_places ?? []).map(corners), bbox: query.bbox ?? null, within: query.intersects ? corners(query.intersects) : null,
    labels: query.labels ?? [], from: from ?? "", to: to ?? "", least: Math.round(100 * (query.min_probability ?? 0)) });
}

/** @param {import("../core/types.js").SavedSearch} search */
async function remove(search) {
  try {
    await api.deleteSearch(search.id);
    set({ saved: state.saved.filter((each) => each.id !== search.id), layer: state.layer === search.id ? null : state.layer });
  } catch (error) {
    notes.replaceChildren(errorBox(error));
  }
}

/** @param {import("../core/types.js").SavedSearch} search */
function entry(search) {
  const title = search.title || search.id;
  const absolute = (/** @type {string} */ path) => decodeURI(new URL(path, document.baseURI).href);
  const items = (/** @type {string} */ format) => `${api.itemsUrl(search.id, new URLSearchParams({ f: format }))}`;
  return h("li", { class: "saved-search" },
    h("span", { class: "saved-name" }, h("button", { type: "button", class: "link", onclick: () => open(search) }, title)),
    current()?.placed && h("label", {}, h("input", { type: "checkbox", checked: state.layer === search.id,
      onchange: (/** @type {any} */ e) => set({ layer: e.target.checked ? search.id : null }) }), " On the map"),
    h("details", {}, h("summary", {}, "Share"),
      h("div", { class: "saved-share" },
        h("button", { type: "button", class: "quiet", onclick: (/** @type {any} */ e) => copyFrom(e.currentTarget, absolute(items("json"))) }, "Copy OGC address"),
        current()?.placed && h("button", { type: "button", class: "quiet", onclick: (/** @type {any} */ e) => copyFrom(e.currentTarget, absolute(api.mapTilesUrl(search.id))) }, "Copy XYZ address"),
        [["gpkg", "GeoPackage"], ["csv", "CSV"], ["parquet", "GeoParquet"]].map(([format, name]) => h("a", { href: items(format), download: `${title}.${format}` }, name)),
        h("button", { type: "button", class: "quiet", onclick: () => remove(search) }, "Delete"))));
}

function draw() {
  const { saved, view } = state;
  byId("saved").hidden = !saved.length && !hasQuery(view);
  form.hidden = !hasQuery(view);
  list.hidden = !saved.length;
  list.replaceChildren(...saved.map(entry));
}

export function setupSaved() {
  byId("saved-body").replaceChildren(list, form, notes);
  if (matchMedia("(max-width: 860px)").matches) byId("saved").open = false;
  on(["view", "collections"], () => { void load(); });
  on(["view", "saved", "layer", "collections"], draw);
}
