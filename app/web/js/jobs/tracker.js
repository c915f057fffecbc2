/** Follows running jobs and counts them in the bar; the dialog lists all jobs, newest first. */

import * as api from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { byId, count, errorBox, h } from "../core/dom.js";
import { refreshCollections } from "../core/loading.js";
import { on, set, state } from "../core/state.js";
import { run } from "../search/run.js";
import { hasQuery } from "../search/uploaded.js";
import { complete, hasRemarks, hasResults, showResults } from "./completion.js";
import { KINDS, jobView } from "./view.js";

/** @typedef {import("../core/types.js").Job} Job */
/** @typedef {ReturnType<typeof jobView>} JobView */

const REFRESH_MS = 2000;

/** @param {Job} job */
function note(job) {
  const others = state.running.filter((j) => j.id !== job.id);
  set({ running: api.ended(job) ? others : [...others, job] });
}

/** Show the tiles that a job has added so far. @param {Job} job */
async function refresh(job) {
  await refreshCollections();
  if (job.collection === state.view.collection && !hasQuery(state.view) && state.results.features.length <= 30) await run();
}

/**
 * Follow a job until it ends, then update the page. Progress is shown in `view`, if given.
 * @param {Job} job
 * @param {JobView} [view]
 * @returns {Promise<Job>} the job in its final state
 */
export async function watch(job, view) {
  note(job);
  let last = Date.now();
  try {
    const end = await api.follow(job.id, (now) => {
      view?.update(now);
      note(now);
      if (Date.now() - last < REFRESH_MS || !now.counts?.indexed || api.ended(now)) return;
      last = Date.now();
      refresh(now).catch(() => {}); // repeated at the next change
    });
    const next = hasResults(end) ? await complete(end, view) : null;
    await refresh(end);
    warnAbout(end, view);
    if (next) await watch(next, view?.follow(next));
    return end;
  } catch (error) {
    set({ running: state.running.filter((j) => j.id !== job.id) });
    view?.element.append(errorBox(error));
    throw error;
  }
}

/** Show what went wrong in a job whose view is not on the screen. @param {Job} job @param {JobView|undefined} view */
function warnAbout(job, view) {
  const rejected = job.counts?.rejected ?? 0;
  if (view?.element.isConnected || job.collection !== state.view.collection || !(job.status === "failed" || rejected)) return;
  const name = KINDS[job.processID] ?? job.processID;
  const text = job.status === "failed" && rejected ? `${name}: nothing was added, ${count(rejected, "file")} rejected.` : job.status === "failed" ? `${name} failed: ${job.message}`
    : `${name}: ${count(rejected, "file")} rejected; the others were added.`;
  set({ notification: [h("p", { class: "bad", role: "alert" }, text), h("button", { type: "button", id: "show-jobs", onclick: openJobs }, "Show the reasons")] });
}

async function openJobs() {
  const body = h("div", { class: "stack" }, h("p", { class: "muted" }, "Loading…"));
  openDialog("Jobs", [body]);
  try {
    const jobs = /** @type {Job[]} */ ((await api.jobs()).jobs);
    body.replaceChildren(...jobs.map(listed));
    if (!jobs.length) body.append(h("p", { class: "muted" }, "No jobs yet. Adding images to a collection starts one."));
  } catch (error) {
    body.replaceChildren(errorBox(error));
  }
}

/** @param {Job} job */
function listed(job) {
  const view = jobView(job);
  if (!api.ended(job)) void watch(job, view).catch(() => {});
  else if (hasResults(job) && (job.processID !== "ingest" || hasRemarks(job))) {
    const show = h("button", { type: "button", class: "quiet", onclick: async () => {
      try {
        await showResults(job, view);
        show.remove();
      } catch (error) {
        show.replaceWith(errorBox(error));
      }
    } }, job.processID === "ingest" ? "Show the reasons" : "Show the result");
    view.element.append(show);
  }
  return view.element;
}

export function setupJobs() {
  byId("jobs").addEventListener("click", openJobs);
  on(["running"], () => {
    const badge = byId("jobs-running");
    badge.hidden = !state.running.length;
    badge.textContent = String(state.running.length);
    badge.setAttribute("aria-label", `${state.running.length} running`);
  });
}

/** Follow jobs that were started before the page was opened. */
export async function resumeJobs() {
  for (const job of /** @type {Job[]} */ ((await api.jobs()).jobs)) if (!api.ended(job)) void watch(job).catch(() => {});
}
