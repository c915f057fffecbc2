/** Compares two dates on the map: imagery of one left of a divide, of the other right of it. The divide is dragged or moved with the arrow keys. */

import * as api from "../core/api.js";
import { byId, h } from "../core/dom.js";
import { current, on, state } from "../core/state.js";
import { lowerSheet } from "../core/splitter.js";
import { isChosen } from "./dates.js";
import { layer, timeQuery } from "../map/layers.js";

const L = /** @type {any} */ (window).L;
const SIDES = /** @type {const} */ (["left", "right"]);
const STEP = 0.04;

/** @param {any} map */
export function setupSwipe(map) {
  const container = map.getContainer();
  const button = byId("timeline-compare");
  for (const side of SIDES) {
    const pane = map.createPane(`swipe-${side}`);
    pane.style.zIndex = 210;
    pane.style.pointerEvents = "none";
  }
  let at = 0.5;
  /** @type {Record<string, any>} */ let layers = {};
  /** @type {Record<string, HTMLSelectElement>} */ const selects = {};
  const divide = h("div", { class: "swipe", role: "slider", tabindex: 0, "aria-label": "Divide between the dates", "aria-valuemin": 0, "aria-valuemax": 100 }, h("i"));
  const box = h("div", { class: "swipe-box", hidden: true }, divide, SIDES.map((side) => {
    selects[side] = h("select", { class: `swipe-date ${side}`, "aria-label": `Date on the ${side}`, onchange: () => show(side) });
    return selects[side];
  }));
  byId("map-body").append(box);

  function clip() {
    const size = map.getSize();
    const [nw, se] = [[0, 0], [size.x, size.y]].map((p) => map.containerPointToLayerPoint(p));
    const x = nw.x + at * size.x;
    const area = (/** @type {number} */ w, /** @type {number} */ e) => `polygon(${w}px ${nw.y}px, ${e}px ${nw.y}px, ${e}px ${se.y}px, ${w}px ${se.y}px)`;
    map.getPane("swipe-left").style.clipPath = area(nw.x, x);
    map.getPane("swipe-right").style.clipPath = area(x, se.x);
    box.style.setProperty("--at", `${100 * at}%`);
    divide.setAttribute("aria-valuenow", String(Math.round(100 * at)));
    divide.setAttribute("aria-valuetext", `${Math.round(100 * at)} % ${selects.left.selectedOptions[0]?.textContent ?? ""}`);
  }

  /** @param {"left"|"right"} side */
  function show(side) {
    const bin = state.dates[Number(selects[side].value)];
    const c = current();
    const extent = c?.extent?.spatial?.bbox?.[0];
    layers[side]?.remove();
    layers[side] = bin && c && extent ? layer(api.mapTilesUrl(c.id) + timeQuery(bin.from, bin.to), `swipe-${side}`, extent).setOpacity(1).addTo(map) : null;
    clip();
  }

  /**
   * @param {boolean} on
   * @param {{left?: string, right?: string}} [days] shown first; else the chosen or the first date, and the last
   */
  function toggle(on, days = {}) {
    button.setAttribute("aria-pressed", String(on));
    box.hidden = !on;
    container.classList.toggle("comparing", on);
    for (const each of Object.values(layers)) each?.remove();
    layers = {};
    map.off("move resize zoomend viewreset", clip);
    if (!on) return;
    const { dates } = state;
    const last = dates.length - 1;
    const chosen = dates.findIndex(isChosen);
    const binOf = (/** @type {string|undefined} */ day) => (day ? dates.findIndex((bin) => bin.from <= day && day <= bin.to) : -1);
    const preset = { left: binOf(days.left), right: binOf(days.right) };
    const first = { left: preset.left >= 0 ? preset.left : chosen >= 0 && chosen < last ? chosen : 0, right: preset.right >= 0 ? preset.right : last };
    for (const side of SIDES) {
      selects[side].replaceChildren(...dates.flatMap((bin, i) => (bin.count ? [h("option", { value: i, selected: i === first[side] }, bin.name)] : [])));
      show(side);
    }
    map.on("move resize zoomend viewreset", clip);
  }

  const move = (/** @type {number} */ to) => { at = Math.min(0.98, Math.max(0.02, to)); clip(); };
  divide.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    event.preventDefault();
    divide.focus({ preventScroll: true });
    divide.setPointerCapture(event.pointerId);
  });
  divide.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (!divide.hasPointerCapture(event.pointerId)) return;
    const rect = container.getBoundingClientRect();
    move((event.clientX - rect.left) / rect.width);
  });
  divide.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const to = { ArrowLeft: at - STEP, ArrowRight: at + STEP, Home: 0, End: 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    move(to);
  });
  button.addEventListener("click", () => toggle(box.hidden));
  addEventListener("dyad-compare", (event) => {
    const { left, right, ring } = /** @type {CustomEvent} */ (event).detail;
    map.fitBounds(L.latLngBounds(ring).pad(1), { animate: false });
    lowerSheet(true);
    at = 0.5;
    toggle(true, { left, right });
    setTimeout(() => divide.focus({ preventScroll: true }), 50); // after the dialog has returned the focus
  });
  on(["dates"], () => { if (!box.hidden) toggle(state.dates.length > 1); });
}
