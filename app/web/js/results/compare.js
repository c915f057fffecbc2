/** Two tiles side by side: how similar they are, where they match, and their properties. */

import * as api from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { errorBox, h, when } from "../core/dom.js";
import { emptyView, state } from "../core/state.js";
import { explained } from "../search/run.js";
import { heat } from "./places.js";
import { matchText } from "./scores.js";

/** @typedef {import("../core/types.js").Feature} Feature */

/** @type {[string, (f: Feature) => string][]} */
const ROWS = [["Labels", (f) => (f.properties.labels ?? []).join(", ")], ["Acquired", (f) => when(f.properties.datetime)], ["Source", (f) => f.properties.source ?? ""],
  ["Window", (f) => f.properties.window ?? ""], ["Pixel size", (f) => (f.properties.gsd ? `${Number(f.properties.gsd.toPrecision(4))} m` : "")]];

/** @param {Feature} f */
const name = (f) => f.properties.file_name ?? f.id.slice(0, 8);

/** @param {Feature} f */
function picture(f) {
  return h("figure", { class: "compared" }, h("div", { class: "compared-image" }, h("img", { src: api.thumbnailUrl(state.view.collection, f.id, 512), alt: name(f), width: 512, height: 512 })),
    h("figcaption", {}, f.properties.rank ? h("span", { class: "muted" }, `Rank ${f.properties.rank} · `) : "", name(f)));
}

/** @param {Feature} a @param {Feature} b */
function table(a, b) {
  const rows = ROWS.map(([title, read]) => ({ title, values: [read(a), read(b)] })).filter(({ values }) => values.some(Boolean));
  return h("div", { class: "scroll" }, h("table", { class: "table compare-table" },
    h("thead", {}, h("tr", {}, h("td", {}), [a, b].map((f) => h("th", { scope: "col" }, name(f))))),
    h("tbody", {}, rows.map(({ title, values }) => h("tr", { class: values[0] === values[1] ? "" : "differs" }, h("th", { scope: "row" }, title), values.map((v) => h("td", {}, v || "—")))))));
}

/** Show how well the tiles match, and a switch for the places that match. @param {Feature} a @param {Feature} b @param {HTMLElement} note @param {HTMLElement[]} pictures */
async function match(a, b, note, pictures) {
  const { collection, version } = state.view;
  try {
    const answer = await explained({ ...emptyView(), collection, version, items: [a.id] }, b.id);
    const found = answer.features[0];
    const grids = found?.match;
    const similarity = typeof found?.properties.similarity === "number" ? `cosine similarity ${found.properties.similarity.toFixed(3)}` : "";
    note.replaceChildren(...[
      h("p", {}, h("b", {}, (found && matchText(found.properties)) || "Compared"), similarity && ` · ${similarity}`),
      grids ? h("label", { class: "option" }, h("input", { type: "checkbox", id: "compare-places", checked: true,
        onchange: (/** @type {any} */ e) => pictures.forEach((p) => p.classList.toggle("without-heat", !e.target.checked)) }), h("span", {}, "Show where they match"))
        : h("p", { class: "muted" }, answer.warnings?.at(-1) ?? "The model of this collection has no pairwise model, so the matching places are not shown."),
    ]);
    if (!grids) return;
    const values = [...grids.query, ...grids.candidate].flat();
    [grids.query, grids.candidate].forEach((rows, i) => pictures[i].querySelector(".compared-image")?.append(heat(rows, Math.min(...values), Math.max(...values), name(i ? b : a))));
  } catch (error) {
    note.replaceChildren(errorBox(error));
  }
}

/** @param {string} first @param {string} second identifiers of two tiles */
export async function openCompare(first, second) {
  const c = state.view.collection;
  const find = async (/** @type {string} */ id) => state.results.features.find((f) => f.id === id) ?? /** @type {Promise<Feature>} */ (api.item(c, id));
  try {
    const [a, b] = await Promise.all([find(first), find(second)]);
    const pictures = [picture(a), picture(b)];
    const note = h("div", { class: "row", "aria-live": "polite" }, h("p", { class: "muted" }, "Comparing…"));
    openDialog("Compare two tiles", [h("div", { class: "compare" }, pictures), note, table(a, b)], { class: "wide" });
    await match(a, b, note, pictures);
  } catch (error) {
    openDialog("Compare two tiles", [errorBox(error)], { class: "small" });
  }
}
