/** Grid of results. One card is in the tab order; arrow keys move between cards; `+`, `-`, `i` and the labelling keys act on the focused card. */

import { byId, h } from "../core/dom.js";
import { on, set, state } from "../core/state.js";
import { toggleLabel } from "../labels/labelbar.js";
import { hasQuery } from "../search/uploaded.js";
import { card, drawLabels, toggleMark } from "./card.js";
import { openDetails } from "./details.js";

/** @typedef {import("../core/types.js").Feature} Feature */

/** @type {HTMLOListElement} */
const grid = byId("grid");
/** @type {Feature[]} */
let drawn = [];

function draw() {
  const { results } = state;
  grid.setAttribute("aria-busy", String(results.busy));
  grid.classList.toggle("stale", results.busy && !results.more);
  if (results.busy) return;
  const focused = grid.contains(document.activeElement);
  const kept = results.more && drawn.every((f, i) => results.features[i] === f) ? drawn.length : 0;
  if (kept === 0) grid.replaceChildren();
  grid.append(...results.features.slice(kept).map(card));
  drawMatchLine();
  drawn = results.features;
  if (kept === 0) byId("results").scrollTop = 0;
  makeActive(cards()[kept && kept < drawn.length ? kept : 0] ?? null);
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

const cards = () => /** @type {HTMLElement[]} */ ([...grid.querySelectorAll(".card")]);

/** Draw the line between likely matches and the other results, once results on both sides of it, or all results, are loaded. */
function drawMatchLine() {
  grid.querySelector(".match-line")?.remove();
  const { likelyMatches, features, token } = state.results;
  const shown = features.filter((f) => f.properties.rank <= (likelyMatches ?? 0)).length;
  if (likelyMatches === null || !features.length || (shown === features.length && token)) return;
  const text = likelyMatches ? "Likely matches above this line" : "No likely match: these are the most similar tiles";
  const line = h("li", { class: "match-line", title: "Tiles above have a match probability of at least 50 %, tiles below have less" }, h("span", {}, text));
  grid.insertBefore(line, cards()[shown] ?? null);
}

/**
 * Find the card above or below another one, in the next row.
 * @param {HTMLElement} from
 * @param {1|-1} way
 */
function nextRow(from, way) {
  const beyond = cards().filter((c) => way * (c.offsetTop - from.offsetTop) > 0);
  const row = way * Math.min(...beyond.map((c) => way * c.offsetTop));
  const aside = (/** @type {HTMLElement} */ c) => Math.abs(c.offsetLeft - from.offsetLeft);
  return beyond.filter((c) => c.offsetTop === row).sort((a, b) => aside(a) - aside(b))[0];
}

/** @param {HTMLElement} at @param {string} key @returns {HTMLElement|undefined|null} null if the key does not move the focus */
function moveTo(at, key) {
  const all = cards();
  const index = all.indexOf(at);
  if (key === "ArrowRight") return all[index + 1];
  if (key === "ArrowLeft") return all[index - 1];
  if (key === "ArrowDown") return nextRow(at, 1);
  if (key === "ArrowUp") return nextRow(at, -1);
  if (key === "Home") return all[0];
  return key === "End" ? all.at(-1) : null;
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const at = active();
  if (!at || event.altKey || event.ctrlKey || event.metaKey) return;
  const id = at.dataset.id ?? "";
  const next = moveTo(at, event.key);
  if (next !== null) {
    next?.querySelector("a")?.focus();
  } else if ((event.key === "+" || event.key === "-") && hasQuery(state.view)) {
    toggleMark(id, event.key === "+" ? "more" : "less");
  } else if (event.key === "i") {
    openDetails(id);
  } else return;
  event.preventDefault();
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

/** Update the labels of some cards, or of all. @param {string[]} [ids] */
function drawCardLabels(ids) {
  const features = new Map(state.results.features.map((f) => [f.id, f]));
  for (const element of cards()) {
    const f = features.get(element.dataset.id ?? "");
    if (f && (!ids || ids.includes(f.id))) drawLabels(element, f);
  }
}

/** The tile that a key acts on: the tile under the pointer, else the focused one. */
export const targetTile = () => state.hover.id ?? (grid.contains(document.activeElement) ? active()?.dataset.id ?? null : null);

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
  let last = "";
  grid.addEventListener("pointerover", (event) => {
    const id = cardOf(event)?.dataset.id ?? null;
    const where = `${event.clientX},${event.clientY}`;
    const still = where === last; // the grid moved under a pointer that did not move: not a hover
    last = where;
    if (event.pointerType === "mouse" && !still && id !== state.hover.id) set({ hover: { id, from: "grid" } });
  });
  grid.addEventListener("pointerleave", () => set({ hover: { id: null, from: "" } }));
  grid.addEventListener("error", (event) => {
    const image = /** @type {Element} */ (event.target);
    if (image.tagName === "IMG") image.closest(".tile")?.classList.add("broken");
  }, true);
  grid.addEventListener("click", (event) => {
    const id = /** @type {Element} */ (event.target).closest(".tile") && cardOf(event)?.dataset.id;
    if (!id || !state.labelling.on || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    toggleLabel(id);
  });
  on(["results"], draw);
  on(["relabelled"], () => drawCardLabels(state.relabelled));
  on(["labelling", "palette"], () => drawCardLabels());
  on(["marks", "results"], drawMarks);
  on(["hover"], drawHover);
}
