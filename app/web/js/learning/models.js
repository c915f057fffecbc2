/** Dialog of the installed models: import, export, activate, delete. */

import * as api from "../core/api.js";
import { confirmed, openDialog } from "../core/dialog.js";
import { announce, attempt, byId, errorBox, h, size } from "../core/dom.js";
import { loadModels } from "../core/loading.js";
import { state } from "../core/state.js";
import { licenceLines, researchTag } from "./names.js";

/** @typedef {import("../core/types.js").Model} Model */

/** @type {Record<string, string>} */
const ORIGINS = { shipped: "included", "built-in": "built in", added: "added" };

/** Properties of a model in one line. @param {Model} m */
export function modelSummary(m) {
  return [m.bands.join(", "), `${m.input_size} px`, `${m.dimension} dimensions`, m.matcher && "re-ranking"].filter(Boolean).join(" · ");
}

/**
 * @param {Model} m
 * @param {() => Promise<void>} reload
 */
function modelCard(m, reload) {
  const note = h("div", {});
  const act = (/** @type {string} */ message, /** @type {() => Promise<any>} */ action) => async (/** @type {any} */ event) => {
    const done = await attempt(note, async () => {
      await action();
      await loadModels();
      return true;
    }, event.currentTarget);
    if (!done) return;
    announce(message);
    await reload();
  };
  const remove = act(`${m.id} deleted`, () => api.deleteModel(m.id));
  const users = m.used_by ?? [];
  return h("article", { class: `entry${m.default ? " chosen" : ""}`, "data-model": m.id },
    h("div", { class: "row" }, h("b", {}, m.title || m.id), m.default && h("span", { class: "tag" }, "active"), researchTag(m), h("span", { class: "spread" }),
      h("span", { class: "muted" }, [ORIGINS[m.origin], m.size_bytes > 0 && size(m.size_bytes)].filter(Boolean).join(" · "))),
    h("p", { class: "muted" }, `${m.id} · ${modelSummary(m)}`),
    m.description && h("p", {}, m.description),
    licenceLines(m).map((line) => h("p", {}, line)),
    h("p", { class: "muted" }, users.length ? ["Used by ", h("b", {}, users.join(", "))] : "Used by no collection"),
    note,
    h("div", { class: "row acts-row" },
      !m.default && h("button", { type: "button", title: "New collections use it. Collections that follow the active model are re-indexed with it when their schedule runs.",
        onclick: act(`${m.id} is now the active model`, () => api.activateModel(m.id)) }, "Activate"),
      m.origin !== "built-in" && h("a", { class: "button quiet", href: api.bundleUrl(m.id), download: `${m.id}.zip` }, "Export"),
      m.origin === "added" && h("button", { type: "button", class: "quiet danger-text", onclick: async (/** @type {any} */ event) => {
        const button = event.currentTarget;
        if (await confirmed(`This deletes the model "${m.title || m.id}" and its files. It cannot be undone.`, "Delete the model")) await remove({ currentTarget: button });
      } }, "Delete…")));
}

/** Result of an import. @param {any} made */
const imported = (made) => (made.unchanged ? `${made.title || made.id} is already installed, with the same content.` : `${made.title || made.id} is imported.`);

async function openModels() {
  const list = h("div", { class: "stack" }, h("p", { class: "muted" }, "Loading…"));
  const note = h("div", { "aria-live": "polite" });
  const draw = async () => list.replaceChildren(...state.models.map((m) => modelCard(m, draw)));
  const choose = h("button", { type: "button", class: "primary", onclick: () => input.click() }, "Import a bundle…");
  const input = h("input", { type: "file", class: "sr-only", tabindex: -1, accept: ".zip,application/zip", id: "model-file", "aria-label": "Bundle to import", onchange: async () => {
    const [file] = input.files;
    input.value = ""; // so that choosing the same file again fires an event
    if (!file) return;
    const made = await attempt(note, () => api.importModel(file), choose);
    if (!made) return;
    note.replaceChildren(h("p", { class: "good" }, imported(made)));
    await loadModels();
    await draw();
  } });
  openDialog("Models", [
    h("div", { class: "row" }, h("p", { class: "muted grow" }, "A model turns tiles into embedding vectors. A bundle is a zip file, created by Export or by dyad train."), input, choose),
    note, list,
  ], { class: "panel" });
  try {
    await loadModels();
    await draw();
  } catch (error) {
    list.replaceChildren(errorBox(error));
  }
}

export function setupModels() {
  byId("models").addEventListener("click", openModels);
}
