/** Near-duplicates: tiles of the same place that are merged into one result. */

import * as api from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { count, h } from "../core/dom.js";
import { searchHash } from "../core/route.js";
import { state } from "../core/state.js";

/** @param {import("../core/types.js").Feature} f */
export function duplicatesButton(f) {
  const ids = f.near_copies ?? [];
  if (!ids.length) return null;
  return h("button", { type: "button", class: "near-duplicates", tabindex: -1, title: "Tiles of the same place, merged into this result", onclick: () => open(f, ids) },
    `+${count(ids.length, "near-duplicate")}`);
}

/** @param {import("../core/types.js").Feature} f @param {string[]} ids */
function open(f, ids) {
  const dialog = openDialog(`Near-duplicates of ${f.properties.file_name ?? f.id.slice(0, 8)}`, [
    h("ul", { class: "grid" }, [f.id, ...ids].map((id, i) => h("li", { class: "card" },
      h("a", { class: "tile", href: searchHash(id), "aria-label": i ? `Find tiles similar to near-duplicate ${i}` : "Find tiles similar to the result", onclick: () => dialog.close() },
        h("img", { src: api.thumbnailUrl(state.view.collection, id), alt: "", loading: "lazy", width: 256, height: 256 }))))),
  ]);
}
