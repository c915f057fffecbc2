/** The index version of the results: a menu to search another one, and a message about a new index that waits for a decision. */

import * as api from "../core/api.js";
import { confirmed } from "../core/dialog.js";
import { attempt, byId, count, errorBox, h, when } from "../core/dom.js";
import { go } from "../core/route.js";
import { current, on, state } from "../core/state.js";
import { indexChanged } from "../jobs/completion.js";
import { modelTitle } from "./names.js";

/** @typedef {{version: string, model: string, size: number, built_at: string|null, live: boolean, candidate: boolean, reason: string|null}} Index */

/** @param {Index} index */
function entry(index) {
  const used = state.view.version ? state.view.version === index.version : index.live;
  return h("li", {}, h("button", { type: "button", class: "proposal", "aria-current": String(used), onclick: () => go({ version: index.live ? "" : index.version }) },
    h("span", {}, h("b", {}, index.version), index.live && " (current)", index.candidate && " (undecided)"),
    h("span", { class: "muted small" }, [modelTitle(index.model), count(index.size, "tile"), index.built_at && when(index.built_at).slice(0, 10)].filter(Boolean).join(" · "))));
}

/** The version as a menu of all versions of the collection. @param {string} version */
export function versionMenu(version) {
  const list = h("ul", { class: "version-list" }, h("li", { class: "muted" }, "Loading…"));
  const menu = h("details", { class: "menu inline", id: "versions" }, h("summary", { title: "Search another index version" }, `version ${version}`), h("div", { class: "pop" }, list));
  menu.addEventListener("toggle", async () => {
    if (!menu.open) return;
    try {
      list.replaceChildren(.../** @type {Index[]} */ ((await api.indexes(state.view.collection)).indexes).map(entry));
    } catch (error) {
      list.replaceChildren(errorBox(error));
    }
  });
  return menu;
}

/** Storage key of a decision that was put off; the value is the version. @param {string} collection */
const laterKey = (collection) => `dyad.undecided.${collection}`;

/** @param {string} collection @param {Index} index */
function message(collection, index) {
  const note = h("div", {});
  const switchAnyway = async (/** @type {any} */ event) => {
    const button = event.currentTarget;
    if (!(await confirmed(`There is not enough evidence that ${index.version} is as good as the current index. Searches will use it; you can roll back.`, "Switch anyway"))) return;
    if (await attempt(note, () => api.rollback(collection, index.version), button)) await Promise.all([indexChanged(collection), load()]);
  };
  return h("div", { class: "news" },
    h("div", { class: "grow" }, h("p", {}, h("b", {}, `The new index ${index.version} waits for your decision.`), " It was not switched: there is not enough evidence that it is as good as the current one."),
      index.reason && h("p", { class: "muted small" }, index.reason), note),
    h("button", { type: "button", id: "undecided-search", onclick: () => go({ version: index.version }) }, "Search with it"),
    h("button", { type: "button", id: "undecided-switch", onclick: switchAnyway }, "Switch anyway…"),
    h("button", { type: "button", class: "quiet", onclick: () => { localStorage.setItem(laterKey(collection), index.version); byId("undecided").hidden = true; } }, "Later"));
}

async function load() {
  const c = current();
  const box = byId("undecided");
  box.hidden = true;
  if (!c?.item_count) return;
  try {
    const found = /** @type {Index[]} */ ((await api.indexes(c.id)).indexes).find((index) => index.candidate);
    if (!found || current()?.id !== c.id || localStorage.getItem(laterKey(c.id)) === found.version) return;
    box.replaceChildren(message(c.id, found));
    box.hidden = false;
  } catch {
    // the tab "Index" shows the error
  }
}

export function setupVersions() {
  byId("upgrade").after(h("div", { id: "undecided", role: "status", hidden: true }));
  let seen = "";
  on(["view", "collections", "running"], () => {
    const c = current();
    const now = `${c?.id} ${c?.index?.version} ${state.running.length > 0}`;
    if (now !== seen) void load();
    seen = now;
  });
}
