/** Files from drag and drop or a file chooser, with folders; each file has a path. */

/** @typedef {{file: File, path: string}} Picked */

const HIDDEN = /(^|\/)(\.|__MACOSX\/|(eh)?thumbs\.db$|desktop\.ini$)/i;

/** @param {FileSystemDirectoryEntry} folder @returns {Promise<FileSystemEntry[]>} */
async function entriesOf(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const all = [];
  for (;;) {
    // a reader returns at most 100 entries per call
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
 * All files of a drop. Call it inside the event handler: the browser clears the items after the event.
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

/** Name of the folder that contains a file, "" at the top level. @param {string} path */
export const folderOf = (path) => path.split("/").at(-2) ?? "";

/**
 * Split files into batches, one request each, small enough to repeat when a connection fails.
 * @param {Picked[]} files
 * @param {number} most maximum number of files in a batch
 * @param {number} bytes maximum size of a batch
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
