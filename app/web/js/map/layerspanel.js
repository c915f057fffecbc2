/** The panel *Layers* of the map: what is shown, addresses for other programs, download. */

import { byId, h } from "../core/dom.js";
import { on, set, state } from "../core/state.js";
import { addressFields } from "./addresses.js";
import { downloadForm } from "./download.js";

const panel = () => /** @type {HTMLElement} */ (byId("layers-panel"));

/** @param {boolean} open */
function show(open) {
  panel().hidden = !open;
  byId("layers").setAttribute("aria-expanded", String(open));
  if (open) draw();
}

/** The saved searches: at most one is coloured on the map. */
function similarity() {
  if (!state.saved.length) return h("p", { class: "muted small" }, "Save a search to colour every tile by its similarity.");
  return h("label", { class: "field" }, "Similarity", h("select", { id: "map-similarity", onchange: (/** @type {any} */ e) => set({ layer: e.target.value || null }) },
    h("option", { value: "" }, "none"),
    state.saved.map((search) => h("option", { value: search.id, selected: search.id === state.layer }, search.title || search.id))));
}

function draw() {
  if (panel().hidden) return;
  const open = [...panel().querySelectorAll("#layers-more details")].map((each) => /** @type {HTMLDetailsElement} */ (each).open);
  byId("layers-more").replaceChildren(...[similarity(), ...addressFields(), downloadForm()].filter(Boolean));
  panel().querySelectorAll("#layers-more details").forEach((each, i) => { /** @type {HTMLDetailsElement} */ (each).open = open[i] ?? false; });
}

export function setupLayersPanel() {
  byId("layers").addEventListener("click", () => show(panel().hidden));
  byId("layers-close").addEventListener("click", () => { show(false); byId("layers").focus(); });
  panel().addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    show(false);
    byId("layers").focus();
  });
  on(["collections", "view", "saved", "layer", "results"], draw);
}
