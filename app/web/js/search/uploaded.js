/** Images that were used as a query in this tab. The address bar names them by number; they do not survive a reload. */

/** @type {Map<number, {file: File, url: string}>} */
const images = new Map();
const KEPT = 20;
// starts anew on every load and never at a number of an older one, so that a stale address is recognised
let next = Date.now() % 1e9;

/**
 * @param {File} file
 * @returns {number} its number
 */
export function keep(file) {
  const n = next++;
  images.set(n, { file, url: URL.createObjectURL(file) });
  for (const [old, { url }] of images) {
    if (images.size <= KEPT) break;
    URL.revokeObjectURL(url);
    images.delete(old);
  }
  return n;
}

/** @param {number} n */
export const uploaded = (n) => images.get(n);

/** Whether a view asks for something, by tiles or by an image. @param {import("../core/types.js").View} view */
export const hasQuery = (view) => view.items.length > 0 || Boolean(uploaded(view.upload));
