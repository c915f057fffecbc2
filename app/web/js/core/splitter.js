/**
 * The separator between results and map. On wide screens it sets the width of the results; on small ones the results are a sheet above the
 * map, and it sets the height of the sheet. Dragged with mouse, pen or touch, or moved with the arrow keys. The width is remembered.
 */

import { byId } from "./dom.js";

const STORED = "dyad.results-width";
const LEAST = 200; // px, results
const MAP_LEAST = 260; // px, map
const PEEK = 132; // px, height of a sheet that leaves the map free
const STEP = 32;
const TAP = 5; // px, less is not a drag
const small = matchMedia("(max-width: 860px)");

/** @type {number|null} width set by the user */
let width = Number(localStorage.getItem(STORED)) || null;
/** @type {number|null} height of the sheet, null for half of the screen */
let height = null;

const layout = () => /** @type {HTMLElement} */ (byId("layout"));
const clamp = (/** @type {number} */ v, /** @type {number} */ low, /** @type {number} */ high) => Math.round(Math.min(Math.max(v, low), Math.max(low, high)));

/** Limits of the size in px: of the sheet's height on small screens, else of the results' width. */
function limits() {
  const box = layout().getBoundingClientRect();
  if (small.matches) return [PEEK, box.height - 41];
  return [LEAST, box.width - byId("results").getBoundingClientRect().left - MAP_LEAST];
}

const size = () => {
  const box = byId(small.matches ? "sheet" : "results").getBoundingClientRect();
  return small.matches ? box.height : box.width;
};

function apply() {
  const [low, high] = limits();
  const set = (/** @type {string} */ name, /** @type {number|null} */ value) => {
    if (value === null) layout().style.removeProperty(name);
    else layout().style.setProperty(name, `${clamp(value, low, high)}px`);
  };
  const value = small.matches ? height : width;
  set(small.matches ? "--sheet" : "--results", value);
  const bar = byId("splitter");
  bar.setAttribute("aria-orientation", small.matches ? "horizontal" : "vertical");
  bar.setAttribute("aria-label", small.matches ? "Height of the results" : "Width of the results");
  for (const [name, px] of [["valuemin", low], ["valuemax", Math.max(low, high)], ["valuenow", clamp(value ?? size(), low, high)]]) bar.setAttribute(`aria-${name}`, String(Math.round(Number(px))));
  dispatchEvent(new CustomEvent("dyad-layout"));
}

/** @param {number|null} value null for the default */
function resize(value) {
  if (small.matches) height = value;
  else {
    width = value;
    const [low, high] = limits();
    if (value === null) localStorage.removeItem(STORED);
    else {
      width = clamp(value, low, high);
      localStorage.setItem(STORED, String(width));
    }
  }
  apply();
}

/** Whether the sheet is lowered; always true on wide screens. */
export const mapIsFree = () => !small.matches || (height !== null && height <= PEEK + STEP);

/** Height in px that the sheet covers of an element, at most 70 % of it. @param {HTMLElement} element */
export function coveredBySheet(element) {
  if (!small.matches) return 0;
  const box = element.getBoundingClientRect();
  return Math.min(0.7 * box.height, Math.max(0, box.bottom - byId("sheet").getBoundingClientRect().top));
}

/** Lower the sheet, or raise it to half of the screen again. @param {boolean} lower */
export function lowerSheet(lower) {
  if (small.matches) resize(lower ? PEEK : null);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const [low, high] = limits();
  const grow = small.matches ? "ArrowUp" : "ArrowRight", shrink = small.matches ? "ArrowDown" : "ArrowLeft";
  const to = { [grow]: size() + STEP, [shrink]: size() - STEP, Home: low, End: high, Enter: null }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  resize(to);
}

export function setupSplitter() {
  const bar = /** @type {HTMLElement} */ (byId("splitter"));
  /** @type {{at: number, size: number, moved: boolean}|null} */
  let drag = null;
  const position = (/** @type {PointerEvent} */ event) => (small.matches ? -event.clientY : event.clientX);
  bar.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    bar.setPointerCapture(event.pointerId);
    bar.focus({ preventScroll: true });
    drag = { at: position(event), size: size(), moved: false };
    document.body.classList.add("resizing");
  });
  bar.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const by = position(event) - drag.at;
    drag.moved ||= Math.abs(by) > TAP;
    if (drag.moved) resize(drag.size + by);
  });
  const end = () => {
    if (!drag) return;
    document.body.classList.remove("resizing");
    if (!drag.moved && small.matches) { // a tap: low, half, full, low
      const [low, high] = limits();
      resize(drag.size < low + STEP ? null : drag.size < high - STEP ? high : low);
    }
    drag = null;
  };
  bar.addEventListener("pointerup", end);
  bar.addEventListener("pointercancel", end);
  bar.addEventListener("dblclick", () => { if (!small.matches) resize(null); });
  bar.addEventListener("keydown", onKey);
  small.addEventListener("change", apply);
  new ResizeObserver(apply).observe(layout());
  apply();
}
