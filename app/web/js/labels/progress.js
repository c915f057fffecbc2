/** Number of labelled tiles of each class, and how many a training still needs. */

import { group, h } from "../core/dom.js";
import { state } from "../core/state.js";
import { TILES } from "../learning/readiness.js";
import { labelColour } from "./palette.js";

/** A menu with all classes; a click selects one. @param {(label: string) => void} choose */
export function progressMenu(choose) {
  const labels = [...state.labels].sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1));
  const most = Math.max(1, ...labels.map((l) => l.count));
  const ready = labels.filter((l) => l.count >= TILES).length;
  return [
    h("p", { class: "muted small" }, labels.length ? `${ready} of ${labels.length} labels have the ${TILES} tiles that a training needs. More tiles of the rarest labels help most.` : "No tile has a label yet."),
    h("ul", { class: "class-list" }, labels.map(({ value, count }) => h("li", {}, h("button", { type: "button", class: "proposal", "aria-current": String(value === state.labelling.current), onclick: () => choose(value) },
      h("span", { class: "proposal-name" }, h("i", { class: "dot", style: `background:${labelColour(value) ?? "transparent"}` }), h("span", { class: "ellipsis" }, value)),
      h("span", { class: "bar-track" }, h("i", { style: `inline-size:${(100 * count) / most}%` })),
      h("span", { class: "option-count" }, count < TILES ? `${count}/${TILES}` : group(count)))))),
  ];
}
