/** Dialog to add images: choose or drop files, folders and zip files, then follow the upload and the job, with rejected files. */

import * as api from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { count, errorBox, h, size } from "../core/dom.js";
import { state } from "../core/state.js";
import { watch } from "../jobs/tracker.js";
import { bar, jobView } from "../jobs/view.js";
import { batches, folderOf, fromDrop, fromList } from "./files.js";

/** @typedef {import("./files.js").Picked} Picked */

const MAX_FILES = 500;
const MAX_BYTES = 256e6;
const TYPES = "image/jpeg,image/png,image/webp,image/tiff,.tif,.tiff,.zip";

/** @param {string} path */
const isZip = (path) => /\.zip$/i.test(path);

/**
 * The entries of the chosen metadata file for the files of one batch; each entry is sent with one batch. An entry that matches no
 * file by name (it may be of a member of a zip) is sent with the first batch that has a zip, else with the last one.
 * @param {Picked[][]} all batches
 * @param {Record<string, any>} sidecar
 */
function metadataOf(all, sidecar) {
  const out = all.map(() => /** @type {Record<string, any>} */ ({}));
  const zips = all.findIndex((batch) => batch.some(({ path }) => isZip(path)));
  for (const [name, entry] of Object.entries(sidecar)) {
    const homes = all.map((batch, at) => (batch.some(({ path, file }) => path === name || file.name === name) ? at : -1)).filter((at) => at >= 0);
    for (const at of homes.length ? homes : [zips < 0 ? all.length - 1 : zips]) if (out[at]) out[at][name] = entry;
  }
  return out;
}

/**
 * @param {string} collection
 * @param {Picked[]} [start] files selected before the dialog opens
 * @param {{now?: boolean, folderLabels?: boolean}} [options] now: add these files without another question
 */
export function openUpload(collection, start = [], { now = false, folderLabels = false } = {}) {
  /** @type {Picked[]} */ let picked = [];
  /** @type {Record<string, any>} */ let sidecar = {};
  const abort = new AbortController();
  const title = state.collections.find((c) => c.id === collection)?.title || collection;
  const note = h("div", {});
  const list = h("div", { class: "picked", "aria-live": "polite" });
  const progress = h("div", { class: "stack", id: "upload-progress" });
  const folders = h("input", { type: "checkbox", id: "folder-labels", checked: folderLabels });
  const submit = h("button", { type: "button", class: "primary", id: "upload-submit", disabled: true, onclick: () => send() }, "Add");
  const chooser = (/** @type {any} */ props) => h("input", { type: "file", class: "sr-only", tabindex: -1, ...props, onchange: (/** @type {any} */ e) => {
    const chosen = [...e.target.files];
    e.target.value = ""; // so that choosing the same file again fires an event
    (props.onchange ?? ((/** @type {File[]} */ list) => take(fromList(list))))(chosen);
  } });
  const files = chooser({ multiple: true, accept: TYPES, id: "upload-files", "aria-label": "Image files" });
  const folder = chooser({ webkitdirectory: true, id: "upload-folder", "aria-label": "Folder of images" });
  const json = chooser({ accept: ".json,application/json", id: "upload-metadata", "aria-label": "Metadata file", onchange: (/** @type {File[]} */ list) => readSidecar(list[0]) });

  /** @param {File|undefined} file */
  async function readSidecar(file) {
    if (!file) return;
    try {
      sidecar = JSON.parse(await file.text());
      note.replaceChildren(h("p", { class: "muted" }, `Metadata for ${count(Object.keys(sidecar).length, "file")} from ${file.name}.`));
    } catch (error) {
      note.replaceChildren(errorBox(new Error(`${file.name} is not valid JSON: ${/** @type {Error} */ (error).message}`)));
    }
  }

  /** @param {Picked[]} more */
  function take(more) {
    const seen = new Set(picked.map((p) => p.path));
    picked = [...picked, ...more.filter((p) => !seen.has(p.path))];
    const bytes = picked.reduce((sum, p) => sum + p.file.size, 0);
    const named = new Set(picked.map((p) => folderOf(p.path)).filter(Boolean));
    list.replaceChildren(...(picked.length ? [
      h("p", {}, h("b", {}, `${count(picked.length, "file")}, ${size(bytes)} `), h("button", { type: "button", class: "quiet", onclick: () => { picked = []; take([]); } }, "Clear")),
      h("p", { class: "muted ellipsis" }, picked.slice(0, 6).map((p) => p.path).join(", ") + (picked.length > 6 ? ", …" : "")),
      named.size || picked.some((p) => isZip(p.path)) ? h("label", { class: "option" }, folders,
        h("span", {}, `Use folder names as labels (${[...named].slice(0, 4).join(", ") || "those in the zip"}${named.size > 4 ? ", …" : ""})`)) : "",
    ] : []));
    submit.disabled = !picked.length;
    submit.textContent = picked.length ? `Add ${count(picked.length, "file")}` : "Add";
  }

  async function send() {
    const sending = picked;
    const total = sending.reduce((sum, p) => sum + p.file.size, 0) || 1;
    const all = batches(sending, MAX_FILES, MAX_BYTES);
    const metadata = metadataOf(all, sidecar);
    const jobs = h("div", { class: "stack" });
    const line = h("div", { class: "upload-line" });
    const cancel = h("button", { type: "button", class: "quiet", onclick: () => abort.abort() }, "Stop uploading");
    const show = (/** @type {number} */ sent) => line.replaceChildren(
      h("div", { class: "row" }, h("b", {}, "Uploading"), h("span", { class: "muted" }, `${size(Math.min(sent, total))} of ${size(total)}`), h("span", { class: "spread" }), cancel),
      bar((100 * sent) / total, "Upload"));
    choice.hidden = true;
    note.replaceChildren();
    progress.replaceChildren(line, jobs);
    let done = 0;
    try {
      for (const [at, batch] of all.entries()) {
        show(done);
        const job = await api.upload(collection, batch, metadata[at], {
          onprogress: (sent) => show(done + sent), signal: abort.signal, labelsFromFolders: folders.checked });
        done += batch.reduce((sum, p) => sum + p.file.size, 0);
        const view = jobView(job);
        jobs.append(view.element);
        void watch(job, view);
      }
      line.remove();
    } catch (error) {
      line.remove();
      progress.prepend(/** @type {Error} */ (error).name === "AbortError" ? h("p", { class: "muted" }, "Upload stopped. Files that were already sent are kept.") : errorBox(error));
    }
    picked = [];
    take([]);
    choice.hidden = false;
    zone.classList.add("small");
  }

  const zone = h("div", { class: "upload-zone" },
    h("p", {}, h("b", {}, "Drop images, folders, zip files or GeoTIFF scenes here"), h("br"), h("span", { class: "muted" }, "JPEG, PNG, WebP, TIFF; a GeoTIFF scene is cut into tiles")),
    h("div", { class: "row center" }, files, folder, json,
      h("button", { type: "button", id: "upload-choose", onclick: () => files.click() }, "Choose files…"),
      h("button", { type: "button", onclick: () => folder.click() }, "Choose a folder…"),
      h("button", { type: "button", class: "quiet", onclick: () => json.click(), title: "JSON object with one entry per file name: geometry or bbox, datetime, labels, properties" }, "Metadata…")));
  const choice = h("div", { class: "stack" }, zone, list, note, h("div", { class: "row end" }, submit));
  const dialog = openDialog(`Add images to ${title}`, [progress, choice], { class: "upload" });
  dialog.addEventListener("dragover", (e) => e.preventDefault());
  dialog.addEventListener("drop", async (e) => {
    e.preventDefault();
    e.stopPropagation();
    if (e.dataTransfer) take(await fromDrop(e.dataTransfer));
  });
  take(start);
  if (now) void send();
}
