/** Addresses of the layers for other programs: of the collection, and of the saved search that is on the map. */

import * as api from "../core/api.js";
import { copy, errorBox, h, when } from "../core/dom.js";
import { current, state } from "../core/state.js";

const DAYS = [1, 7, 30, 365];
/** @type {Record<string, string>} */
const NAMES = { items: "OGC API Features", tilejson: "TileJSON", wmts: "WMTS" };

/** @param {string} path */
const absolute = (path) => new URL(path, document.baseURI).href.replace(/%7B(\w)%7D/g, "{$1}");

/** Layers with an address: the imagery and footprints of the collection, and the search that is on the map. */
export function layers() {
  const c = current();
  const search = state.saved.find((each) => each.id === state.layer);
  return [c && { id: c.id, title: `Collection ${c.title || c.id}`, isSearch: false }, search && { id: search.id, title: `Search ${search.title || search.id}`, isSearch: true }].filter(Boolean);
}

/** The addresses of a layer. @param {{id: string, isSearch: boolean}} layer @returns {[string, string][]} */
export function addresses({ id, isSearch }) {
  const at = absolute(`collections/${encodeURIComponent(id)}`), tiles = `${at}/tiles/WebMercatorQuad`;
  const what = isSearch ? "similarity" : "imagery";
  return [
    [`XYZ, ${what}`, `${tiles}/{z}/{x}/{y}.png`],
    [`Vector tiles, ${isSearch ? "similarity" : "footprints"}`, `${tiles}/{z}/{x}/{y}.mvt`],
    [`WMTS, ${what}`, `${at}/wmts`],
    ["TileJSON", `${tiles}/tilejson.json`],
    ["OGC API Features", `${at}/items`],
    ["OGC API, whole service", absolute("./")],
  ];
}

/** @param {[string, string][]} list */
function rows(list) {
  return h("ul", { class: "addresses" }, list.map(([name, url]) => h("li", {},
    h("span", { title: url }, name),
    h("button", { type: "button", class: "quiet", "aria-label": `Copy address: ${name}`, onclick: async (/** @type {Event} */ event) => {
      const button = /** @type {HTMLElement} */ (event.currentTarget);
      const done = await copy(url);
      button.textContent = done ? "Copied" : "Select and copy:";
      if (!done) button.after(h("input", { type: "text", readonly: true, value: url, "aria-label": `Address: ${name}` }));
      setTimeout(() => { button.textContent = "Copy"; }, 2500);
    } }, "Copy"))));
}

/** Form that creates a link without a key, and its addresses. @param {{id: string}} layer */
function signed({ id }) {
  const result = h("div", { class: "stack" });
  const days = h("select", { "aria-label": "Days until the link expires" }, DAYS.map((n) => h("option", { value: n, selected: n === 7 }, n === 1 ? "1 day" : `${n} days`)));
  return h("div", { class: "signed" },
    h("form", { class: "row", onsubmit: async (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      try {
        const link = await api.request(`collections/${encodeURIComponent(id)}/links`, { json: { expires_in: 86_400 * Number(days.value) } });
        result.replaceChildren(h("p", { class: "muted small" }, `Anyone with these addresses can read this layer until ${when(link.expires)}.`),
          rows(link.links.map((/** @type {any} */ l) => [l.title ?? NAMES[l.rel] ?? l.rel, l.href])));
      } catch (error) {
        result.replaceChildren(errorBox(error));
      }
    } }, h("span", {}, "Link without a key for"), days, h("button", {}, "Create")), result);
}

/** Elements of the panel. */
export const addressFields = () => layers().map((/** @type {any} */ layer) => h("details", { class: "fold" },
  h("summary", {}, h("b", {}, "Addresses"), " ", h("span", { class: "muted" }, layer.title)), rows(addresses(layer)), signed(layer)));
