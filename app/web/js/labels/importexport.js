/** Labels in bulk: a file of them into the collection, or all of them out. */

import * as api from "../core/api.js";
import { attempt, count, group, h } from "../core/dom.js";
import { refreshLabels } from "../core/loading.js";
import { run } from "../search/run.js";

/** @typedef {import("../core/types.js").Collection} Collection */

/**
 * Rows that changed nothing, with why.
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

/** What an import did. @param {any} done */
function told(done) {
  return [
    h("p", { class: done.updated ? "good" : "" }, `${count(done.updated, "tile")} labelled${done.unchanged ? `, ${group(done.unchanged)} had these labels already` : ""}.`),
    notes("without a tile", done.unmatched_count, done.unmatched), notes("not understood", done.rejected_count, done.rejected),
  ].filter(Boolean);
}

/** The tab. @param {Collection} c */
export function labelFiles(c) {
  const note = h("div", { "aria-live": "polite" });
  const mode = h("select", { id: "label-mode" }, h("option", { value: "add" }, "stay; the file's are added"), h("option", { value: "replace" }, "are replaced by the file's"));
  const input = h("input", { type: "file", class: "sr-only", tabindex: -1, accept: ".csv,.json,.geojson,text/csv,application/geo+json", id: "label-file", "aria-label": "File of labels", onchange: async () => {
    const [file] = input.files;
    input.value = "";
    if (!file) return;
    const done = await attempt(note, () => api.sendLabels(c.id, file, mode.value), choose);
    if (!done) return;
    note.replaceChildren(...told(done));
    await Promise.all([refreshLabels(), run()]);
  } });
  const choose = h("button", { type: "button", class: "primary", onclick: () => input.click() }, "Choose a file…");
  return [
    h("section", { class: "stack" }, h("h3", {}, "Labels from a file"),
      h("p", { class: "muted" }, "A CSV whose columns name the tile (id, file_name or source, or lon and lat) and say what it is (label, or labels separated by semicolons), or GeoJSON whose features have the property label. A polygon labels the tiles whose centre lies in it."),
      h("div", { class: "row" }, h("label", { class: "field grow" }, "Labels that a tile has already", mode), input, choose), note),
    h("section", { class: "stack part" }, h("div", { class: "row" }, h("div", { class: "grow" }, h("h3", {}, "Labels to a file"),
      h("p", { class: "muted" }, "Every tile with its labels, to edit in a spreadsheet and send back.")),
    h("a", { class: "button", href: api.labelsUrl(c.id), download: `${c.id}-labels.csv` }, "Save as CSV"))),
  ];
}
