/** Collection picker in the bar, and the buttons for the selected collection. */

import { byId, group, h } from "../core/dom.js";
import { go } from "../core/route.js";
import { current, emptyView, on, state } from "../core/state.js";
import { openCreate } from "./create.js";
import { openPanel } from "./panel.js";

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
  byId("train").disabled = !current()?.item_count;
  document.title = current() ? `${current()?.title || current()?.id} · Dyad` : "Dyad";
}

export function setupCollections() {
  byId("collection").addEventListener("change", (/** @type {any} */ event) => {
    if (event.target.value) go({ ...emptyView(), collection: event.target.value });
  });
  byId("about").addEventListener("click", () => openPanel());
  byId("train").addEventListener("click", () => openPanel("train"));
  byId("new-collection").addEventListener("click", () => openCreate());
  on(["collections", "view"], drawPicker);
}
