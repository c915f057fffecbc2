/** A field to choose one of the collection's labels by typing, or to enter a new one: an ARIA combobox that shows few of many labels. */

import { group, h } from "../core/dom.js";
import { state } from "../core/state.js";
import { labelColour } from "./palette.js";

const MOST = 40; // options shown
let serial = 0;

/** A label without characters that labels cannot contain. @param {string} text */
export const cleanLabel = (text) => text.trim().replaceAll(",", " ");

/** The labels that contain a text: those that begin with it first, then by number of tiles. @param {string} text @param {{value: string, count: number}[]} labels */
export function matching(text, labels) {
  const low = text.toLowerCase();
  const begins = (/** @type {string} */ value) => (value.toLowerCase().startsWith(low) ? 0 : value.toLowerCase().includes(` ${low}`) ? 1 : 2);
  return labels.filter((l) => l.value.toLowerCase().includes(low)).sort((a, b) => begins(a.value) - begins(b.value) || b.count - a.count || (a.value < b.value ? -1 : 1));
}

/** All labels: of tiles, and of keys that no tile has yet. */
export function knownLabels() {
  const used = new Set(state.labels.map((l) => l.value));
  return [...state.labels, ...state.palette.filter((label) => label && !used.has(label)).map((value) => ({ value, count: 0 }))];
}

/**
 * @param {{id: string, label: string, placeholder: string, onchoose: (label: string) => void, onblur?: (text: string) => void}} options
 * onchoose is called with the chosen label after Enter or a click; onblur with the text when the focus leaves
 */
export function labelField({ id, label, placeholder, onchoose, onblur }) {
  const name = `labels-${++serial}`;
  /** @type {string[]} */
  let values = [];
  let at = -1;
  const list = h("ul", { class: "typeahead", role: "listbox", id: name, "aria-label": "Labels", hidden: true });
  const input = h("input", { type: "text", id, placeholder, maxlength: 128, autocomplete: "off", spellcheck: "false", role: "combobox", "aria-label": label,
    "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": name });

  const hide = () => {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  /** @param {number} to */
  const highlight = (to) => {
    at = values.length ? (to + values.length) % values.length : -1;
    [...list.children].forEach((e, i) => e.setAttribute("aria-selected", String(i === at)));
    if (at < 0) return;
    input.setAttribute("aria-activedescendant", `${name}-${at}`);
    list.children[at].scrollIntoView?.({ block: "nearest" });
  };
  /** @param {string} value */
  const take = (value) => {
    hide();
    if (cleanLabel(value)) onchoose(cleanLabel(value));
  };
  /** @param {string} value @param {number} i @param {any} content */
  const option = (value, i, content) => h("li", { role: "option", id: `${name}-${i}`, "aria-selected": "false",
    onpointerdown: (/** @type {Event} */ e) => { e.preventDefault(); take(value); } }, content);

  function show() {
    const text = cleanLabel(input.value);
    const found = matching(text, knownLabels());
    const isNew = text !== "" && !found.some((l) => l.value === text);
    const known = found.slice(0, MOST).map((l) => l.value);
    const newFirst = isNew && !known[0]?.toLowerCase().startsWith(text.toLowerCase());
    values = !isNew ? known : newFirst ? [text, ...known] : [...known, text];
    const counts = new Map(found.map((l) => [l.value, l.count]));
    list.replaceChildren(...values.map((value, i) => option(value, i, isNew && value === text ? [h("span", { class: "grow" }, `New label “${value}”`)] : [
      h("i", { class: "dot", style: `background:${labelColour(value) ?? "transparent"}` }), h("span", { class: "grow ellipsis" }, value),
      state.palette.includes(value) && h("kbd", {}, state.palette.indexOf(value) + 1), h("span", { class: "option-count" }, group(counts.get(value) ?? 0))])),
    ...(found.length > MOST ? [h("li", { class: "muted small", role: "presentation" }, `${found.length - MOST} more; type to find them`)] : []));
    list.hidden = !values.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    highlight(text ? 0 : values.indexOf(input.value) >= 0 ? values.indexOf(input.value) : 0);
  }

  input.addEventListener("input", show);
  input.addEventListener("pointerdown", () => { if (list.hidden) show(); });
  input.addEventListener("focus", () => input.select());
  input.addEventListener("blur", () => { hide(); onblur?.(input.value); });
  input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing) return;
    if (event.key === "Enter") take(list.hidden || at < 0 ? input.value : values[at]);
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) show();
      else highlight(at + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Escape" && !list.hidden) { hide(); event.stopPropagation(); }
    else return;
    event.preventDefault();
  });
  return { input, element: h("div", { class: "combo" }, input, list) };
}
