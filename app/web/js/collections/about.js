/** Tab "About" of a collection: its properties, a form to change title, description and re-ranking, and deletion. */

import * as api from "../core/api.js";
import { confirmed } from "../core/dialog.js";
import { attempt, count, group, h, when } from "../core/dom.js";
import { refreshCollections } from "../core/loading.js";
import { go } from "../core/route.js";
import { emptyView, state } from "../core/state.js";
import { researchTag } from "../learning/names.js";

/** @typedef {import("../core/types.js").Collection} Collection */

/** @param {Collection} c */
function facts(c) {
  const box = c.placed ? c.extent?.spatial?.bbox?.[0] : undefined;
  const [from, to] = c.extent?.temporal?.interval?.[0] ?? [];
  const model = state.models.find((m) => m.id === c.model);
  const scaling = Object.entries(c.scaling ?? {}).filter(([k, v]) => k !== "method" && v !== null).map(([k, v]) => `${k} ${v}`).join(", ");
  /** @type {[string, any][]} */
  const rows = [
    ["Identifier", c.id],
    ["Tiles", group(c.item_count)],
    ["Model", model ? `${model.title || model.id} (${model.bands.join(", ")}; ${model.dimension} dimensions)` : c.model],
    ["Licence of the model", model && [researchTag(model), " ", model.licence]],
    ["Tiling", `${c.tile_size} px tiles, stride ${c.stride} px`],
    ["Bands", c.bands?.join(", ") || "the first of each file, as many as the model needs"],
    ["Scaling", `${c.scaling?.method ?? "auto"}${c.scaling?.method !== "auto" && scaling ? ` (${scaling})` : ""}`],
    ["Bounding box (WGS 84)", box ? `${box.map((v) => Number(v.toFixed(4))).join(", ")} (west, south, east, north)` : "no tile is georeferenced"],
    ["Acquired", from || to ? [...new Set([when(from), when(to)])].join(" to ") : "no tile has a date"],
    ["Index", c.index ? `version ${c.index.version}${c.index.built_at ? `, built ${when(c.index.built_at)}` : ""}` : ""],
  ];
  return h("dl", { class: "record" }, rows.filter(([, v]) => v).map(([k, v]) => [h("dt", {}, k), h("dd", {}, v)]));
}

/**
 * @param {Collection} c
 * @param {() => void} close closes the surrounding dialog
 */
export function about(c, close) {
  const note = h("div", { "aria-live": "polite" });
  const title = h("input", { type: "text", value: c.title, maxlength: 256 });
  const description = h("textarea", { rows: 3, maxlength: 10000, value: c.description });
  const rerank = h("select", {}, [["", "if the model includes a pairwise model"], ["on", "always"], ["off", "only when a search requests it"]].map(([value, text]) => h("option", { value,
    selected: value === (c.rerank === true ? "on" : c.rerank === false ? "off" : "") }, text)));
  const follows = h("input", { type: "checkbox", checked: Boolean(c.follows_active) });
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    void attempt(note, async () => {
      await api.patchCollection(c.id, { title: title.value, description: description.value, follows_active: follows.checked,
        rerank: rerank.value ? rerank.value === "on" : null });
      await refreshCollections();
      note.replaceChildren("Saved.");
    });
  };
  const remove = async () => {
    if (!(await confirmed(`This deletes the collection "${c.title || c.id}": ${count(c.item_count, "tile")}, their images and all index versions. It cannot be undone.`, "Delete the collection"))) return;
    await attempt(note, async () => {
      await api.deleteCollection(c.id);
      close();
      await refreshCollections();
      go({ ...emptyView(), collection: state.collections[0]?.id ?? "" });
    });
  };
  return [
    c.description && h("p", {}, c.description),
    facts(c),
    h("form", { class: "stack", onsubmit: save },
      h("label", { class: "field" }, "Title", title), h("label", { class: "field" }, "Description", description),
      h("div", { class: "fields two" }, h("label", { class: "field" }, "Re-rank results", rerank),
        h("label", { class: "option" }, follows, h("span", {}, "Re-index with the active model when the schedule runs"))), note,
      h("div", { class: "row" }, h("button", {}, "Save"),
        h("a", { class: "button quiet", href: api.itemsUrl(c.id, new URLSearchParams({ limit: "1000" })), target: "_blank" }, "Tiles as GeoJSON"),
        h("span", { class: "spread" }),
        h("button", { type: "button", class: "quiet danger-text", onclick: remove }, "Delete the collection…"))),
  ];
}
