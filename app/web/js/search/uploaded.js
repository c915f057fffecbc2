/** Query images uploaded in this browser tab. The URL refers to them by number; they are lost on reload. */

/** @type {Map<number, {file: File, url: string}>} */
const images = new Map();
const MAX_IMAGES = 20;
// based on the time of loading, so that numbers of earlier page loads are not reused
let next = Date.now() % 1e9;

/**
 * @param {File} file
 * @returns {number} its number
 */
export function keep(file) {
  const n = next++;
  images.set(n, { file, url: URL.createObjectURL(file) });
  for (const [old, { url }] of images) {
    if (images.size <= MAX_IMAGES) break;
    URL.revokeObjectURL(url);
    images.delete(old);
  }
  return n;
}

/** @param {number} n */
export const uploaded = (n) => images.get(n);

/** Whether a view has a query: tiles, a place or an uploaded image. @param {import("../core/types.js").View} view */
export const hasQuery = (view) => view.items.length > 0 || view.point !== null || Boolean(uploaded(view.upload));
