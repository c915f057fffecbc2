/** The schedule of a collection: which sources are looked at again, when, and what came of the last time. */

import * as api from "../core/api.js";
import { confirmed } from "../core/dialog.js";
import { attempt, errorBox, h, icon, when } from "../core/dom.js";
import { watch } from "../jobs/tracker.js";
import { STATUS, countsText, jobView, rejectedList } from "../jobs/view.js";

/** @typedef {import("../core/types.js").Collection} Collection */

/** @type {[string, string][]} */
const TIMES = [["0 * * * *", "Every hour"], ["0 3 * * *", "Every night at 3:00"], ["0 3 * * 1", "Mondays at 3:00"], ["0 3 1 * *", "On the first of a month at 3:00"]];
/** @type {[string, string, string][]} kind, name, example */
const KINDS = [["path", "File or folder", "/data/scenes or https://…/scene.tif"], ["glob", "Pattern", "/data/**/*.tif"], ["stac", "STAC items", "/data/catalog.json or https://…/catalog.json"]];

/** @param {any} source as the service gives it @param {() => void} changed */
function sourceRow(source, changed) {
  const kind = h("select", { "aria-label": "Kind of source" }, KINDS.map(([value, text]) => h("option", { value, selected: value in source && source[value] !== null }, text)));
  const where = h("input", { type: "text", required: true, "aria-label": "Where, on the server or the web", value: source.path ?? source.glob ?? source.stac ?? "", spellcheck: "false" });
  const labels = h("input", { type: "checkbox", checked: Boolean(source.labels_from_folders) });
  const option = h("label", { class: "option" }, labels, h("span", {}, "folders' names as labels"));
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

/** @param {any} known the schedule, or null @param {string} zone */
function fields(known, zone) {
  /** @type {Map<Element, () => any>} */
  const readers = new Map();
  const list = h("ul", { class: "sources", id: "sources" });
  const tidy = () => { for (const element of readers.keys()) if (!element.isConnected) readers.delete(element); };
  const add = (/** @type {any} */ source) => {
    const row = sourceRow(typeof source === "string" ? (/^(?!https?:)[^]*[*?[]/i.test(source) ? { glob: source } : { path: source }) : source, tidy);
    readers.set(row.element, row.read);
    list.append(row.element);
    return row.element;
  };
  for (const source of known?.sources ?? [{ path: "" }]) add(source);
  const cron = h("input", { type: "text", id: "cron", value: known?.cron ?? TIMES[1][0], required: true, spellcheck: "false", autocomplete: "off" });
  const preset = h("select", { "aria-label": "When", onchange: () => { if (preset.value) cron.value = preset.value; } });
  const matched = TIMES.some(([value]) => value === cron.value);
  preset.append(...TIMES.map(([value, text]) => h("option", { value, selected: value === cron.value }, text)), h("option", { value: "", selected: !matched }, "By a cron expression"));
  cron.addEventListener("input", () => { preset.value = TIMES.some(([value]) => value === cron.value) ? cron.value : ""; });
  const timezone = h("input", { type: "text", id: "timezone", value: known?.timezone ?? zone, required: true });
  const vanished = h("select", { id: "vanished" }, h("option", { value: "keep" }, "are kept and marked"), h("option", { value: "remove", selected: known?.on_vanished === "remove" }, "are removed"));
  const paused = h("input", { type: "checkbox", checked: Boolean(known?.paused) });
  return {
    body: [
      h("fieldset", { class: "stack" }, h("legend", {}, "Sources, on the server or the web"), list,
        h("div", { class: "row" }, h("button", { type: "button", class: "quiet", onclick: () => add({ path: "" }).querySelector("input").focus() }, "Add a source"))),
      h("div", { class: "fields" }, h("label", { class: "field" }, "When", preset), h("label", { class: "field" }, "Cron: minute hour day month weekday", cron),
        h("label", { class: "field" }, "Time zone", timezone)),
      h("div", { class: "fields two" }, h("label", { class: "field" }, "Tiles whose file has vanished", vanished),
        h("label", { class: "option" }, paused, h("span", {}, "Paused"))),
    ],
    read: () => ({ cron: cron.value.trim(), timezone: timezone.value.trim(), on_vanished: vanished.value, paused: paused.checked,
      sources: [...readers].filter(([element]) => element.isConnected).map(([, read]) => read()) }),
  };
}

/** When it runs next and what the last run did. @param {any} known */
function past(known) {
  const rejected = known.last_result?.rejected;
  const refused = Array.isArray(rejected) ? rejected : []; // a run that failed has left their number only
  const counted = countsText(known.last_result ?? {});
  return h("div", { class: "stack" },
    h("dl", { class: "record" },
      h("dt", {}, "Next run"), h("dd", {}, known.paused ? "paused" : when(known.next_run) || "never"),
      h("dt", {}, "Last run"), h("dd", {}, known.last_run ? [when(known.last_run), STATUS[known.last_status] ?? known.last_status, counted, known.last_status !== "successful" && known.last_message].filter(Boolean).join(" · ") : "not yet"),
      known.skipped && [h("dt", {}, "Left out"), h("dd", {}, `${when(known.skipped.due)}: the run before was still at work`)]),
    rejectedList(refused, known.last_result?.rejected_count),
    known.last_result?.not_compared?.map((/** @type {any} */ each) => h("p", { class: "note" }, `${each.source}: ${each.reason}`)));
}

/** The tab. @param {Collection} c */
export function schedule(c) {
  const body = h("div", { class: "stack" }, h("p", { class: "muted" }, "Loading…"));
  const run = h("div", { class: "stack" });
  const note = h("div", { "aria-live": "polite" });

  /** @param {any} known */
  function draw(known) {
    const form = fields(known, Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC");
    const save = h("button", { class: "primary", id: "schedule-save" }, known ? "Save" : "Set the schedule");
    const start = (/** @type {boolean} */ gone) => async (/** @type {any} */ event) => {
      const job = await attempt(note, () => api.runSchedule(c.id, gone), event.currentTarget);
      if (!job) return;
      const view = jobView(job);
      run.replaceChildren(view.element);
      await watch(job, view).catch(() => {}); // the view says what went wrong
      await load();
    };
    const now = [h("button", { type: "button", id: "schedule-run", onclick: start(false) }, "Run now"),
      known?.last_status === "failed" && h("button", { type: "button", class: "quiet", onclick: start(true), title: "Files that are gone are taken for gone, however many they are" }, "Run, and believe what is gone")];
    body.replaceChildren(...[
      known ? past(known) : h("p", { class: "muted" }, "No schedule yet. At its time the sources are compared with the collection: new and changed files are indexed, and a new default model is built in."),
      h("form", { class: "stack", id: "schedule-form", onsubmit: async (/** @type {Event} */ event) => {
        event.preventDefault();
        if (await attempt(note, () => api.putSchedule(c.id, form.read()), save)) {
          await load();
          note.replaceChildren(h("p", { class: "good" }, "Saved."));
        }
      } }, form.body, note, h("div", { class: "row" }, save, known && now, h("span", { class: "spread" }), known && h("button", { type: "button", class: "quiet danger-text", onclick: async () => {
        if (!(await confirmed("The schedule will be deleted; the tiles stay.", "Delete the schedule"))) return;
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
