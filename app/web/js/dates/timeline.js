/**
 * Timeline below the map: a bar for each acquisition date or interval. A click chooses one, dragging or Shift a range; it filters searches,
 * imagery and footprints. One bar is in the tab order; arrow keys move between bars, with Shift they extend the range.
 */

import { byId, count, h, icon } from "../core/dom.js";
import { go } from "../core/route.js";
import { on, state } from "../core/state.js";
import { isChosen } from "./dates.js";

/** @type {number} index of the bar in the tab order */
let active = 0;
/** @type {number|null} where a range begins */
let anchor = null;
let dragging = false;

const bars = () => /** @type {HTMLElement[]} */ ([...byId("timeline-bars").children]);

/** Choose a range of bars. @param {number} a @param {number} b */
function choose(a, b) {
  const [low, high] = [Math.min(a, b), Math.max(a, b)];
  const { from, to } = { from: state.dates[low].from, to: state.dates[high].to };
  if (from !== state.view.from || to !== state.view.to) go({ from, to });
}

/** @param {number} i @param {boolean} extend */
function pick(i, extend) {
  const chosen = state.dates.filter(isChosen);
  if (extend && anchor !== null) choose(anchor, i);
  else if (chosen.length === 1 && chosen[0] === state.dates[i]) go({ from: "", to: "" });
  else {
    anchor = i;
    choose(i, i);
  }
}

/** Move the chosen range to the next date that has tiles. @param {1|-1} way */
function step(way) {
  const { dates } = state;
  const chosen = dates.flatMap((bin, i) => (isChosen(bin) ? [i] : []));
  let next = chosen.length ? (way > 0 ? chosen[chosen.length - 1] : chosen[0]) + way : way > 0 ? 0 : dates.length - 1;
  while (dates[next] && !dates[next].count) next += way;
  if (dates[next]) pick(next, false);
}

/** @param {number} i */
function focusBar(i) {
  const list = bars();
  if (!list[i]) return;
  list[active]?.setAttribute("tabindex", "-1");
  active = i;
  list[i].setAttribute("tabindex", "0");
  list[i].focus();
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const to = { ArrowRight: active + 1, ArrowLeft: active - 1, Home: 0, End: state.dates.length - 1 }[event.key];
  if (to === undefined || !state.dates[to]) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.shiftKey) {
    anchor ??= active;
    choose(anchor, to);
  } else anchor = null;
  focusBar(to);
}

function summary() {
  const chosen = state.dates.filter(isChosen);
  const total = (/** @type {typeof state.dates} */ bins) => bins.reduce((sum, bin) => sum + bin.count, 0);
  if (!state.view.from && !state.view.to) return `${count(state.dates.length, state.dates[0].from === state.dates[0].to ? "date" : "interval")}, ${count(total(state.dates), "tile")}`;
  if (!chosen.length) return `${state.view.from || "…"} to ${state.view.to || "…"}: no tiles`;
  const [first, last] = [chosen[0], chosen[chosen.length - 1]];
  return `${first === last ? first.name : `${first.from} to ${last.to}`}: ${count(total(chosen), "tile")}`;
}

function draw() {
  const { dates, view } = state;
  const box = byId("timeline");
  box.hidden = dates.length < 2;
  if (box.hidden) return;
  byId("timeline-note").textContent = summary();
  byId("timeline-all").hidden = !view.from && !view.to;
  const list = bars();
  list.forEach((bar, i) => bar.setAttribute("aria-pressed", String(isChosen(dates[i]))));
}

function build() {
  const { dates } = state;
  active = Math.min(active, Math.max(0, dates.length - 1));
  anchor = null;
  const most = Math.max(1, ...dates.map((bin) => bin.count));
  const every = Math.ceil(dates.length / 10);
  byId("timeline-bars").replaceChildren(...dates.map((bin, i) => h("button", { type: "button", class: "time-bar", tabindex: i === active ? 0 : -1, "aria-pressed": "false",
    "aria-label": `${bin.name}: ${count(bin.count, "tile")}`, title: `${bin.name}: ${count(bin.count, "tile")}` },
    h("i", { style: `block-size:${bin.count ? Math.max(8, (100 * bin.count) / most) : 0}%` }),
    h("span", { class: "long", "aria-hidden": "true" }, bin.name), h("span", { class: "short", "aria-hidden": "true" }, i % every ? "" : bin.short))));
  draw();
}

export function setupTimeline() {
  const box = byId("timeline-bars");
  const at = (/** @type {Event} */ event) => bars().indexOf(/** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest(".time-bar")));
  box.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (at(event) < 0 || event.button !== 0 || event.shiftKey) return;
    dragging = true;
    anchor = at(event);
    box.addEventListener("pointerover", extend);
  });
  let moved = false;
  const extend = (/** @type {Event} */ event) => {
    const i = at(event);
    if (!dragging || i < 0 || anchor === null || i === anchor) return;
    moved = true;
    bars().forEach((bar, n) => bar.setAttribute("aria-pressed", String(n >= Math.min(i, Number(anchor)) && n <= Math.max(i, Number(anchor)))));
  };
  addEventListener("pointerup", (event) => {
    if (!dragging) return;
    dragging = false;
    box.removeEventListener("pointerover", extend);
    const target = document.elementFromPoint(event.clientX, event.clientY)?.closest(".time-bar");
    const end = bars().indexOf(/** @type {HTMLElement} */ (target));
    if (moved && anchor !== null) {
      if (end >= 0) choose(anchor, end);
      else draw();
      setTimeout(() => { moved = false; });
    }
  });
  box.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const i = at(event);
    if (i < 0 || moved) return;
    pick(i, event.shiftKey);
    focusBar(i);
  });
  box.addEventListener("keydown", onKey);
  byId("timeline-back").append(icon("left"));
  byId("timeline-next").append(icon("right"));
  byId("timeline-back").addEventListener("click", () => step(-1));
  byId("timeline-next").addEventListener("click", () => step(1));
  byId("timeline-all").addEventListener("click", () => go({ from: "", to: "" }));
  on(["dates"], build);
  on(["view"], draw);
}
