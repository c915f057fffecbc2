/** Filters: labels with counts, dates, bounding box (also drawn on the map). Each change searches again. */

import { byId, debounce, group, h } from "../core/dom.js";
import { go, NO_FILTERS } from "../core/route.js";
import { current, on, state } from "../core/state.js";
import { rankingFields } from "./ranking.js";

const SEARCHABLE_FROM = 10; // labels; more than this show a search field
const SIDES = ["West", "South", "East", "North"];
let needle = "";

/** @param {string} value */
function toggleLabel(value) {
  const { labels } = state.view;
  go({ labels: labels.includes(value) ? labels.filter((x) => x !== value) : [...labels, value] });
}

function labelList() {
  const chosen = state.view.labels;
  const known = new Set(state.labels.map((l) => l.value));
  const all = [...chosen.filter((v) => !known.has(v)).map((value) => ({ value, count: 0 })), ...state.labels];
  const shown = all.filter((l) => chosen.includes(l.value) || l.value.toLowerCase().includes(needle.toLowerCase()));
  return h("div", { class: "label-list", id: "label-list", role: "group", "aria-label": "Labels" },
    shown.map(({ value, count }) => h("label", { class: "option" },
      h("input", { type: "checkbox", value, checked: chosen.includes(value), onchange: () => toggleLabel(value) }),
      h("span", { class: "option-name" }, value), h("span", { class: "option-count" }, group(count)))),
    !shown.length && h("p", { class: "muted" }, "No label contains this text."));
}

function labelFilter() {
  if (!state.labels.length && !state.view.labels.length) return h("p", { class: "muted", id: "no-labels" }, "No tile has a label yet.");
  const find = state.labels.length > SEARCHABLE_FROM && h("input", { type: "search", id: "label-find", placeholder: "Find a label  /", "aria-label": "Find a label", value: needle,
    autocomplete: "off", oninput: (/** @type {any} */ e) => {
      needle = e.target.value;
      byId("label-list").replaceWith(labelList());
    } });
  return [find, labelList()];
}

/** @param {"from"|"to"} key @param {string} text */
function dateInput(key, text) {
  const interval = current()?.extent?.temporal?.interval?.[0] ?? [];
  const day = (/** @type {string|null|undefined} */ t) => t?.slice(0, 10);
  return h("label", { class: "field" }, text, h("input", { type: "date", id: `date-${key}`, value: state.view[key], min: day(interval[0]), max: day(interval[1]),
    onchange: (/** @type {any} */ e) => { if (!e.target.value || e.target.value > "1000") go({ [key]: e.target.value }); } }));
}

/** Apply the bounding box when its four fields are valid. */
const boxChanged = debounce(() => {
  const inputs = SIDES.map((side) => /** @type {HTMLInputElement} */ (byId(`box-${side}`)));
  if (inputs.every((i) => i.value === "")) {
    if (state.view.bbox) go({ bbox: null });
    return;
  }
  const [w, s, e, n] = inputs.map((i) => (i.value === "" ? NaN : Number(i.value)));
  const wrong = [w, s, e, n].some(Number.isNaN) ? "" : s >= n ? "South must be less than north." : "";
  inputs[1].setCustomValidity(wrong);
  byId("box-note").textContent = wrong;
  if (!wrong && inputs.every((i) => i.value !== "" && i.checkValidity())) go({ bbox: [w, s, e, n], within: null });
}, 500);

function boxFilter() {
  const box = state.view.bbox;
  return h("fieldset", { class: "box-filter" }, h("legend", {}, "Bounding box (WGS 84)"),
    SIDES.map((side, i) => h("label", { class: "field" }, side, h("input", { type: "number", id: `box-${side}`, step: "any", inputmode: "decimal",
      min: i % 2 ? -90 : -180, max: i % 2 ? 90 : 180, value: box ? box[i] : "", oninput: boxChanged }))),
    h("p", { class: "note", id: "box-note", "aria-live": "polite" }),
    h("div", { class: "row" },
      h("button", { type: "button", class: "quiet", id: "box-draw", onclick: () => byId("map-draw").click() }, "Draw on the map"),
      state.view.within && h("button", { type: "button", class: "quiet", id: "area-clear", onclick: () => go({ within: null }) }, "Remove drawn area"),
      box && h("button", { type: "button", class: "quiet", id: "box-clear", onclick: () => go({ bbox: null }) }, "Remove box")));
}

const hasFootprints = () => Boolean(current()?.placed);
const hasDates = () => Boolean(current()?.extent?.temporal?.interval?.[0]?.some(Boolean));

function draw() {
  const focus = document.activeElement?.id;
  const checked = /** @type {HTMLInputElement|null} */ (document.activeElement)?.closest?.("#label-list") ? /** @type {HTMLInputElement} */ (document.activeElement).value : null;
  const { view } = state;
  const active = view.labels.length + Number(Boolean(view.from || view.to)) + Number(Boolean(view.bbox || view.within));
  byId("filter-summary").textContent = active ? `${active} active` : "";
  const scroll = byId("label-list")?.scrollTop ?? 0;
  byId("filter-form").replaceChildren(...[
    rankingFields(),
    h("fieldset", {}, h("legend", {}, "Labels"), labelFilter()),
    h("fieldset", { class: "dates" }, h("legend", {}, "Acquired"), hasDates() || view.from || view.to
      ? [dateInput("from", "From"), dateInput("to", "To")] : h("p", { class: "muted" }, "No tile has a date.")),
    hasFootprints() || view.bbox || view.within ? boxFilter() : h("fieldset", {}, h("legend", {}, "Bounding box"), h("p", { class: "muted" }, "No tile is georeferenced.")),
    active > 0 && h("button", { type: "button", id: "clear-filters", onclick: () => go(NO_FILTERS) }, "Clear the filters"),
  ].filter(Boolean));
  if (byId("label-list")) byId("label-list").scrollTop = scroll;
  const again = checked ? byId("label-list")?.querySelector(`input[value="${CSS.escape(checked)}"]`) : focus && byId(focus);
  if ((checked || focus) && again && document.activeElement === document.body) again.focus();
}

/** Focus the first filter. */
export function focusFilters() {
  byId("filters").open = true;
  const form = byId("filter-form");
  (byId("label-find") ?? form.querySelector("#label-list input") ?? form.querySelector("input:enabled"))?.focus();
}

export function setupFilters() {
  byId("filter-form").addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
  if (matchMedia("(max-width: 860px)").matches) byId("filters").open = false;
  let collection = "";
  on(["view"], () => {
    if (state.view.collection !== collection) needle = "";
    collection = state.view.collection;
  });
  on(["view", "labels", "collections", "models"], draw);
}
