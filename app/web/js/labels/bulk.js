/** Dialog to add a label to many tiles, or to remove one from them. */

import { openDialog } from "../core/dialog.js";
import { announce, count, errorBox, group, h } from "../core/dom.js";
import { labelsOf, relabel, undo } from "./store.js";
import { labelField } from "./typeahead.js";

/** The labels of tiles, the most frequent first. @param {string[]} ids @returns {[string, number][]} */
function tally(ids) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const id of ids) for (const label of labelsOf(id)) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
}

/** @param {string[]} ids */
export function openBulk(ids) {
  const note = h("div", { "aria-live": "polite" });
  const present = h("ul", { class: "bulk-labels" });

  /** @param {string} label @param {boolean} add */
  async function apply(label, add) {
    const changed = ids.filter((id) => labelsOf(id).includes(label) !== add);
    const saved = relabel(changed.map((id) => ({ id, add: add ? [label] : [], remove: add ? [] : [label] })));
    const text = `${label} ${add ? "added to" : "removed from"} ${count(changed.length, "tile")}`;
    note.replaceChildren(h("p", { class: "row" }, `${text}.`, changed.length > 0 && h("button", { type: "button", class: "quiet", onclick: () => { undo(); note.replaceChildren(); draw(); } }, "Undo")));
    announce(text);
    draw();
    const error = await saved;
    if (error) note.replaceChildren(errorBox(error));
    draw();
  }

  function draw() {
    const rows = tally(ids);
    present.replaceChildren(...(rows.length ? rows.map(([label, n]) => h("li", { class: "row" },
      h("b", { class: "ellipsis" }, label), h("span", { class: "muted" }, n === ids.length ? "all" : `${group(n)} of ${group(ids.length)}`), h("span", { class: "spread" }),
      n < ids.length && h("button", { type: "button", class: "quiet", "aria-label": `Add ${label} to all`, onclick: () => void apply(label, true) }, "Add to all"),
      h("button", { type: "button", class: "quiet danger-text", "aria-label": `Remove ${label}`, onclick: () => void apply(label, false) }, "Remove")))
      : [h("li", { class: "muted" }, "None of the selected tiles has a label.")]));
  }

  const field = labelField({ id: "bulk-label", label: "Label to add to the selected tiles", placeholder: "Choose or type a label, then Enter",
    onchoose: (label) => { field.input.value = ""; void apply(label, true); } });
  draw();
  openDialog(`Label ${count(ids.length, "tile")}`, [h("div", { class: "field" }, h("span", { "aria-hidden": "true" }, "Add a label"), field.element), note,
    h("h3", {}, "Labels of these tiles"), present], { class: "bulk" });
  field.input.focus();
}
