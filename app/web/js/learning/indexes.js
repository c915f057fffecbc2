/** Tab "Index" of a collection: index versions, re-indexing, rollback. */

import * as api from "../core/api.js";
import { confirmed } from "../core/dialog.js";
import { attempt, errorBox, group, h, when } from "../core/dom.js";
import { go } from "../core/route.js";
import { state } from "../core/state.js";
import { indexChanged } from "../jobs/completion.js";
import { watch } from "../jobs/tracker.js";
import { jobView } from "../jobs/view.js";
import { licenceLines, modelTitle, RESEARCH_ONLY } from "./names.js";

/** @typedef {import("../core/types.js").Collection} Collection */
/** @typedef {{version: string, model: string, size: number, built_at: string|null, live: boolean, candidate: boolean, reason: string|null}} Index */

/**
 * @param {Index} index
 * @param {Collection} c
 * @param {{search: () => void, rollBack: (index: Index, button: HTMLButtonElement) => void}} actions
 */
function row(index, c, { search, rollBack }) {
  const searched = state.view.collection === c.id && (state.view.version ? state.view.version === index.version : index.live);
  return h("tr", { class: index.live ? "chosen" : null },
    h("th", { scope: "row" }, index.version, index.live && [" ", h("span", { class: "tag" }, "current")],
      index.candidate && [" ", h("span", { class: "tag", title: index.reason ?? "" }, "not enough evidence")]),
    h("td", {}, modelTitle(index.model)), h("td", { class: "amount" }, group(index.size)), h("td", {}, when(index.built_at)),
    h("td", { class: "amount" }, searched ? h("span", { class: "muted" }, "used for search")
      : h("button", { type: "button", class: "quiet", onclick: search }, "Search this version"),
    !index.live && h("button", { type: "button", class: "quiet", onclick: (/** @type {any} */ e) => rollBack(index, e.currentTarget) }, index.candidate ? "Switch anyway…" : "Roll back…")));
}

/** @param {Collection} c @param {string} chosen model @param {(job: import("../core/types.js").Job) => void} begin */
function build(c, chosen, begin) {
  const note = h("div", {});
  const models = h("select", { name: "model" }, state.models.map((m) => h("option", { value: m.id, selected: m.id === chosen },
    `${m.title || m.id}${m.research_only ? ` (${RESEARCH_ONLY})` : ""}`)));
  const licence = h("div", { class: "stack small", "aria-live": "polite" });
  const showLicence = () => licence.replaceChildren(...state.models.filter((m) => m.id === models.value).flatMap(licenceLines));
  models.addEventListener("change", showLicence);
  showLicence();
  const margin = h("input", { type: "number", name: "margin", min: 0, max: 1, step: "any", value: 0.01, required: true });
  const force = h("input", { type: "checkbox", name: "force" });
  const submit = h("button", {}, "Build a new index");
  return h("form", { class: "stack part", onsubmit: async (/** @type {Event} */ event) => {
    event.preventDefault();
    const job = await attempt(note, () => api.execute("reindex", { collection: c.id, model: models.value, margin: Number(margin.value), force: force.checked }), submit);
    if (job) begin(job);
  } },
  h("h3", {}, "Re-index"),
  h("p", { class: "muted" }, "A new index is built while the current one serves searches. Then both are compared on the same searches. The new index becomes the current one if there is evidence that it is not worse; otherwise it is kept and you decide. Tiles that a model has to read again are read from their stored images; the original files are not needed."),
  h("div", { class: "fields two" }, h("label", { class: "field" }, "Model", models),
    h("label", { class: "field" }, "Tolerated loss of mAP (0 to 1)", margin)),
  licence,
  h("label", { class: "option" }, force, h("span", {}, "Switch anyway, even if the new index is worse or cannot be compared")),
  note, h("div", { class: "row end" }, submit));
}

/**
 * The tab.
 * @param {Collection} c @param {string} [model] selected for re-indexing; by default the collection's
 * @param {() => void} [close] closes the dialog, to see a search with another version
 */
export function indexes(c, model = c.model, close = () => {}) {
  const list = h("div", { class: "stack" }, h("p", { class: "muted" }, "Loading…"));
  const run = h("div", { class: "stack" });
  const note = h("div", { "aria-live": "polite" });

  const rollBack = async (/** @type {Index} */ index, /** @type {HTMLButtonElement} */ button) => {
    const [text, action] = index.candidate ? [`There is not enough evidence that ${index.version} is as good as the current index. Searches will use it; you can roll back.`, "Switch anyway"]
      : [`Searches will use ${index.version} again, with the current tiles and labels.`, "Roll back"];
    if (!(await confirmed(text, action))) return;
    if (!(await attempt(note, () => api.rollback(c.id, index.version), button))) return;
    await indexChanged(c.id);
    await load();
  };

  /** @param {Index[]} found */
  const draw = (found) => list.replaceChildren(h("div", { class: "scroll" }, h("table", { class: "table" },
    h("thead", {}, h("tr", {}, ["Index", "Model", "Tiles", "Built", ""].map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, found.map((index) => row(index, c, {
      rollBack,
      search: () => {
        close();
        go({ version: index.live ? "" : index.version });
      },
    }))))));

  async function load() {
    try {
      draw((await api.indexes(c.id)).indexes);
    } catch (error) {
      list.replaceChildren(errorBox(error));
    }
  }

  const begin = async (/** @type {import("../core/types.js").Job} */ job) => {
    const view = jobView(job);
    run.replaceChildren(view.element);
    await watch(job, view).catch(() => {}); // the view shows the error
    await load();
  };
  void load();
  return [list, note, run, build(c, model, begin)];
}
