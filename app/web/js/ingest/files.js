/** Files from a drop or a chooser, folders included, each with its path. */

/** @typedef {{file: File, path: string}} Picked */

const HIDDEN = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$)/;

/** @param {FileSystemDirectoryEntry} folder @returns {Promise<FileSystemEntry[]>} */
async function entriesOf(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const all = [];
  for (;;) {
    // a reader hands out a folder in parts, at most 100 entries each
    const part = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!part.length) return all;
    all.push(...part);
  }
}

/** @param {FileSystemEntry} entry @returns {Promise<Picked[]>} */
async function walk(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  if (HIDDEN.test(path)) return [];
  if (entry.isFile) {
    const file = await new Promise((done, fail) => /** @type {FileSystemFileEntry} */ (entry).file(done, fail));
    return [{ file, path }];
  }
  const out = [];
  for (const child of await entriesOf(/** @type {FileSystemDirectoryEntry} */ (entry))) out.push(...await walk(child));
  return out;
}

/**
 * Everything in a drop. Call it at once in the event: the browser forgets a drop's items after it.
 * @param {DataTransfer} transfer
 * @returns {Promise<Picked[]>}
 */
export async function fromDrop(transfer) {
  const entries = [...transfer.items].map((i) => i.webkitGetAsEntry?.()).filter((e) => e !== null && e !== undefined);
  if (!entries.length) return fromList(transfer.files);
  const out = [];
  for (const entry of entries) out.push(...await walk(entry));
  return out;
}

/** @param {Iterable<File>} files @returns {Picked[]} */
export function fromList(files) {
  return [...files].map((file) => ({ file, path: file.webkitRelativePath || file.name })).filter(({ path }) => !HIDDEN.test(path));
}

/** Name of the folder that a file lies in, "" at the top. @param {string} path */
export const folderOf = (path) => path.split("/").at(-2) ?? "";

/**
 * Cut a list into requests of a size that can be repeated when a connection breaks.
 * @param {Picked[]} files
 * @param {number} most files
 * @param {number} bytes
 */
export function batches(files, most, bytes) {
  /** @type {Picked[][]} */
  const out = [];
  let room = 0;
  for (const picked of files) {
    const last = out.at(-1);
    if (last && last.length < most && picked.file.size <= room) last.push(picked);
    else { out.push([picked]); room = bytes; }
    room -= picked.file.size;
  }
  return out;
}
