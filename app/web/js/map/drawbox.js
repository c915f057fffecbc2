/** Draw a bounding box on the map by dragging with mouse, pen or touch. Esc cancels. */

const L = /** @type {any} */ (window).L;

/**
 * @param {any} map
 * @param {HTMLButtonElement} button toggles the tool
 * @param {(bounds: any) => void} ondone called with Leaflet bounds
 */
export function setupBoxTool(map, button, ondone) {
  const container = map.getContainer();
  /** @type {any} */ let start = null;
  /** @type {any} */ let rectangle = null;
  let active = false;

  const setActive = (/** @type {boolean} */ on) => {
    active = on;
    button.setAttribute("aria-pressed", String(on));
    button.textContent = on ? "Drag on the map…" : "Draw box";
    container.classList.toggle("drawing", on);
    map.dragging[on ? "disable" : "enable"]();
    rectangle?.remove();
    start = rectangle = null;
  };

  button.addEventListener("click", () => setActive(!active));
  container.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    if (!active || event.button !== 0) return;
    event.preventDefault();
    event.stopPropagation();
    container.setPointerCapture(event.pointerId);
    start = map.mouseEventToLatLng(event);
    rectangle = L.rectangle([start, start], { className: "box drawn", interactive: false }).addTo(map);
  }, true);
  container.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (start) rectangle.setBounds(L.latLngBounds(start, map.mouseEventToLatLng(event)));
  });
  container.addEventListener("pointerup", (/** @type {PointerEvent} */ event) => {
    if (!start) return;
    const bounds = L.latLngBounds(start, map.mouseEventToLatLng(event));
    const from = map.latLngToContainerPoint(start), to = map.mouseEventToContainerPoint(event);
    setActive(false);
    if (Math.abs(from.x - to.x) > 3 && Math.abs(from.y - to.y) > 3) ondone(bounds);
  });
  container.addEventListener("pointercancel", () => active && setActive(false));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !active) return;
    event.stopPropagation();
    setActive(false);
  }, true);
}
