/** Drag and drop of files: the drop zones search with the image, add the files to the collection, or propose a new collection for them. */

import { byId, h } from "../core/dom.js";
import { current } from "../core/state.js";
import { searchImage } from "../search/querypanel.js";
import { fromDrop } from "./files.js";
import { openProposal } from "./proposal.js";
import { openUpload } from "./upload.js";

/** @param {DragEvent} event */
const hasFiles = (event) => Boolean(event.dataTransfer?.types.includes("Files")) && !document.querySelector("dialog[open]");

/** @param {Event} event */
const zoneOf = (event) => /** @type {HTMLElement|null} */ (/** @type {Element} */ (event.target).closest?.("[data-drop]"));

export function setupDrop() {
  const overlay = byId("drop");
  overlay.append(h("div", { class: "drop-zone", "data-drop": "new" }, h("b", {}, "New collection"), h("span", {}, "from these files, with a preview first")));
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
    const zone = zoneOf(event)?.dataset.drop;
    const files = await (hide(), fromDrop(event.dataTransfer));
    if (!files.length) return;
    if (!c || zone === "new") void openProposal(files);
    else if (zone !== "add" && files.length === 1 && c.item_count && !/\.zip$/i.test(files[0].path)) searchImage(files[0].file);
    else openUpload(c.id, files);
  });
}
