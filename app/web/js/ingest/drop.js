/** Drag and drop of files: one drop zone searches with the image, the other adds the files to the collection. */

import { byId } from "../core/dom.js";
import { current } from "../core/state.js";
import { searchImage } from "../search/querypanel.js";
import { fromDrop } from "./files.js";
import { openUpload } from "./upload.js";

/** @param {DragEvent} event */
const hasFiles = (event) => Boolean(event.dataTransfer?.types.includes("Files")) && !document.querySelector("dialog[open]");

/** @param {Event} event */
const zoneOf = (event) => /** @type {HTMLElement|null} */ (/** @type {Element} */ (event.target).closest?.("[data-drop]"));

export function setupDrop() {
  const overlay = byId("drop");
  let depth = 0;
  const hide = () => { depth = 0; overlay.hidden = true; };

  addEventListener("dragenter", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    depth += 1;
    const c = current();
    const many = (event.dataTransfer?.items.length ?? 0) > 1;
    overlay.hidden = false;
    overlay.classList.toggle("no-search", many || !c?.item_count);
    overlay.classList.toggle("no-add", !c);
    byId("drop-add").textContent = c ? `to ${c.title || c.id}` : "(create a collection first)";
  });
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    overlay.querySelectorAll(".over").forEach((/** @type {Element} */ e) => e.classList.remove("over"));
    zoneOf(event)?.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (overlay.hidden) return;
    depth -= 1;
    if (depth <= 0 || event.relatedTarget === null) hide();
  });
  addEventListener("drop", async (event) => {
    if (!hasFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    const c = current();
    const onAdd = zoneOf(event)?.dataset.drop === "add";
    const files = await (hide(), fromDrop(event.dataTransfer));
    if (!c || !files.length) return;
    if (!onAdd && files.length === 1 && c.item_count && !/\.zip$/i.test(files[0].path)) searchImage(files[0].file);
    else openUpload(c.id, files);
  });
}
