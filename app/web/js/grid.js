/** The ranked grid. One card is in the tab order; arrows move between cards, `+` `-` `i` act on the focused one. */

import * as api from "./api.js";
import { openDetails } from "./details.js";
import { byId, h, icon, when } from "./dom.js";
import { searchFrom } from "./route.js";
import { hasQuery } from "./search.js";
import { on, set, state } from "./state.js";

/** @typedef {import("./types.js").Feature} Feature */

/** @type {HTMLOListElement} */
const grid = byId("grid");
/** @type {Feature[]} */
let drawn = [];

/** @param {any} p properties */
export function scoreText(p) {
  return typeof p.score === "number" ? p.score.toFixed(3) : "";
}

/** @param {Feature} f */
function describe(f) {
  const p = f.properties;
  return [
    p.rank && `Rank ${p.rank}`, p.score !== undefined && `score ${scoreText(p)}`, p.file_name,
    p.labels?.length && p.labels.join(", "), p.datetime && when(p.datetime),
  ].filter(Boolean).join(", ");
}

/** Column and row of a tile in its scene. @param {string} text column, row, width, height */
const windowText = (text) => `@ ${text.split(",").slice(0, 2).join(", ")}`;

/** @param {number} probability */
function probability(probability) {
  const percent = Math.round(probability * 100);
  return h("span", { class: "prob", role: "meter", "aria-label": "Match probability", "aria-valuemin": 0, "aria-valuemax": 100,
    "aria-valuenow": percent, title: `Match probability ${percent} %` },
  h("i", { style: `inline-size:${percent}%` }), h("b", {}, `${percent} %`));
}

/**
 * @param {Feature} f
 * @param {string} kind
 */
function markButton(f, kind) {
  const more = kind === "more";
  return h("button", { type: "button", class: `mark ${kind}`, tabindex: -1, "aria-pressed": state.marks[/** @type {"more"|"less"} */ (kind)].includes(f.id),
    title: more ? "More like this (+)" : "Less like this (−)", "aria-label": more ? "More like this" : "Less like this",
    onclick: () => toggleMark(f.id, /** @type {"more"|"less"} */ (kind)) }, icon(more ? "plus" : "minus"));
}

/** @param {Feature} f */
function card(f) {
  const p = f.properties;
  const searching = hasQuery(state.view);
  const name = p.file_name ?? f.id.slice(0, 8);
  const title = h("div", { class: "name", title: p.source ?? name }, name);
  return h("li", { class: "card", "data-id": f.id },
    h("a", { class: "tile", href: searchFrom(f.id), tabindex: -1, "aria-label": `${describe(f)}. Search from this tile.` },
      h("img", { src: api.thumbnailUrl(state.view.collection, f.id), alt: "", loading: "lazy", decoding: "async", width: 256, height: 256 }),
      p.rank && h("span", { class: "rank", "aria-hidden": "true" }, p.rank)),
    h("div", { class: "meta" },
      h("div", { class: "line" },
        !searching && title,
        typeof p.score === "number" && h("span", { class: "score", title: "Cosine similarity to the query, at most 1" }, scoreText(p)),
        typeof p.match_probability === "number" && probability(p.match_probability),
        h("span", { class: "acts" },
          searching && [markButton(f, "more"), markButton(f, "less")],
          h("button", { type: "button", tabindex: -1, title: "Details (i)", "aria-label": "Details", onclick: () => openDetails(f.id) }, icon("info")))),
      searching && title,
      h("div", { class: "sub" },
        p.window && h("span", { title: `Column, row, width and height in the scene: ${p.window}` }, windowText(p.window)),
        p.datetime && h("time", { datetime: p.datetime }, when(p.datetime)),
        (p.labels ?? []).map((/** @type {string} */ label) => h("span", { class: "chip" }, label)))));
}

/**
 * @param {string} id
 * @param {"more"|"less"} kind
 */
function toggleMark(id, kind) {
  const other = kind === "more" ? "less" : "more";
  const had = state.marks[kind].includes(id);
  set({ marks: /** @type {any} */ ({
    [kind]: had ? state.marks[kind].filter((x) => x !== id) : [...state.marks[kind], id],
    [other]: state.marks[other].filter((x) => x !== id),
  }) });
}

function draw() {
  const { results } = state;
  grid.setAttribute("aria-busy", String(results.busy));
  grid.classList.toggle("stale", results.busy && !results.more);
  if (results.busy) return;
  const focused = grid.contains(document.activeElement);
  const kept = results.more && drawn.every((f, i) => results.features[i] === f) ? drawn.length : 0;
  if (kept === 0) grid.replaceChildren();
  grid.append(...results.features.slice(kept).map(card));
  drawn = results.features;
  if (kept === 0) byId("results").scrollTop = 0;
  makeActive(/** @type {HTMLElement|null} */ (grid.children[kept && kept < drawn.length ? kept : 0] ?? null));
  if (focused || (kept && results.more)) active()?.querySelector("a")?.focus({ preventScroll: kept === 0 });
}

const active = () => /** @type {HTMLElement|null} */ (grid.querySelector(".card.active"));

/** @param {HTMLElement|null} next */
function makeActive(next) {
  const old = active();
  if (old === next) return;
  old?.classList.remove("active");
  old?.querySelectorAll("a,button").forEach((e) => e.setAttribute("tabindex", "-1"));
  next?.classList.add("active");
  next?.querySelectorAll("a,button").forEach((e) => e.setAttribute("tabindex", "0"));
}

function columns() {
  const cards = /** @type {HTMLElement[]} */ ([...grid.children]);
  const first = cards.findIndex((c) => c.offsetTop !== cards[0].offsetTop);
  return first < 1 ? cards.length : first;
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const at = active();
  if (!at || event.altKey || event.ctrlKey || event.metaKey) return;
  const index = [...grid.children].indexOf(at);
  /** @type {Record<string, () => number>} */
  const moves = {
    ArrowRight: () => index + 1, ArrowLeft: () => index - 1, ArrowDown: () => index + columns(), ArrowUp: () => index - columns(),
    Home: () => 0, End: () => grid.children.length - 1,
  };
  const id = at.dataset.id ?? "";
  if (event.key in moves) {
    const next = /** @type {HTMLElement|undefined} */ (grid.children[moves[event.key]()]);
    event.preventDefault();
    if (!next) return;
    makeActive(next);
    next.querySelector("a")?.focus();
  } else if ((event.key === "+" || event.key === "-") && hasQuery(state.view)) {
    event.preventDefault();
    toggleMark(id, event.key === "+" ? "more" : "less");
  } else if (event.key === "i") {
    event.preventDefault();
    openDetails(id);
  }
}

/** @param {Event} event */
const cardOf = (event) => /** @type {HTMLElement|null} */ (/** @type {Element} */ (event.target).closest?.(".card"));

function drawMarks() {
  for (const element of grid.querySelectorAll(".card")) {
    const id = /** @type {HTMLElement} */ (element).dataset.id ?? "";
    for (const kind of /** @type {const} */ (["more", "less"])) {
      element.querySelector(`.mark.${kind}`)?.setAttribute("aria-pressed", String(state.marks[kind].includes(id)));
      element.classList.toggle(`is-${kind}`, state.marks[kind].includes(id));
    }
  }
}

function drawHover() {
  grid.querySelector(".card.hot")?.classList.remove("hot");
  if (!state.hover.id) return;
  const element = grid.querySelector(`[data-id="${CSS.escape(state.hover.id)}"]`);
  element?.classList.add("hot");
  if (state.hover.from === "map") element?.scrollIntoView({ block: "nearest" });
}

/** Move the focus into the grid. */
export function focusGrid() {
  const link = active()?.querySelector("a");
  if (link) link.focus();
  else byId("results").focus();
}

export function setupGrid() {
  grid.addEventListener("keydown", onKey);
  grid.addEventListener("focusin", (event) => {
    const element = cardOf(event);
    if (!element) return;
    makeActive(element);
    set({ hover: { id: element.dataset.id ?? null, from: "grid" } });
  });
  grid.addEventListener("focusout", () => set({ hover: { id: null, from: "" } }));
  grid.addEventListener("pointerover", (event) => {
    const id = cardOf(event)?.dataset.id ?? null;
    if (event.pointerType === "mouse" && id !== state.hover.id) set({ hover: { id, from: "grid" } });
  });
  grid.addEventListener("pointerleave", () => set({ hover: { id: null, from: "" } }));
  grid.addEventListener("error", (event) => {
    const image = /** @type {Element} */ (event.target);
    if (image.tagName === "IMG") image.closest(".tile")?.classList.add("broken");
  }, true);
  on(["results"], draw);
  on(["marks", "results"], drawMarks);
  on(["hover"], drawHover);
}
