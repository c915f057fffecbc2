/** Dialog with the details of one tile: larger image, metadata, links, editable labels. */

import * as api from "../core/api.js";
import { confirmed, openDialog } from "../core/dialog.js";
import { announce, copy, errorBox, h, icon, lonLat, when } from "../core/dom.js";
import { refreshCollections } from "../core/loading.js";
import { go, searchHash } from "../core/route.js";
import { state } from "../core/state.js";
import { classList } from "../labels/proposals.js";
import { labelsOf, relabel, showLabels } from "../labels/store.js";
import { polygons } from "../map/footprints.js";
import { otherDates } from "../dates/otherdates.js";
import { run } from "../search/run.js";
import { placesButton } from "./places.js";
import { matchText } from "./scores.js";

/** @typedef {import("../core/types.js").Feature} Feature */

const RANKING = ["rank", "score", "similarity", "match_probability"];
const SHOWN = new Set([...RANKING, "labels", "file_name", "thumbnail", "start_datetime", "end_datetime"]);
/** @type {Record<string, string>} */
const NAMES = { source: "Source", datetime: "Acquired", gsd: "Pixel size", window: "Window", indexed_at: "Indexed", content_hash: "Content hash",
  crs: "CRS", band_names: "Bands", valid_share: "Valid pixels", platform: "Platform" };
const FIRST = ["datetime", "source", "window", "gsd", "crs"];

/** @param {string} key @param {any} value */
function valueText(key, value) {
  if (key === "gsd") return `${Number(value.toPrecision(4))} m`;
  if (key === "datetime" || key === "indexed_at") return when(value);
  if (key === "valid_share") return `${Math.round(value * 100)} %`;
  if (Array.isArray(value) && value.every((v) => typeof v !== "object")) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** @param {Feature} f */
function record(f) {
  const p = f.properties;
  const rows = [["Identifier", f.id]];
  if (p.rank) rows.push(["Rank", [`${p.rank}`, matchText(p), `score ${p.score?.toFixed(4)}`, p.similarity !== undefined && `similarity ${p.similarity.toFixed(4)}`].filter(Boolean).join(", ")]);
  const points = polygons(f.geometry).flat(2);
  if (points.length) {
    const middle = (/** @type {number[]} */ v) => (Math.min(...v) + Math.max(...v)) / 2;
    rows.push(["Centre", lonLat(middle(points.map((q) => q[1])), middle(points.map((q) => q[0])), 5)]);
  } else rows.push(["Location", "not georeferenced"]);
  const order = (/** @type {string} */ key) => (FIRST.indexOf(key) + 1 || FIRST.length + 1);
  for (const [key, value] of Object.entries(p).sort(([a], [b]) => order(a) - order(b))) {
    if (SHOWN.has(key) || value === null || value === undefined || value === "") continue;
    rows.push([NAMES[key] ?? key, valueText(key, value)]);
  }
  return h("dl", { class: "record" }, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/**
 * Labels as chips with a remove button, and a field to add one. Each change is saved immediately.
 * @param {Feature} f
 */
function labelEditor(f) {
  const box = h("div", { class: "label-editor" });
  const save = async (/** @type {{add?: string[], remove?: string[]}} */ { add = [], remove = [] }) => {
    const before = f.properties.labels ?? [];
    f.properties.labels = [...before.filter((/** @type {string} */ x) => !remove.includes(x)), ...add];
    draw();
    box.querySelector("input")?.focus();
    const error = await relabel([{ id: f.id, add, remove, known: before }]);
    const now = error ? before : labelsOf(f.id, f.properties.labels);
    const isOther = now.join() !== f.properties.labels.join();
    f.properties.labels = now;
    if (isOther) draw(); // else a text that is being typed would be lost
    if (error) box.append(errorBox(error));
    else announce("Labels saved");
  };
  const draw = () => {
    const labels = /** @type {string[]} */ (f.properties.labels ?? []);
    const input = h("input", { type: "text", placeholder: "Add a label", "aria-label": "Add a label", list: "known-labels", maxlength: 128 });
    box.replaceChildren(
      h("ul", { class: "chips" }, labels.map((label) => h("li", { class: "chip" }, label,
        h("button", { type: "button", "aria-label": `Remove label ${label}`, onclick: () => save({ remove: [label] }) }, icon("close"))))),
      h("form", { onsubmit: (/** @type {Event} */ e) => {
        e.preventDefault();
        const value = input.value.trim();
        if (value && !labels.includes(value)) void save({ add: [value] });
        else input.value = "";
      } }, input, h("button", {}, "Add"),
      h("datalist", { id: "known-labels" }, state.labels.map((l) => h("option", { value: l.value })))));
  };
  draw();
  return box;
}

/** @param {Feature} f @param {HTMLDialogElement} dialog */
async function remove(f, dialog) {
  if (!(await confirmed(`This deletes ${f.properties.file_name ?? "the tile"} from the collection. It cannot be undone.`, "Delete the tile"))) return;
  try {
    await api.deleteItem(state.view.collection, f.id);
    dialog.close();
    await refreshCollections();
    if (state.view.items.includes(f.id) || state.view.not.includes(f.id)) {
      go({ items: state.view.items.filter((x) => x !== f.id), not: state.view.not.filter((x) => x !== f.id) });
    } else await run();
  } catch (error) {
    dialog.querySelector(".dialog-body")?.append(errorBox(error));
  }
}

/** @param {string} id */
export async function openDetails(id) {
  const c = state.view.collection;
  const known = state.results.features.find((x) => x.id === id);
  /** @type {Feature} */ let f;
  try {
    const fresh = /** @type {Feature} */ (await api.item(c, id));
    showLabels(id, fresh.properties.labels ?? []);
    f = { ...fresh, properties: { ...fresh.properties, ...Object.fromEntries(Object.entries(known?.properties ?? {}).filter(([k]) => RANKING.includes(k))) } };
  } catch (error) {
    openDialog("Details", [errorBox(error)], { class: "small" });
    return;
  }
  const copyId = h("button", { type: "button", class: "quiet", onclick: async () => { copyId.textContent = (await copy(id)) ? "Copied" : id; } }, "Copy identifier");
  const dialog = openDialog(f.properties.file_name ?? id, [
    h("div", { class: "details" },
      h("div", {},
        h("img", { class: "details-image", src: api.thumbnailUrl(c, id, 512), alt: f.properties.file_name ?? "Tile", width: 512, height: 512 }),
        h("div", { class: "row" },
          h("a", { class: "button primary", href: searchHash(id), onclick: () => dialog.close() }, "Find similar tiles"),
          h("a", { class: "button quiet", href: api.imageUrl(c, id), target: "_blank" }, "Original file"),
          h("a", { class: "button quiet", href: api.itemUrl(c, id), target: "_blank" }, "GeoJSON"),
          copyId,
          h("button", { type: "button", class: "quiet danger-text", onclick: () => remove(f, dialog) }, "Delete…")),
        placesButton(f)),
      h("div", {}, h("h3", {}, "Labels"), labelEditor(f), state.labels.length > 0 && [h("h3", {}, "Probable classes"), classList(c, id)],
        otherDates(f, (other) => { dialog.close(); void openDetails(other); }), h("h3", {}, "Metadata"), record(f))),
  ], { class: "wide" });
}
