/** Proposal above the results to re-index a collection whose bundled model is superseded by a newer one. */

import { byId, h } from "../core/dom.js";
import { current, on, state } from "../core/state.js";
import { modelTitle, researchTag } from "../learning/names.js";
import { openPanel } from "./panel.js";

/** Storage key of a dismissed proposal; the value is the id of the proposed model. @param {string} collection */
const dismissedKey = (collection) => `dyad.upgrade.${collection}`;

function draw() {
  const box = byId("upgrade");
  const c = current();
  const used = c?.index?.model ?? c?.model;
  const newer = state.models.find((m) => m.id === state.models.find((old) => old.id === used)?.superseded_by);
  box.hidden = !c || !c.item_count || !newer || localStorage.getItem(dismissedKey(c.id)) === newer.id;
  box.replaceChildren();
  if (box.hidden || !c || !used || !newer) return;
  const dismiss = () => {
    localStorage.setItem(dismissedKey(c.id), newer.id);
    draw();
  };
  box.append(h("div", { class: "news" },
    h("div", { class: "grow" }, h("p", {}, `This collection uses ${modelTitle(used)} (${used}). ${modelTitle(newer.id)} (${newer.id}) finds better neighbours on imagery it was not trained on. `,
      researchTag(newer))),
    h("button", { type: "button", onclick: () => openPanel("index", newer.id) }, "Re-index…"),
    h("button", { type: "button", class: "quiet", onclick: dismiss }, "Dismiss")));
}

export function setupUpgrade() {
  on(["view", "collections", "models"], draw);
}
