/**
 * Grid of results. Only the rows near the viewport are elements, so that thousands of results scroll smoothly; the next page of results
 * is loaded before the end is reached. One card is in the tab order; arrow keys move between cards.
 */

import { byId, h } from "../core/dom.js";
import { on, set, state } from "../core/state.js";
import { loadMore } from "../search/run.js";
import { card, drawCard } from "./card.js";
import { setupGridEvents } from "./gridevents.js";
import { ordered, sortsLoaded } from "./order.js";
import { between, offset, rowAt, rowsOf, step } from "./rows.js";
import { scrollBy, visiblePart } from "./scroller.js";

/** @typedef {import("../core/types.js").Feature} Feature */

const OVERSCAN = 700; // pixels above and below the viewport
const LEAST_CARDS = 60;
const GAP = 12;

/** @type {HTMLOListElement} */
const grid = byId("grid");
/** The tiles in the order shown. @type {Feature[]} */
let shown = [];
/** @type {import("./rows.js").Row[]} */
let rows = [];
let heights = { card: 220, line: 40 };
let columns = 1;
/** Elements of cards by tile, and of the line. @type {Map<string, HTMLElement>} */
const elements = new Map();
let active = "";
let scheduled = false;

/** @param {string} id */
const indexOf = (id) => shown.findIndex((f) => f.id === id);
/** @param {string} id */
const rowOf = (id) => rowAt(rows, indexOf(id));

/** Number of likely matches if the line below them is shown: results on both sides of it, or all results, are loaded. */
function linePosition() {
  const { likelyMatches, features, token } = state.results;
  if (likelyMatches === null || !features.length || sortsLoaded(state.view)) return null;
  const above = features.filter((f) => f.properties.rank <= likelyMatches).length;
  return above === features.length && token ? null : above;
}

function draw() {
  const { results } = state;
  grid.setAttribute("aria-busy", String(results.busy));
  grid.classList.toggle("stale", results.busy && !results.more);
  if (results.busy) return;
  const focused = grid.contains(document.activeElement);
  if (!results.more) {
    elements.clear();
    grid.replaceChildren();
  }
  shown = ordered(results.features, state.view);
  grid.classList.toggle("with-sub", shown.some((f) => f.properties.window || f.properties.datetime));
  drawLines();
  if (!results.more) {
    active = results.place?.id ?? shown[0]?.id ?? "";
    render();
    if (!results.place) for (const id of ["results", "sheet"]) byId(id).scrollTop = 0;
    else queueMicrotask(() => returnTo(results)); // after the status line has its new height
    if (focused) focusTile(active, !results.place);
  } else render();
}

/** Reserve the lines that cards of this collection have, so that all rows have one height. */
function drawLines() {
  grid.classList.toggle("with-chips", state.labels.length > 0 || state.labelling.on);
  measure();
}

function measure() {
  columns = getComputedStyle(grid).gridTemplateColumns.split(" ").length;
  rows = rowsOf(shown.length, columns, linePosition());
}

function viewport() {
  const { top, bottom } = visiblePart(grid);
  return { top: top - GAP, bottom: bottom - GAP };
}

/** Create the elements of the rows near the viewport, remove the others, and load more tiles near the end. */
function render() {
  scheduled = false;
  const see = viewport();
  const least = Math.ceil(LEAST_CARDS / columns);
  const [from, to] = rows.length ? between(rows, heights, see.top - OVERSCAN, see.bottom + OVERSCAN, least) : [0, -1];
  const own = grid.contains(document.activeElement) ? rowOf(active) : -1;
  const wanted = rows.map((_, i) => i).filter((i) => (i >= from && i <= to) || i === own);
  place(wanted);
  const first = /** @type {HTMLElement|null} */ (grid.querySelector(".card"));
  const line = /** @type {HTMLElement|null} */ (grid.querySelector(".match-line"));
  const found = { card: first ? first.offsetHeight + GAP : heights.card, line: line ? line.offsetHeight + GAP : heights.line };
  if (found.card !== heights.card || found.line !== heights.line) {
    heights = found;
    schedule();
  }
  const { token, busy, error } = state.results;
  const rest = rows.length ? offset(rows, rows.length, heights) - see.bottom : 0;
  if (token && !busy && !error && rest < OVERSCAN && see.bottom > 0 && !sortsLoaded(state.view) && grid.offsetParent) queueMicrotask(() => void loadMore());
}

function schedule() {
  if (!scheduled) requestAnimationFrame(render);
  scheduled = true;
}

/** Show the elements of these rows, with spacers between them. Elements that stay are not moved, so that they keep the focus. @param {number[]} wanted */
function place(wanted) {
  /** @type {HTMLElement[]} */
  const nodes = [];
  let next = 0;
  const skip = (/** @type {number} */ until) => {
    if (until > next) nodes.push(h("li", { class: "spacer", role: "presentation", "aria-hidden": "true",
      style: `block-size:${offset(rows, until, heights) - offset(rows, next, heights) - GAP}px` }));
  };
  for (const i of wanted) {
    skip(i);
    const row = rows[i];
    if (row.line) nodes.push(matchLine());
    for (let at = row.start; at < row.end; at++) nodes.push(element(at));
    next = i + 1;
  }
  skip(rows.length);
  const keep = new Set(nodes);
  for (const child of [...grid.children]) if (!keep.has(/** @type {HTMLElement} */ (child))) child.remove();
  nodes.forEach((node, i) => { if (grid.children[i] !== node) grid.insertBefore(node, grid.children[i] ?? null); });
  for (const [id, node] of elements) if (!node.isConnected) elements.delete(id);
}

/** @param {number} at @returns {HTMLElement} */
function element(at) {
  const f = shown[at];
  let node = elements.get(f.id);
  if (!node) {
    node = card(f);
    elements.set(f.id, node);
    setTabbable(node, f.id === active);
  }
  node.setAttribute("aria-posinset", String(at + 1));
  node.setAttribute("aria-setsize", String(state.results.matched ?? shown.length));
  return node;
}

function matchLine() {
  const text = state.results.likelyMatches ? "Likely matches above this line" : "No likely match: these are the most similar tiles";
  const old = elements.get("");
  if (old?.textContent === text) return old;
  const line = h("li", { class: "match-line", title: "Tiles above have a match probability of at least 50 %, tiles below have less" }, h("span", {}, text));
  elements.set("", line);
  return line;
}

/** @param {HTMLElement} node @param {boolean} yes */
function setTabbable(node, yes) {
  node.classList.toggle("active", yes);
  node.querySelectorAll("a,button").forEach((e) => e.setAttribute("tabindex", yes ? "0" : "-1"));
}

/** Make the card of a tile the one in the tab order. @param {string} id */
export function makeActive(id) {
  if (id === active) return;
  for (const [old, node] of elements) if (node.classList.contains("active") && old !== id) setTabbable(node, false);
  active = id;
  const node = elements.get(id);
  if (node) setTabbable(node, true);
}

/** Scroll to a tile if its card is not shown, so that it has an element. @param {string} id */
function reveal(id) {
  if (elements.get(id)?.isConnected) return;
  if (indexOf(id) < 0) return;
  scrollBy(grid, offset(rows, rowOf(id), heights) - viewport().top - 60);
  render();
}

/** Focus the card of a tile. @param {string} id @param {boolean} [still] without scrolling */
export function focusTile(id, still = false) {
  if (indexOf(id) < 0) return;
  reveal(id);
  makeActive(id);
  const link = elements.get(id)?.querySelector("a");
  link?.focus({ preventScroll: still });
}

/** The tile at the top of the visible part, to return to. @returns {import("../core/types.js").Place|null} */
export function placeInGrid() {
  const { top } = viewport();
  const focused = grid.contains(document.activeElement);
  if (focused) return { id: active, offset: offset(rows, rowOf(active), heights) - top, focused };
  const row = rows.find((each, i) => !each.line && offset(rows, i + 1, heights) > top);
  return row ? { id: shown[row.start].id, offset: offset(rows, rows.indexOf(row), heights) - top, focused } : null;
}

/** Scroll to where a list was left. @param {import("../core/types.js").Results} results */
function returnTo({ place: left, features }) {
  if (!left || state.results.features !== features) return;
  for (let i = 0; i < 2; i++) { // the height of the rows is known after the first time
    scrollBy(grid, offset(rows, rowOf(left.id), heights) - left.offset - viewport().top);
    render();
  }
  if (left.focused) focusTile(left.id);
}

/** The tile that a key moves to. @param {string} id @param {string} key @returns {string|null|undefined} null if the key does not move */
export function neighbour(id, key) {
  const to = step(rows, shown.length, indexOf(id), key);
  return to === null ? null : shown[to]?.id;
}

/** The tiles in the order shown. */
export const shownTiles = () => shown;
/** Identifiers of the tiles that have an element. */
export const renderedTiles = () => [...elements.keys()].filter(Boolean);
export const activeTile = () => active;

/** The tile that a key acts on: the tile under the pointer, else the focused one. */
export const targetTile = () => state.hover.id ?? (grid.contains(document.activeElement) ? active || null : null);

/** Move the focus into the grid. */
export function focusGrid() {
  if (shown.length) focusTile(active);
  else byId("results").focus();
}

/** Update what depends on labels, marks and the selection. @param {string[]} [ids] */
function redraw(ids) {
  const byTile = new Map(shown.map((f) => [f.id, f]));
  for (const [id, node] of elements) {
    const f = byTile.get(id);
    if (f && (!ids || ids.includes(id))) drawCard(node, f);
  }
}

function drawHover() {
  grid.querySelector(".card.hot")?.classList.remove("hot");
  const { id, from } = state.hover;
  if (!id) return;
  if (from === "map") reveal(id);
  const node = elements.get(id);
  node?.classList.add("hot");
  if (from === "map") node?.scrollIntoView({ block: "nearest" });
}

export function setupGrid() {
  setupGridEvents(grid);
  document.addEventListener("scroll", schedule, { capture: true, passive: true });
  new ResizeObserver(() => { measure(); schedule(); }).observe(grid);
  addEventListener("resize", schedule);
  on(["results"], draw);
  on(["labelling", "labels"], () => { drawLines(); schedule(); });
  on(["relabelled"], () => redraw(state.relabelled));
  on(["labelling", "palette", "marks", "selected"], () => redraw());
  on(["hover"], drawHover);
}
