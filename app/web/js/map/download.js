/** Download of the tiles that are shown, or of all results above a probability, in the formats of the API. */

import * as api from "../core/api.js";
import { errorBox, group, h } from "../core/dom.js";
import { current, state } from "../core/state.js";
import { filterParams, savedQuery } from "../search/run.js";
import { hasQuery, uploaded } from "../search/uploaded.js";

/** @type {[string, string, string][]} value of `f`, name, ending of the file */
const FORMATS = [["gpkg", "GeoPackage", "gpkg"], ["geojsonseq", "GeoJSON (lines)", "geojsonl"], ["csv", "CSV", "csv"], ["fgb", "FlatGeobuf", "fgb"], ["parquet", "GeoParquet", "parquet"]];

/**
 * The file of the tiles in a scope.
 * @param {string} format
 * @param {"shown"|"all"|"above"} scope
 * @param {number} least probability from 0 to 1, for `above`
 * @returns {Promise<Blob>}
 */
async function fetchFile(format, scope, least) {
  const { view, results } = state;
  const ids = scope === "shown" ? results.features.map((f) => f.id) : null;
  if (!hasQuery(view)) {
    const params = ids ? new URLSearchParams({ ids: ids.join(",") }) : filterParams(view);
    params.set("f", format);
    return api.file(api.itemsUrl(view.collection, params));
  }
  const query = { ...savedQuery(view), ...(ids ? { ids } : {}), ...(scope === "above" ? { min_probability: least } : {}) };
  return api.file(api.searchUrl(view.collection, new URLSearchParams({ f: format })), query, uploaded(view.upload)?.file ?? null);
}

/** The form of the panel; null without results. */
export function downloadForm() {
  const { results, view } = state;
  if (!results.features.length) return null;
  const searching = hasQuery(view);
  const canCut = searching && Boolean(results.rerank);
  const format = h("select", { "aria-label": "Format of the file" }, FORMATS.map(([value, name]) => h("option", { value }, name)));
  const scope = h("select", { "aria-label": "Tiles in the file" },
    h("option", { value: "shown" }, `the ${group(results.features.length)} shown`),
    canCut && h("option", { value: "above", selected: true }, "all above"),
    h("option", { value: "all" }, searching ? "all results" : `all ${group(results.matched ?? 0)} tiles`));
  const least = h("input", { type: "number", min: 1, max: 100, value: view.least || 50, "aria-label": "Least match probability in the file, %" });
  const cut = h("span", { class: "row" }, least, "% match");
  const note = h("div", {});
  const button = h("button", {}, "Download");
  const sync = () => { cut.hidden = scope.value !== "above"; };
  scope.addEventListener("change", sync);
  sync();
  return h("form", { class: "download", onsubmit: async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    note.replaceChildren();
    button.disabled = true;
    button.textContent = "Preparing…";
    try {
      const blob = await fetchFile(format.value, scope.value, Number(least.value) / 100);
      const url = URL.createObjectURL(blob);
      h("a", { href: url, download: `${current()?.id ?? "tiles"}-${searching ? "results" : "tiles"}.${FORMATS.find(([f]) => f === format.value)?.[2]}` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } catch (error) {
      note.replaceChildren(errorBox(error));
    }
    button.disabled = false;
    button.textContent = "Download";
  } }, h("h3", {}, "Download"), h("div", { class: "row" }, scope, cut), h("div", { class: "row" }, "as", format, button), note);
}
