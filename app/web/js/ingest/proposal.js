/** Proposal of a collection for dropped files: name, bands, scaling, tile size, and three tiles as the model sees them, before anything is stored. */

import { scalingFields, settings, slug } from "../collections/create.js";
import * as api from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { count, debounce, errorBox, group, h, size, when } from "../core/dom.js";
import { loadModels, refreshCollections } from "../core/loading.js";
import { go } from "../core/route.js";
import { emptyView, state } from "../core/state.js";
import { folderOf } from "./files.js";
import { openUpload } from "./upload.js";

/** @typedef {import("./files.js").Picked} Picked */

const READABLE = /\.(tiff?|jp2|jpe?g|png|webp|zip)$/i;
const MOST_BYTES = 300e6; // of a file that is sent for a preview

/** A title from the common folder of the files, or from the name of the only one. @param {Picked[]} files */
function titleOf(files) {
  const top = new Set(files.map((f) => (f.path.includes("/") ? f.path.split("/")[0] : "")));
  const [folder] = top;
  const name = top.size === 1 && folder ? folder : files[0].path.split("/").at(-1)?.replace(/\.[^.]*$/, "") ?? "";
  return name.replace(/[_-]+/g, " ").trim();
}

/** An identifier that no collection has. @param {string} title */
function freeId(title) {
  const base = slug(title) || "tiles";
  for (let n = 1; ; n++) {
    const id = n === 1 ? base : `${base.slice(0, 60)}-${n}`;
    if (!state.collections.some((c) => c.id === id)) return id;
  }
}

/** What was found in the file, in one paragraph. @param {any} found @param {string} name */
function facts(found, name) {
  const used = found.bands.filter((/** @type {any} */ b) => b.used).map((/** @type {any} */ b) => b.common_name ?? b.name ?? b.number);
  const scaled = found.ranges ? `values scaled from ${found.ranges.map((/** @type {number[]} */ r) => r.map((v) => group(v)).join("–")).filter((/** @type {string} */ t, /** @type {number} */ i, /** @type {string[]} */ all) => all.indexOf(t) === i).join(", ")}` : "8-bit values unchanged";
  const parts = found.kind === "archive" ? [`Zip with ${count(found.files, "file")}`]
    : [`${found.kind === "scene" ? "Scene" : "Image"}${found.width ? ` of ${group(found.width)} × ${group(found.height)} pixels` : ""}`, found.crs, found.gsd && `${Number(found.gsd.toPrecision(3))} m per pixel`, found.datetime && when(found.datetime).slice(0, 10),
      found.kind === "scene" && `at most ${count(found.tiles, "tile")} of ${found.tile_size} pixels`];
  return [h("p", {}, h("b", {}, name), ": ", parts.filter(Boolean).join(", "), "."),
    found.bands.length > 0 && h("p", { class: "muted" }, `${count(found.bands.length, "band")} (${found.dtype}); the model gets ${used.join(", ")}; ${scaled}.`),
    found.notes.map((/** @type {string} */ note) => h("p", { class: "muted" }, `Note: ${note}.`))];
}

/** @param {any} found */
const pictures = (found) => found.previews.map((/** @type {any} */ each) => h("figure", {}, h("img", { src: each.picture, alt: "Tile as the model sees it" }),
  h("figcaption", {}, each.window ? `@ ${each.window.split(",").slice(0, 2).join(", ")}` : each.file_name.split("/").at(-1))));

/** @param {Picked[]} files */
export async function openProposal(files) {
  const first = files.find((f) => READABLE.test(f.path) && f.file.size <= MOST_BYTES);
  const folders = [...new Set(files.map((f) => folderOf(f.path)).filter(Boolean))];
  const bytes = files.reduce((sum, f) => sum + f.file.size, 0);
  const note = h("div", { "aria-live": "polite" });
  const found = h("div", { class: "stack", "aria-live": "polite" }, h("p", { class: "muted" }, first ? "Reading the first file…" : "No preview: none of the files is an image of at most 300 MB."));
  const shown = h("div", { class: "proposal-previews", hidden: !first });
  const title = h("input", { type: "text", name: "title", value: titleOf(files), maxlength: 256, required: true, oninput: () => { id.value = freeId(title.value); } });
  const id = h("input", { type: "text", name: "id", value: freeId(title.value), required: true, pattern: "[A-Za-z0-9_\\-]{1,64}", spellcheck: "false" });
  const side = h("input", { type: "number", name: "tile_size", min: 16, max: 4096, value: "", placeholder: "256" });
  const bands = h("input", { type: "text", name: "bands", placeholder: "automatic, or 4, 3, 2", spellcheck: "false" });
  const labels = h("input", { type: "checkbox", id: "proposal-labels", checked: folders.length > 1 });
  if (!state.models.length) await loadModels();
  const model = h("select", { name: "model" }, state.models.map((m) => h("option", { value: m.default ? "" : m.id, selected: m.default }, m.title || m.id)));
  const submit = h("button", { class: "primary", id: "proposal-submit" }, `Create and add ${count(files.length, "file")}`);
  let running = new AbortController();

  async function look() {
    if (!first) return;
    running.abort();
    running = new AbortController();
    shown.classList.add("stale");
    try {
      const { id: _, title: __, ...wanted } = settings(new FormData(form));
      const answer = await api.preview(first.file, wanted, running.signal);
      if (!side.value) side.value = answer.tile_size;
      found.replaceChildren(...facts(answer, first.path.split("/").at(-1) ?? "").flat().filter(Boolean));
      shown.replaceChildren(...pictures(answer));
      shown.classList.remove("stale");
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") return;
      found.replaceChildren(errorBox(error));
      shown.replaceChildren();
    }
  }

  const form = h("form", { class: "stack", id: "proposal-form", onsubmit: async (/** @type {Event} */ event) => {
    event.preventDefault();
    submit.disabled = true;
    try {
      const made = await api.createCollection(settings(new FormData(form)));
      await refreshCollections();
      dialog.close();
      go({ ...emptyView(), collection: made.id });
      openUpload(made.id, files, { now: true, folderLabels: labels.checked });
    } catch (error) {
      note.replaceChildren(errorBox(error));
      submit.disabled = false;
    }
  } },
  shown, found,
  h("div", { class: "fields two" }, h("label", { class: "field" }, "Title", title), h("label", { class: "field" }, "Identifier", id)),
  h("div", { class: "fields" }, h("label", { class: "field" }, "Tile size, px", side), h("label", { class: "field" }, "Bands", bands), h("label", { class: "field" }, "Model", model)),
  scalingFields(),
  (folders.length > 0 || files.some((f) => /\.zip$/i.test(f.path))) && h("label", { class: "option" }, labels, h("span", {}, `Use folder names as labels (${folders.slice(0, 4).join(", ") || "those in the zip"}${folders.length > 4 ? ", …" : ""})`)),
  note,
  h("div", { class: "row end" }, h("span", { class: "muted" }, `${count(files.length, "file")}, ${size(bytes)}`), h("span", { class: "spread" }), submit));
  const dialog = openDialog("New collection from these files", [form], { onclose: () => running.abort() });
  form.addEventListener("change", debounce((/** @type {Event} */ event) => { if (!["title", "id", "proposal-labels"].includes(/** @type {any} */ (event.target).name || /** @type {any} */ (event.target).id)) void look(); }, 300));
  title.focus();
  await look();
}
