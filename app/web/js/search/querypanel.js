/** Query panel: query image, additional positive and negative examples, and the ways to choose an image (file, drop, paste). */

import * as api from "../core/api.js";
import { byId, h, icon, lonLat } from "../core/dom.js";
import { go, NO_QUERY } from "../core/route.js";
import { current, on, state } from "../core/state.js";
import { hasQuery, keep, uploaded } from "./uploaded.js";

const IMAGES = "image/jpeg,image/png,image/webp,image/tiff,.tif,.tiff";
/** @type {Map<string, string>} file names of tiles, for the captions */
const names = new Map();

/** Search with an image file. @param {File} file */
export function searchImage(file) {
  if (current()) go({ ...NO_QUERY, upload: keep(file) });
}

export function clearQuery() {
  go(NO_QUERY);
}

/** Open the file chooser. */
export function chooseImage() {
  /** @type {HTMLInputElement} */ (byId("image-input"))?.click();
}

/** @param {string} id */
function tileName(id) {
  return names.get(id) ?? `Tile ${id.slice(0, 8)}`;
}

/** @param {string} id @param {() => void} remove @param {string} kind */
function example(id, remove, kind) {
  return h("li", { class: `example ${kind}` },
    h("img", { src: api.thumbnailUrl(state.view.collection, id), alt: tileName(id), width: 48, height: 48 }),
    h("button", { type: "button", "aria-label": `Remove ${tileName(id)}`, title: `Remove ${tileName(id)}`, onclick: remove }, icon("close")));
}

/**
 * @param {string} title
 * @param {string[]} ids
 * @param {"items"|"not"} key
 */
function examples(title, ids, key) {
  if (!ids.length) return null;
  return h("div", { class: "examples" }, h("h3", {}, title), h("ul", {}, ids.map((id) => example(
    id, () => go({ [key]: state.view[key].filter((x) => x !== id) }), key === "not" ? "less" : "more"))));
}

/**
 * Areas and places on the map that are examples, with a button to remove each.
 * @param {string} title
 * @param {"areas"|"notAreas"} key
 */
function areas(title, key) {
  const list = state.view[key];
  if (!list.length) return null;
  return h("div", { class: "examples" }, h("h3", {}, title), h("ul", { class: "areas" }, list.map((area, i) => {
    const [lon, lat] = [0, 1].map((axis) => area.reduce((sum, p) => sum + p[axis], 0) / area.length);
    const name = `${area.length === 1 ? "Place" : "Area"} ${lonLat(lon, lat, 3)}`;
    return h("li", { class: key === "areas" ? "more" : "less" }, h("span", {}, name),
      h("button", { type: "button", class: "quiet", "aria-label": `Remove ${name}`, title: `Remove ${name}`, onclick: () => go({ [key]: list.filter((_, n) => n !== i) }) }, icon("close")));
  })));
}

function chooser() {
  const { view } = state;
  const input = h("input", { type: "file", id: "image-input", accept: IMAGES, class: "sr-only", tabindex: -1, "aria-label": "Image to search with",
    onchange: (/** @type {any} */ e) => e.target.files[0] && searchImage(e.target.files[0]) });
  if (!hasQuery(view)) {
    return h("div", { class: "drop-box" }, input,
      h("button", { type: "button", id: "choose-image", onclick: chooseImage, disabled: !current()?.item_count }, "Choose an image…"),
      h("p", { class: "muted" }, "or drop or paste an image anywhere, or click a tile or a place on the map, or draw an area there"),
      view.upload !== 0 && h("p", { class: "note" }, "The uploaded image of this link is not in this browser. Choose it again."));
  }
  return h("div", { class: "query-acts" }, input,
    h("button", { type: "button", id: "choose-image", class: "quiet", onclick: chooseImage }, "Other image…"),
    h("button", { type: "button", id: "clear-query", class: "quiet", onclick: clearQuery, title: "Esc" }, "Clear query"));
}

function main() {
  const { view } = state;
  const upload = uploaded(view.upload);
  if (upload) {
    const image = h("img", { src: upload.url, alt: `Query: ${upload.file.name}` });
    image.addEventListener("error", () => image.replaceWith(h("div", { class: "no-preview" }, "No preview for this format")));
    return h("figure", { class: "query-image" }, image, h("figcaption", { title: upload.file.name }, upload.file.name));
  }
  if (view.point) {
    return h("div", { class: "query-place" }, h("b", {}, "Place on the map"), h("span", {}, lonLat(view.point[0], view.point[1], 5)),
      h("p", { class: "muted small" }, "The image at this place, cut from its scene, or the tile that covers it."));
  }
  const id = view.areas.length ? null : view.items[0];
  if (!id) return null;
  const figure = h("figure", { class: "query-image" },
    h("img", { src: api.thumbnailUrl(view.collection, id), alt: `Query: ${tileName(id)}`, onerror: () => figure.classList.add("broken") }),
    h("figcaption", { title: id }, tileName(id)));
  return figure;
}

/** Load the file name of a query tile that is not among the results. @param {string} id */
async function lookUp(id) {
  if (names.has(id)) return;
  try {
    const feature = await api.item(state.view.collection, id);
    names.set(id, feature.properties.file_name ?? tileName(id));
    draw();
  } catch {
    // the search itself reports an invalid identifier
  }
}

function draw() {
  const { view } = state;
  const first = uploaded(view.upload) || view.point || view.areas.length ? null : view.items[0];
  const rest = first ? view.items.slice(1) : view.items;
  byId("query-body").replaceChildren(...[
    hasQuery(view) && main(), areas("Areas on the map", "areas"), examples("Also like", rest, "items"), examples("Less like", view.not, "not"), areas("Less like these areas", "notAreas"), chooser(),
  ].filter(Boolean));
  if (first) void lookUp(first);
}

export function setupQuery() {
  on(["results"], () => {
    for (const f of state.results.features) names.set(f.id, f.properties.file_name ?? "");
  });
  on(["view", "collections"], draw);
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files ?? [])].find((f) => f.type.startsWith("image/"));
    if (!file || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    searchImage(file);
  });
}
