/** Collections: the picker in the bar, and the dialogs to read about one, change or delete it. */

import * as api from "./api.js";
import { openCreate } from "./create.js";
import { confirmed, openDialog } from "./dialog.js";
import { byId, count, errorBox, group, h, when } from "./dom.js";
import { refreshCollections } from "./loading.js";
import { go } from "./route.js";
import { current, emptyView, on, state } from "./state.js";

/** @typedef {import("./types.js").Collection} Collection */

function drawPicker() {
  const { collections, view } = state;
  const options = collections.map((c) => h("option", { value: c.id, selected: c.id === view.collection }, `${c.title || c.id} (${group(c.item_count)})`));
  if (!collections.length) options.push(h("option", { value: "" }, "none yet"));
  else if (!current()) options.unshift(h("option", { value: "", selected: true }, view.collection ? `${view.collection}?` : "choose…"));
  const select = byId("collection");
  select.replaceChildren(...options);
  select.disabled = !collections.length;
  byId("about").disabled = !current();
  byId("add-images").disabled = !current();
  document.title = current() ? `${current()?.title || current()?.id} · Dyad` : "Dyad";
}

/** @param {Collection} c */
function facts(c) {
  const box = c.extent?.spatial?.bbox?.[0];
  const [from, to] = c.extent?.temporal?.interval?.[0] ?? [];
  const model = state.models.find((m) => m.id === c.model);
  const scaling = Object.entries(c.scaling ?? {}).filter(([k, v]) => k !== "method" && v !== null).map(([k, v]) => `${k} ${v}`).join(", ");
  /** @type {[string, any][]} */
  const rows = [
    ["Id", c.id],
    ["Tiles", group(c.item_count)],
    ["Model", model ? `${model.title || model.id} (${model.bands.join(", ")}; ${model.dimension} dimensions)` : c.model],
    ["Cut", `${c.tile_size} px, every ${c.stride} px`],
    ["Bands", c.bands?.join(", ") || "the first that the model wants"],
    ["Scaling", `${c.scaling?.method ?? "auto"}${c.scaling?.method !== "auto" && scaling ? ` (${scaling})` : ""}`],
    ["Place", box ? `${box.map((v) => Number(v.toFixed(4))).join(", ")} (west, south, east, north)` : "no tile has one"],
    ["Time", from || to ? [...new Set([when(from), when(to)])].join(" to ") : "no tile has one"],
    ["Index", c.index ? `version ${c.index.version}${c.index.built_at ? `, built ${when(c.index.built_at)}` : ""}` : ""],
  ];
  return h("dl", { class: "record" }, rows.filter(([, v]) => v).map(([k, v]) => [h("dt", {}, k), h("dd", {}, v)]));
}

/** @param {Collection} c */
function openAbout(c) {
  const note = h("div", { "aria-live": "polite" });
  const title = h("input", { type: "text", value: c.title, maxlength: 256 });
  const description = h("textarea", { rows: 3, maxlength: 10000, value: c.description });
  const attempt = async (/** @type {() => Promise<void>} */ act) => {
    try {
      await act();
    } catch (error) {
      note.replaceChildren(errorBox(error));
    }
  };
  const save = (/** @type {Event} */ event) => {
    event.preventDefault();
    void attempt(async () => {
      await api.patchCollection(c.id, { title: title.value, description: description.value });
      await refreshCollections();
      note.replaceChildren("Saved.");
    });
  };
  const remove = async () => {
    if (!(await confirmed(`"${c.title || c.id}" with ${count(c.item_count, "tile")}, their images and their index will be deleted.`, "Delete the collection"))) return;
    await attempt(async () => {
      await api.deleteCollection(c.id);
      dialog.close();
      await refreshCollections();
      go({ ...emptyView(), collection: state.collections[0]?.id ?? "" });
    });
  };
  const dialog = openDialog(c.title || c.id, [
    c.description && h("p", {}, c.description),
    facts(c),
    h("form", { class: "stack", onsubmit: save },
      h("label", { class: "field" }, "Title", title), h("label", { class: "field" }, "Description", description), note,
      h("div", { class: "row" }, h("button", {}, "Save"),
        h("a", { class: "button quiet", href: api.itemsUrl(c.id, new URLSearchParams({ limit: "1000" })), target: "_blank" }, "Tiles as GeoJSON"),
        h("span", { class: "spread" }),
        h("button", { type: "button", class: "quiet danger-text", onclick: remove }, "Delete the collection…"))),
  ]);
}

export function setupCollections() {
  byId("collection").addEventListener("change", (/** @type {any} */ event) => {
    if (event.target.value) go({ ...emptyView(), collection: event.target.value });
  });
  byId("about").addEventListener("click", () => { const c = current(); if (c) openAbout(c); });
  byId("new-collection").addEventListener("click", () => openCreate());
  on(["collections", "view"], drawPicker);
}
