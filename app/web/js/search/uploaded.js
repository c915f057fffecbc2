/**
 * Query images uploaded in this browser. The URL refers to them by number. IndexedDB keeps the last ones, so that a link survives a reload
 * and a restart of the browser; where it is not available, as in some private windows, they are lost on reload.
 */

/** @type {Map<number, {file: File, url: string}>} */
const images = new Map();
const MAX_IMAGES = 20;
const MAX_STORED = 50e6; // bytes of an image that is stored
const STORE = "uploads";
// the time, so that numbers of earlier page loads are not reused
let next = Date.now();

/** @template T @param {IDBRequest<T>} request @returns {Promise<T>} */
const answered = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/** @param {"readonly"|"readwrite"} mode @returns {Promise<IDBObjectStore>} */
async function store(mode) {
  const opening = indexedDB.open("dyad", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return (await answered(opening)).transaction(STORE, mode).objectStore(STORE);
}

/** Read the images of earlier page loads. */
export async function restoreUploads() {
  try {
    const files = await store("readonly");
    const [keys, values] = await Promise.all([answered(files.getAllKeys()), answered(files.getAll())]);
    keys.forEach((key, i) => images.set(Number(key), { file: values[i], url: URL.createObjectURL(values[i]) }));
  } catch { /* not available: the page works without */ }
}

/** @param {number} n @param {File|null} file null to delete it */
async function save(n, file) {
  try {
    const files = await store("readwrite");
    await answered(file ? files.put(file, n) : files.delete(n));
  } catch { /* not available, or full: lost on reload */ }
}

/**
 * @param {File} file
 * @returns {number} its number
 */
export function keep(file) {
  const n = next++;
  images.set(n, { file, url: URL.createObjectURL(file) });
  if (file.size <= MAX_STORED) void save(n, file);
  for (const [old, { url }] of images) {
    if (images.size <= MAX_IMAGES) break;
    URL.revokeObjectURL(url);
    images.delete(old);
    void save(old, null);
  }
  return n;
}

/** @param {number} n */
export const uploaded = (n) => images.get(n);

/** Whether a view has a query: tiles, a place, an area or an uploaded image. @param {import("../core/types.js").View} view */
export const hasQuery = (view) => view.items.length > 0 || view.point !== null || view.areas.length > 0 || Boolean(uploaded(view.upload));
