/** First steps, shown if the service has no collection, or if the collection has no tiles. */

import * as api from "../core/api.js";
import { byId, errorBox, h } from "../core/dom.js";
import { go } from "../core/route.js";
import { current, emptyView, on, state } from "../core/state.js";
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
    go({ ...emptyView(), collection: end.collection ?? job.collection ?? "sample", items: [ids[Math.floor(ids.length / 2)]] });
  } catch (error) {
    box.replaceChildren(errorBox(error));
    byId("sample").disabled = false;
  } finally {
    busy = false;
  }
}

function empty() {
  return [
    h("h2", {}, "Find similar satellite tiles"),
    h("p", {}, "Add satellite or aerial images: single tiles, or GeoTIFF scenes, which are cut into tiles. Then search with an image. The most similar tiles are shown as pictures and on a map, and are available as GeoJSON."),
    h("div", { class: "row" },
      h("button", { type: "button", class: "primary", id: "sample", onclick: startSample }, "Try it with a sample scene"),
      h("button", { type: "button", id: "first-collection", onclick: () => openCreate() }, "Create a collection")),
    h("p", { class: "muted" }, "The sample scene is a generated, georeferenced landscape with fields, forest, water, roads and buildings. Nothing is downloaded."),
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
  return [h("h2", {}, `There is no collection “${state.view.collection}”`), h("p", {}, "It may have been deleted. Choose another collection above.")];
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

