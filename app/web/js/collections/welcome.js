/** First steps, shown if the service has no collection, or if the collection has no tiles. */

import * as api from "../core/api.js";
import { byId, count, errorBox, h } from "../core/dom.js";
import { format, go } from "../core/route.js";
import { current, emptyView, on, set, state } from "../core/state.js";
import { fromList } from "../ingest/files.js";
import { openProposal } from "../ingest/proposal.js";
import { openUpload } from "../ingest/upload.js";
import { watch } from "../jobs/tracker.js";
import { jobView } from "../jobs/view.js";
import { openCreate } from "./create.js";

let busy = false;

/** Generate and index the sample scene, then search with one of its tiles. */
async function startSample() {
  const box = byId("sample-progress");
  byId("sample").disabled = true;
  busy = true;
  box.replaceChildren(h("p", { role: "status" }, "Generating the sample scene…"));
  try {
    const job = await api.sample();
    const view = jobView(job);
    box.replaceChildren(view.element);
    const end = await watch(job, view);
    if (end.status !== "successful") throw new api.ApiError(end.message || "The sample scene could not be generated.", 0);
    const { item_ids: ids } = await api.jobResults(job.id);
    busy = false;
    const collection = end.collection ?? job.collection ?? "sample";
    go({ ...emptyView(), collection, items: [ids[Math.floor(ids.length / 2)]] });
    await showTries(collection);
  } catch (error) {
    box.replaceChildren(errorBox(error));
    byId("sample").disabled = false;
  } finally {
    busy = false;
  }
}

/** Show three unlike tiles above the results, to search with. @param {string} collection */
async function showTries(collection) {
  const { features } = await api.suggestions(collection, 3);
  if (state.view.collection !== collection || !features.length) return;
  set({ notification: [h("p", {}, h("b", {}, "Three searches to try"), " Click a tile to find others like it. Then mark results with + and −, and refine."),
    h("div", { class: "tries" }, features.map((f, i) => h("a", { href: format({ ...emptyView(), collection, items: [f.id] }), class: "try" },
      h("img", { src: api.thumbnailUrl(collection, f.id, 128), alt: `Tile ${i + 1}`, width: 72, height: 72 }))))] });
}

/** A file chooser that opens the proposal of a collection. @param {any} props */
const chooser = (props) => h("input", { type: "file", class: "sr-only", tabindex: -1, ...props, onchange: (/** @type {any} */ e) => {
  const files = fromList([...e.target.files]);
  e.target.value = "";
  if (files.length) void openProposal(files);
} });

function empty() {
  const files = chooser({ multiple: true, id: "first-files", "aria-label": "Image files" });
  const folder = chooser({ webkitdirectory: true, id: "first-folder", "aria-label": "Folder of images" });
  return [
    h("h2", {}, "Find similar satellite tiles"),
    h("p", {}, "Add satellite or aerial images: single tiles, or GeoTIFF scenes, which are cut into tiles. Then search with an image. The most similar tiles are shown as pictures and on a map, and are available as GeoJSON."),
    h("div", { class: "upload-zone" }, h("p", {}, h("b", {}, "Drop a scene, a folder, a zip or tiles anywhere on this page"), h("br"), h("span", { class: "muted" }, "A collection is proposed, with a preview, before anything is added")),
      h("div", { class: "row center" }, files, folder,
        h("button", { type: "button", class: "primary", id: "first-choose", onclick: () => files.click() }, "Choose files…"),
        h("button", { type: "button", onclick: () => folder.click() }, "Choose a folder…"))),
    h("div", { class: "row" },
      h("button", { type: "button", id: "sample", onclick: startSample }, "Try it with a sample scene"),
      h("button", { type: "button", class: "quiet", id: "first-collection", onclick: () => openCreate() }, "Create a collection"),
      h("a", { class: "button quiet", href: "docs", target: "_blank" }, "API documentation")),
    h("p", { class: "muted" }, "The sample scene is a generated, georeferenced landscape with fields, forest, water, roads and buildings, with three searches to try. Nothing is downloaded."),
    h("div", { id: "sample-progress" }),
  ];
}

/** @param {import("../core/types.js").Collection} c */
function emptyCollection(c) {
  return [
    h("h2", {}, `${c.title || c.id} is empty`),
    h("p", {}, "Add single tiles (JPEG, PNG, WebP, TIFF), zips or folders of them, or GeoTIFF scenes: use the button, or drop the files on this page."),
    h("div", { class: "row" }, h("button", { type: "button", class: "primary", id: "first-images", onclick: () => openUpload(c.id) }, "Add images…")),
  ];
}

function missing() {
  return [h("h2", {}, `There is no collection “${state.view.collection}”`), h("p", {}, "It may have been deleted, here or by someone else. Other collections:"),
    h("ul", { class: "stack" }, state.collections.slice(0, 12).map((c) => h("li", {}, h("a", { href: format({ ...emptyView(), collection: c.id }) }, c.title || c.id), h("span", { class: "muted" }, ` ${count(c.item_count, "tile")}`)))),
    h("div", { class: "row" }, h("button", { type: "button", onclick: () => openCreate() }, "Create a collection"))];
}

function draw() {
  if (busy || !state.loaded) return;
  const box = byId("welcome");
  const c = current();
  const content = !state.collections.length ? empty() : !c ? (state.view.collection ? missing() : []) : c.item_count ? [] : emptyCollection(c);
  box.hidden = !content.length;
  box.replaceChildren(...content);
  document.body.classList.toggle("is-empty", Boolean(content.length));
}

export function setupWelcome() {
  on(["collections", "view"], draw);
}

