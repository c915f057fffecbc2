/** Visible part of an element inside scrolling ancestors, whatever the layout is. */

/** @param {HTMLElement} element */
function scrollers(element) {
  const found = [];
  for (let e = element.parentElement; e; e = e.parentElement) if (/auto|scroll/.test(getComputedStyle(e).overflowY)) found.push(e);
  return found;
}

/** Distances of the top and the bottom of the visible part from the top of the element, in pixels. @param {HTMLElement} element */
export function visiblePart(element) {
  const box = element.getBoundingClientRect();
  let top = 0, bottom = innerHeight;
  for (const e of scrollers(element)) {
    const edge = e.getBoundingClientRect();
    [top, bottom] = [Math.max(top, edge.top), Math.min(bottom, edge.bottom)];
  }
  return { top: top - box.top, bottom: bottom - box.top };
}

/** Scroll the element. @param {HTMLElement} element @param {number} by pixels */
export function scrollBy(element, by) {
  const scroller = scrollers(element).find((e) => e.scrollHeight > e.clientHeight) ?? document.documentElement;
  scroller.scrollTop += by;
}
