/**
 * The map by keyboard. With the focus on the map itself, arrow keys pan, and Enter searches with its middle, which a cross marks. The footprints
 * of the results are one tab stop: arrow keys move to the next one in that direction, Enter searches with it, `i` opens its details.
 */

import { set, state } from "../core/state.js";
import { toggleMark } from "../results/card.js";
import { openDetails } from "../results/details.js";
import { hasQuery } from "../search/uploaded.js";

/** @typedef {{id: string, layer: any, bounds: any, title: string}} Placed */

/** @type {Record<string, [number, number]>} */
const WAYS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

/** @param {Placed[]} placed in the order of their rank; called when the footprints were drawn again */
export function makeFocusable(placed) {
  placed.forEach((p, i) => {
    const element = p.layer.getElement();
    for (const [name, value] of [["tabindex", i ? "-1" : "0"], ["role", "link"], ["aria-label", `${p.title}. Find similar tiles.`], ["data-id", p.id]]) element?.setAttribute(name, value);
  });
}

/**
 * @param {any} map
 * @param {() => Placed[]} placed
 * @param {(id: string) => void} choose called for Enter and Space
 * @param {(latlng: any) => void} search called for Enter on the map itself
 */
export function setupMapKeys(map, placed, choose, search) {
  const container = map.getContainer();
  const indexOf = (/** @type {any} */ element) => placed().findIndex((p) => p.layer.getElement() === element);
  const middle = (/** @type {Placed} */ p) => map.latLngToContainerPoint(p.bounds.getCenter());

  /** The nearest footprint in a direction, on the screen. @param {Placed} from @param {[number, number]} way */
  function next(from, [x, y]) {
    const at = middle(from);
    let best, least = Infinity;
    for (const p of placed()) {
      const by = middle(p).subtract(at);
      const ahead = by.x * x + by.y * y, aside = Math.abs(by.x * y) + Math.abs(by.y * x);
      const far = ahead + 2.5 * aside;
      if (p !== from && ahead > 1 && far < least) [best, least] = [p, far];
    }
    return best;
  }

  /** @param {Placed|undefined} p */
  function focus(p) {
    if (!p) return;
    for (const each of placed()) each.layer.getElement()?.setAttribute("tabindex", each === p ? "0" : "-1");
    map.panInside(p.bounds.getCenter(), { padding: [60, 60], animate: false });
    p.layer.getElement()?.focus({ preventScroll: true });
  }

  container.addEventListener("focusin", (/** @type {FocusEvent} */ event) => {
    const p = placed()[indexOf(event.target)];
    if (p) set({ hover: { id: p.id, from: "map" } });
  });
  container.addEventListener("focusout", (/** @type {FocusEvent} */ event) => { if (indexOf(event.target) >= 0) set({ hover: { id: null, from: "" } }); });
  container.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || container.classList.contains("drawing")) return;
    if (event.target === container && event.key === "Enter") {
      event.preventDefault();
      search(map.getCenter());
      return;
    }
    const all = placed();
    const at = all[indexOf(event.target)];
    if (!at) return;
    if (event.key in WAYS) focus(next(at, WAYS[event.key]));
    else if (event.key === "Home" || event.key === "End") focus(event.key === "Home" ? all[0] : all[all.length - 1]);
    else if (event.key === "Enter" || event.key === " ") choose(at.id);
    else if (event.key === "i") void openDetails(at.id);
    else if ((event.key === "+" || event.key === "-") && hasQuery(state.view)) toggleMark(at.id, event.key === "+" ? "more" : "less");
    else if (event.key === "Escape") container.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
