/** Tab "Labels" of a collection: import labels from a file, export all labels to a file. */

import * as api from "../core/api.js";
import { attempt, count, group, h } from "../core/dom.js";
import { refreshLabels } from "../core/loading.js";
import { run } from "../search/run.js";
import { allSaved, unsaved } from "./store.js";

/** @typedef {import("../core/types.js").Collection} Collection */

/**
 * List of rows that were not applied, with reasons.
 * @param {string} title
 * @param {number} n
 * @param {{line: number, target: string, reason: string}[]} rows
 */
function notes(title, n, rows) {
  if (!n) return null;
  return h("details", { class: "rejected", open: n <= 20 }, h("summary", {}, `${count(n, "row")} ${title}`),
    h("ul", {}, rows.map((r) => h("li", {}, h("b", {}, `line ${r.line}${r.target ? `, ${r.target}` : ""}`), h("span", {}, r.reason)))),
    n > rows.length && h("p", { class: "muted" }, `and ${group(n - rows.length)} more`));
}

/** Report of an import. @param {any} done */
function report(done) {
  return [
    h("p", { class: done.updated ? "good" : "" }, `${count(done.updated, "tile")} labelled${done.unchanged ? `, ${group(done.unchanged)} already had these labels` : ""}.`),
    notes("without a matching tile", done.unmatched_count, done.unmatched), notes("rejected", done.rejected_count, done.rejected),
  ].filter(Boolean);
}

/** The tab. @param {Collection} c */
export function labelFiles(c) {
  const note = h("div", { "aria-live": "polite" });
  const mode = h("select", { id: "label-mode" }, h("option", { value: "add" }, "keep, and add the labels in the file"), h("option", { value: "replace" }, "replace by the labels in the file"));
  const input = h("input", { type: "file", class: "sr-only", tabindex: -1, accept: ".csv,.json,.geojson,text/csv,application/geo+json", id: "label-file", "aria-label": "Label file", onchange: async () => {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    const done = await attempt(note, () => api.sendLabels(c.id, file, mode.value), choose);
    if (!done) return;
    note.replaceChildren(...report(done));
    await Promise.all([refreshLabels(), run()]);
  } });
  const choose = h("button", { type: "button", class: "primary", onclick: () => input.click() }, "Choose a file…");
  const file = h("a", { class: "button", href: api.labelsUrl(c.id), download: `${c.id}-labels.csv`, onclick: async (/** @type {Event} */ event) => {
    if (!unsaved()) return;
    event.preventDefault();
    await allSaved();
    file.click();
  } }, "Export as CSV");
  return [
    h("section", { class: "stack" }, h("h3", {}, "Import labels"),
      h("p", { class: "muted" }, "CSV with columns that identify the tile (id, file_name or source, or lon and lat) and its labels (label, or labels separated by semicolons); or GeoJSON features with the property label. A polygon labels the tiles whose centre is inside it."),
      h("div", { class: "row" }, h("label", { class: "field grow" }, "Existing labels of a tile", mode), input, choose), note),
    h("section", { class: "stack part" }, h("div", { class: "row" }, h("div", { class: "grow" }, h("h3", {}, "Export labels"),
      h("p", { class: "muted" }, "All tiles with their labels, as a file that you can edit in a spreadsheet and import again.")),
    file)),
  ];
}
