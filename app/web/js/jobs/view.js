/** View of one job: progress bar, message, counts, time, rejected files with reasons, and a button to cancel. */

import * as api from "../core/api.js";
import { announce, count, errorBox, group, h, when } from "../core/dom.js";

/** @typedef {import("../core/types.js").Job} Job */

/** @type {Record<string, string>} */
export const KINDS = { ingest: "Add images", train: "Training", evaluate: "Evaluation", reindex: "Re-indexing", sync: "Scheduled update" };
/** @type {Record<string, string>} */
export const STATUS = { accepted: "waiting", running: "running", successful: "done", failed: "failed", dismissed: "cancelled" };
/** @type {Record<string, string>} */
const COUNTS = { indexed: "indexed", changed: "of them changed", unchanged: "unchanged", returned: "of them found again", rejected: "rejected", skipped_nodata: "skipped (mostly no data)",
  vanished: "missing", removed: "removed" };

/** @param {Record<string, any>} counts */
export function countsText(counts) {
  return Object.entries(COUNTS).filter(([key]) => counts[key] > 0).map(([key, text]) => `${group(counts[key])} ${text}`).join(", ");
}

/**
 * @param {number} percent
 * @param {string} label
 */
export function bar(percent, label) {
  const value = Math.round(Math.max(0, Math.min(100, percent)));
  return h("div", { class: "bar-track", role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": value },
    h("i", { style: `inline-size:${value}%` }));
}

/** @param {{file_name: string, reason: string}[]} rejected the first of the rejected files @param {number} all number of rejected files */
export function rejectedList(rejected, all = rejected.length) {
  if (!rejected.length) return null;
  const rows = rejected.slice(0, 200).map((r) => h("li", {}, h("b", {}, r.file_name), h("span", {}, r.reason)));
  return h("details", { class: "rejected", open: rejected.length <= 20 },
    h("summary", {}, `${count(all, "file")} rejected`), h("ul", {}, rows),
    all > rows.length && h("p", { class: "muted" }, `and ${group(all - rows.length)} more`));
}

/**
 * What an ingest left out and why, and metadata that matched no file.
 * @param {any} results
 */
export function notesList(results) {
  const unmatched = (results.metadata_unmatched ?? []).map((/** @type {string} */ name) => ({ file_name: name, note: "the metadata has this name, but no file has" }));
  const notes = [...(results.notes ?? []), ...unmatched];
  if (!notes.length) return null;
  const all = (results.notes_count ?? results.notes?.length ?? 0) + (results.metadata_unmatched_count ?? unmatched.length);
  const rows = notes.slice(0, 200).map((n) => h("li", {}, h("b", {}, n.file_name), h("span", {}, n.note)));
  return h("details", { class: "notes", open: notes.length <= 20 },
    h("summary", {}, count(all, "note")), h("ul", {}, rows), all > rows.length && h("p", { class: "muted" }, `and ${group(all - rows.length)} more`));
}

/** A warning about rejected files, in one line. @param {any} results */
export function warning(results) {
  const rejected = results.rejected_count ?? 0, read = results.files ?? 0;
  return rejected ? h("p", { class: "warning", role: "alert" }, read ? `Warning: ${group(rejected)} of ${count(rejected + read, "file")} rejected.` : "Nothing was added: every file was rejected.") : null;
}

/** @param {Job} job */
function seconds(job) {
  const from = Date.parse(job.started ?? ""), to = Date.parse(job.finished ?? "");
  return Number.isFinite(to - from) ? `${((to - from) / 1000).toFixed(1)} s` : "";
}

/**
 * Create an element that shows a job, with methods to update it.
 * @param {Job} job
 */
export function jobView(job) {
  const box = h("article", { class: "job", "data-job": job.id });
  const extra = h("div", {});
  const cancel = h("button", { type: "button", class: "quiet", onclick: async () => {
    cancel.disabled = true;
    try {
      const state = await api.cancelJob(job.id);
      if (state?.status) update(state);
    } catch (error) {
      cancel.disabled = false;
      extra.replaceChildren(errorBox(error));
    }
  } }, "Cancel");

  /** @param {Job} state */
  function update(state) {
    const over = api.ended(state);
    const label = `${KINDS[state.processID] ?? state.processID}${state.collection ? ` · ${state.collection}` : ""}`;
    box.className = `job is-${state.status}`;
    box.replaceChildren(
      h("div", { class: "row" }, h("b", {}, label), h("span", { class: "state" }, STATUS[state.status] ?? state.status),
        h("span", { class: "spread" }), over ? h("span", { class: "muted" }, [seconds(state), when(state.created)].filter(Boolean).join(" · ")) : cancel),
      over ? "" : bar(state.progress, label),
      h("p", { class: "job-line" }, [countsText(state.counts ?? {}), !over || state.status === "failed" || (state.message !== "done" && !countsText(state.counts ?? {})) ? state.message : ""].filter(Boolean).join(" · ")),
      extra);
    // announce every 25 % to screen readers
    announce(over ? `${label}: ${STATUS[state.status]}. ${countsText(state.counts ?? {})}` : `${label}: ${Math.floor(state.progress / 25) * 25} %`);
  }

  update(job);
  return {
    element: box,
    update,
    /** Show the outcome of an ingest: a warning, rejected files with reasons, and notes. @param {any} results */
    showIngest: (results) => extra.replaceChildren(...[warning(results), rejectedList(results.rejected ?? [], results.rejected_count), notesList(results)].filter(Boolean)),
    /** Show the results. @param {any} outcome */
    showResults: (outcome) => extra.replaceChildren(...[outcome].flat().filter(Boolean)),
    /** Show the follow-up job below. @param {Job} next */
    follow: (next) => {
      const view = jobView(next);
      box.after(view.element);
      return view;
    },
  };
}
