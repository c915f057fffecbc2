/** Labels in bulk: a file of them into the collection, or all of them out. */

import * as api from "./api.js";
import { attempt, count, group, h } from "./dom.js";
import { refreshLabels } from "./loading.js";
import { run } from "./search.js";

/** @typedef {import("./types.js").Collection} Collection */

/** What an import did. @param {any} done */
function told(done) {
  const unmatched = done.unmatched ?? [];
  return [h("p", { class: "good" }, `${count(done.updated ?? done.tiles ?? 0, "tile")} labelled.`), unmatched.length > 0 && h("p", {}, `${group(unmatched.length)} without a tile.`)].filter(Boolean);
}

/** The tab. @param {Collection} c */
export function labelFiles(c) {
  const note = h("div", { "aria-live": "polite" });
  const mode = h("select", { id: "label-mode" }, h("option", { value: "add" }, "Add to the labels that a tile has"), h("option", { value: "replace" }, "Replace the labels of the tiles named"));
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
    h("section", { class: "stack" }, h("h3", {}, "Import"),
      h("p", { class: "muted" }, "CSV with columns for the tile (its id, or lon and lat of a place in it) and for the label, or GeoJSON whose features carry labels."),
      h("div", { class: "row" }, h("label", { class: "field grow" }, "What happens to labels that are there", mode), input, choose), note),
  ];
}
