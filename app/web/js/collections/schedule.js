/** Tab "Schedule" of a collection: sources to compare with the collection, times, and the result of the last run. */

import * as api from "../core/api.js";
import { confirmed } from "../core/dialog.js";
import { attempt, errorBox, h, icon, when } from "../core/dom.js";
import { watch } from "../jobs/tracker.js";
import { STATUS, countsText, jobView, rejectedList } from "../jobs/view.js";

/** @typedef {import("../core/types.js").Collection} Collection */

/** @type {[string, string][]} */
const TIMES = [["0 * * * *", "Every hour"], ["0 3 * * *", "Every night at 3:00"], ["0 3 * * 1", "Mondays at 3:00"], ["0 3 1 * *", "First day of the month at 3:00"]];
/** @type {[string, string, string][]} kind, name, example */
const KINDS = [["path", "File or folder", "/data/scenes or https://…/scene.tif"], ["glob", "Glob pattern", "/data/**/*.tif"], ["stac", "STAC items", "/data/catalog.json or https://…/catalog.json"]];

/** @param {any} source as in the API @param {() => void} changed called when the row is removed */
function sourceRow(source, changed) {
  const kind = h("select", { "aria-label": "Kind of source" }, KINDS.map(([value, text]) => h("option", { value, selected: value in source && source[value] !== null }, text)));
  const where = h("input", { type: "text", required: true, "aria-label": "Path on the server, or URL", value: source.path ?? source.glob ?? source.stac ?? "", spellcheck: "false" });
  const labels = h("input", { type: "checkbox", checked: Boolean(source.labels_from_folders) });
  const option = h("label", { class: "option" }, labels, h("span", {}, "Use folder names as labels"));
  const draw = () => {
    where.placeholder = KINDS.find(([value]) => value === kind.value)?.[2] ?? "";
    option.hidden = kind.value === "stac";
  };
  kind.addEventListener("change", draw);
  draw();
  const element = h("li", { class: "source" }, kind, where, option,
    h("button", { type: "button", class: "quiet", "aria-label": "Remove this source", onclick: () => { element.remove(); changed(); } }, icon("close")));
  return { element, read: () => ({ [kind.value]: where.value.trim(), ...(kind.value !== "stac" && labels.checked ? { labels_from_folders: true } : {}),
    ...(source.on_vanished ? { on_vanished: source.on_vanished } : {}) }) };
}

/** @param {any} saved the schedule, or null @param {string} zone */
function fields(saved, zone) {
  /** @type {Map<Element, () => any>} */
  const readers = new Map();
  const list = h("ul", { class: "sources", id: "sources" });
  const forgetRemoved = () => { for (const element of readers.keys()) if (!element.isConnected) readers.delete(element); };
  const add = (/** @type {any} */ source) => {
    const row = sourceRow(typeof source === "string" ? (/^(?!https?:)[^]*[*?[]/i.test(source) ? { glob: source } : { path: source }) : source, forgetRemoved);
    readers.set(row.element, row.read);
    list.append(row.element);
    return row.element;
  };
  for (const source of saved?.sources ?? [{ path: "" }]) add(source);
  const cron = h("input", { type: "text", id: "cron", value: saved?.cron ?? TIMES[1][0], required: true, spellcheck: "false", autocomplete: "off" });
  const preset = h("select", { "aria-label": "When", onchange: () => { if (preset.value) cron.value = preset.value; } });
  const matched = TIMES.some(([value]) => value === cron.value);
  preset.append(...TIMES.map(([value, text]) => h("option", { value, selected: value === cron.value }, text)), h("option", { value: "", selected: !matched }, "Cron expression"));
  cron.addEventListener("input", () => { preset.value = TIMES.some(([value]) => value === cron.value) ? cron.value : ""; });
  const timezone = h("input", { type: "text", id: "timezone", value: saved?.timezone ?? zone, required: true });
  const missing = h("select", { id: "vanished" }, h("option", { value: "keep" }, "keep, and mark as missing"), h("option", { value: "remove", selected: saved?.on_vanished === "remove" }, "remove"));
  const paused = h("input", { type: "checkbox", checked: Boolean(saved?.paused) });
  return {
    body: [
      h("fieldset", { class: "stack" }, h("legend", {}, "Sources (paths on the server, or URLs)"), list,
        h("div", { class: "row" }, h("button", { type: "button", class: "quiet", onclick: () => add({ path: "" }).querySelector("input").focus() }, "Add a source"))),
      h("div", { class: "fields" }, h("label", { class: "field" }, "When", preset), h("label", { class: "field" }, "Cron: minute hour day month weekday", cron),
        h("label", { class: "field" }, "Time zone", timezone)),
      h("div", { class: "fields two" }, h("label", { class: "field" }, "Tiles of missing files", missing),
        h("label", { class: "option" }, paused, h("span", {}, "Paused"))),
    ],
    read: () => ({ cron: cron.value.trim(), timezone: timezone.value.trim(), on_vanished: missing.value, paused: paused.checked,
      sources: [...readers].filter(([element]) => element.isConnected).map(([, read]) => read()) }),
  };
}

/** Time of the next run, and result of the last run. @param {any} saved */
function runs(saved) {
  const rejected = saved.last_result?.rejected;
  const refused = Array.isArray(rejected) ? rejected : []; // a failed run reports only their number
  const counted = countsText(saved.last_result ?? {});
  return h("div", { class: "stack" },
    h("dl", { class: "record" },
      h("dt", {}, "Next run"), h("dd", {}, saved.paused ? "paused" : when(saved.next_run) || "never"),
      h("dt", {}, "Last run"), h("dd", {}, saved.last_run ? [when(saved.last_run), STATUS[saved.last_status] ?? saved.last_status, counted, saved.last_status !== "successful" && saved.last_message].filter(Boolean).join(" · ") : "not yet"),
      saved.skipped && [h("dt", {}, "Skipped"), h("dd", {}, `${when(saved.skipped.due)}: the previous run had not finished`)]),
    rejectedList(refused, saved.last_result?.rejected_count),
    saved.last_result?.not_compared?.map((/** @type {any} */ each) => h("p", { class: "note" }, `${each.source}: ${each.reason}`)));
}

/** The tab. @param {Collection} c */
export function schedule(c) {
  const body = h("div", { class: "stack" }, h("p", { class: "muted" }, "Loading…"));
  const run = h("div", { class: "stack" });
  const note = h("div", { "aria-live": "polite" });

  /** @param {any} saved */
  function draw(saved) {
    const form = fields(saved, Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
    const save = h("button", { class: "primary", id: "schedule-save" }, saved ? "Save" : "Set the schedule");
    const start = (/** @type {boolean} */ acceptMissing) => async (/** @type {any} */ event) => {
      const job = await attempt(note, () => api.runSchedule(c.id, acceptMissing), event.currentTarget);
      if (!job) return;
      const view = jobView(job);
      run.replaceChildren(view.element);
      await watch(job, view).catch(() => {}); // the view shows the error
      await load();
    };
    const now = [h("button", { type: "button", id: "schedule-run", onclick: start(false) }, "Run now"),
      saved?.last_status === "failed" && h("button", { type: "button", class: "quiet", onclick: start(true), title: "Treat all missing files as deleted, whatever their number" }, "Run, and accept missing files")];
    body.replaceChildren(...[
      saved ? runs(saved) : h("p", { class: "muted" }, "No schedule yet. At the set times, the sources are compared with the collection: new and changed files are indexed. A collection that follows the active model is re-indexed if that model has changed."),
      h("form", { class: "stack", id: "schedule-form", onsubmit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        if (await attempt(note, () => api.putSchedule(c.id, form.read()), save)) {
          await load();
          note.replaceChildren(h("p", { class: "good" }, "Saved."));
        }
      } }, form.body, note, h("div", { class: "row" }, save, saved && now, h("span", { class: "spread" }), saved && h("button", { type: "button", class: "quiet danger-text", onclick: async () => {
        if (!(await confirmed("This deletes the schedule. The tiles are kept.", "Delete the schedule"))) return;
        await attempt(note, () => api.deleteSchedule(c.id));
        await load();
      } }, "Delete the schedule…"))),
    ]);
  }

  async function load() {
    try {
      draw(await api.schedule(c.id));
    } catch (error) {
      body.replaceChildren(errorBox(error, { retry: load }));
    }
  }
  void load();
  return [body, run];
}
