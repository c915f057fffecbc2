/** Dialog to create a collection: title, identifier, model, tiling, bands and scaling. */

import * as api from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { errorBox, h } from "../core/dom.js";
import { loadModels, refreshCollections } from "../core/loading.js";
import { go } from "../core/route.js";
import { emptyView, state } from "../core/state.js";
import { openUpload } from "../ingest/upload.js";
import { modelSummary } from "../learning/models.js";
import { licenceLines, researchTag } from "../learning/names.js";

/** @typedef {import("../core/types.js").Model} Model */

/** @type {Record<string, {title: string, fields: [string, string, string][]}>} fields: name, label, default */
const SCALING = {
  auto: { title: "Automatic: 8-bit unchanged, otherwise percentiles 2 to 98", fields: [] },
  none: { title: "None: values are 0 to 255", fields: [] },
  range: { title: "Fixed range", fields: [["low", "Low", "0"], ["high", "High", ""]] },
  percentile: { title: "Percentiles of the scene", fields: [["low", "Low %", "2"], ["high", "High %", "98"]] },
  reflectance: { title: "Surface reflectance", fields: [["scale", "Scale", "0.0001"], ["offset", "Offset", "0"], ["high", "Value of white", "0.3"]] },
};

/** Make an identifier from a title. @param {string} text */
export const slug = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").trim().toLowerCase().replace(/[^a-z0-9_-]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64);

/** Parse a comma-separated list of band numbers or names. @param {string} text */
const bandList = (text) => text.split(",").map((b) => b.trim()).filter(Boolean).map((b) => (/^\d+$/.test(b) ? Number(b) : b));

/** @param {Model} m */
function modelOption(m) {
  return h("label", { class: "model" },
    h("input", { type: "radio", name: "model", value: m.id, checked: m.default }),
    h("span", {}, h("span", { class: "row" }, h("b", {}, m.title || m.id), researchTag(m)), h("span", { class: "muted" }, modelSummary(m)),
      m.description && h("span", { class: "muted" }, m.description), licenceLines(m)));
}

export function scalingFields() {
  const fields = h("div", { class: "fields" });
  const select = h("select", { name: "scaling" }, Object.entries(SCALING).map(([value, s]) => h("option", { value }, s.title)));
  const draw = () => fields.replaceChildren(...SCALING[select.value].fields.map(([name, label, value]) => h("label", { class: "field" }, label,
    h("input", { type: "number", step: "any", name: `scaling-${name}`, value, required: true }))));
  select.addEventListener("change", draw);
  return h("div", { class: "stack" }, h("label", { class: "field" }, "Scaling of values", select), fields);
}

/** The settings of a form as in the API. @param {FormData} data */
export function settings(data) {
  const text = (/** @type {string} */ name) => String(data.get(name) ?? "").trim();
  /** @type {any} */
  const out = { id: text("id"), title: text("title") };
  if (text("tile_size")) out.tile_size = Number(text("tile_size"));
  if (text("model")) out.model = text("model");
  if (text("stride")) out.stride = Number(text("stride"));
  if (text("bands")) out.bands = bandList(text("bands"));
  if (text("scaling") !== "auto") {
    out.scaling = { method: text("scaling") };
    for (const [name] of SCALING[text("scaling")].fields) out.scaling[name] = Number(text(`scaling-${name}`));
  }
  return out;
}

/** @param {{then?: (id: string) => void}} [options] called with the identifier of the new collection; opens the upload dialog by default */
export async function openCreate({ then = (id) => { openUpload(id); } } = {}) {
  const note = h("div", {});
  const id = h("input", { type: "text", name: "id", required: true, pattern: "[A-Za-z0-9_\\-]{1,64}", title: "1 to 64 letters, digits, _ or -", autocomplete: "off", spellcheck: "false" });
  const title = h("input", { type: "text", name: "title", maxlength: 256, autocomplete: "off", oninput: () => { if (!id.dataset.own) id.value = slug(title.value); } });
  id.addEventListener("input", () => { id.dataset.own = id.value ? "yes" : ""; });
  const models = h("div", { class: "models" });
  const form = h("form", { class: "stack", id: "create-form", onsubmit: async (/** @type {Event} */ event) => {
    event.preventDefault();
    note.replaceChildren();
    try {
      const made = await api.createCollection(settings(new FormData(form)));
      await refreshCollections();
      dialog.close();
      go({ ...emptyView(), collection: made.id });
      then(made.id);
    } catch (error) {
      note.replaceChildren(errorBox(error));
    }
  } },
  h("div", { class: "fields two" }, h("label", { class: "field" }, "Title", title),
    h("label", { class: "field" }, "Identifier", id)),
  h("fieldset", {}, h("legend", {}, "Model"), models),
  h("details", { class: "advanced" }, h("summary", {}, "Scenes: tiling, bands, scaling"),
    h("div", { class: "stack" },
      h("div", { class: "fields" },
        h("label", { class: "field" }, "Tile size, px", h("input", { type: "number", name: "tile_size", value: 256, min: 16, max: 4096, required: true })),
        h("label", { class: "field" }, "Stride, px", h("input", { type: "number", name: "stride", min: 1, max: 4096, placeholder: "tile size" })),
        h("label", { class: "field" }, "Bands", h("input", { type: "text", name: "bands", placeholder: "for example 4, 3, 2" }))),
      h("p", { class: "muted" }, "If the stride is less than the tile size, tiles overlap. Bands: numbers (from 1) or names, in the order of the model's bands. If empty, the first bands of each file are used, as many as the model needs."),
      scalingFields())),
  note,
  h("div", { class: "row end" }, h("button", { class: "primary", id: "create-submit" }, "Create the collection")));
  const dialog = openDialog("New collection", [form]);
  title.focus();
  try {
    if (!state.models.length) await loadModels();
    models.replaceChildren(...state.models.map(modelOption));
  } catch (error) {
    models.replaceChildren(errorBox(error));
  }
}
