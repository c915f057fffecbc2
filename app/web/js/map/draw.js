/**
 * Draws a box, a polygon or a lasso on the map with mouse, pen, touch or keyboard. A box and a lasso are dragged; corners of a polygon are
 * clicked. With the keyboard, Space sets a corner in the middle of the map and Enter ends the shape. Esc cancels, Backspace removes a corner.
 */

const L = /** @type {any} */ (window).L;
/** @typedef {"box"|"polygon"|"lasso"} Tool */
/** @type {Record<Tool, string>} */
const HINTS = {
  box: "Drag a box. Esc cancels.",
  polygon: "Click the corners; double-click or Enter ends the polygon. Esc cancels.",
  lasso: "Drag around the area. Esc cancels.",
};
const CLOSE = 9; // px, distance at which a click on the first corner ends a polygon
const SAMPLE = 4; // px, distance between the points of a lasso
const TOLERANCE = 1.5; // px, of the simplified lasso

/**
 * @param {any} map
 * @param {Record<Tool, HTMLButtonElement>} buttons
 * @param {HTMLElement} hint
 * @param {(ring: any[], tool: Tool) => void} ondone called with the corners as `LatLng`s
 */
export function setupDrawing(map, buttons, hint, ondone) {
  const container = map.getContainer();
  /** @type {Tool|null} */ let tool = null;
  /** @type {any[]} */ let ring = [];
  /** @type {any} */ let shape = null;
  let dragging = false;

  /** @param {Tool|null} next */
  function choose(next) {
    tool = next;
    ring = [];
    dragging = false;
    shape?.remove();
    shape = next && L.polygon([], { className: "box drawn", interactive: false }).addTo(map);
    for (const [name, button] of Object.entries(buttons)) button.setAttribute("aria-pressed", String(name === next));
    hint.textContent = next ? HINTS[next] : "";
    container.classList.toggle("drawing", Boolean(next));
    for (const handler of [map.dragging, map.doubleClickZoom]) handler[next && (next !== "polygon" || handler !== map.dragging) ? "disable" : "enable"]();
    if (next) container.focus({ preventScroll: true });
  }

  const px = (/** @type {any} */ at) => map.latLngToContainerPoint(at);
  const isBig = () => {
    const bounds = L.bounds(ring.map(px));
    return bounds.getSize().x > 3 && bounds.getSize().y > 3;
  };
  const corners = (/** @type {any} */ a, /** @type {any} */ b) => {
    const box = L.latLngBounds(a, b);
    return [box.getNorthWest(), box.getNorthEast(), box.getSouthEast(), box.getSouthWest()];
  };

  /** End the shape, after the click that ended it was handled. */
  function finish() {
    const used = /** @type {Tool} */ (tool);
    let done = ring.length > 2 && isBig() ? ring : null;
    if (done && used === "lasso") done = L.LineUtil.simplify(done.map(px), TOLERANCE).map((/** @type {any} */ p) => map.containerPointToLatLng(p));
    setTimeout(() => {
      choose(null);
      if (done && done.length > 2) ondone(done, used);
    });
  }

  /** @param {any} at */
  function addCorner(at) {
    if (tool === "box") {
      if (ring.length) { ring = corners(ring[0], at); finish(); return; }
    } else if (ring.length > 2 && px(ring[0]).distanceTo(px(at)) < CLOSE) { finish(); return; }
    if (!ring.length || px(ring[ring.length - 1]).distanceTo(px(at)) > 2) ring.push(at);
    shape.setLatLngs(ring);
  }

  for (const [name, button] of Object.entries(buttons)) button.addEventListener("click", () => choose(tool === name ? null : /** @type {Tool} */ (name)));

  container.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (!tool || tool === "polygon" || event.button !== 0 || /** @type {Element} */ (event.target).closest(".leaflet-control")) return;
    event.preventDefault();
    event.stopPropagation();
    container.setPointerCapture(event.pointerId);
    dragging = true;
    ring = [map.mouseEventToLatLng(event)];
  }, true);
  container.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const at = tool && map.mouseEventToLatLng(event);
    if (tool === "polygon" && ring.length) shape.setLatLngs([...ring, at]);
    if (!dragging) return;
    if (tool === "box") shape.setLatLngs(corners(ring[0], at));
    else if (px(ring[ring.length - 1]).distanceTo(px(at)) >= SAMPLE) shape.setLatLngs(ring = [...ring, at]);
  });
  container.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => {
    if (!dragging) return;
    dragging = false;
    if (tool === "box") ring = corners(ring[0], map.mouseEventToLatLng(event));
    finish();
  });
  container.addEventListener("pointercancel", () => choose(null));
  map.on("click", (/** @type {any} */ event) => { if (tool === "polygon") addCorner(event.latlng); });
  map.on("dblclick", () => { if (tool === "polygon") finish(); });

  document.addEventListener("keydown", (event) => {
    if (!tool || !(event.key === "Escape" || container.contains(document.activeElement))) return;
    if (event.key === "Escape") choose(null);
    else if (event.key === " ") addCorner(map.getCenter());
    else if (event.key === "Enter") finish();
    else if (event.key === "Backspace") shape.setLatLngs(ring = ring.slice(0, -1));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }, true);
}
