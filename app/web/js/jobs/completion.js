/** Updates the page after a job: follow-up job of a training, comparison of a new index, repeated search. */

import * as api from "../core/api.js";
import { confirmed } from "../core/dialog.js";
import { announce, attempt, h } from "../core/dom.js";
import { loadModels, refreshCollections } from "../core/loading.js";
import { go } from "../core/route.js";
import { set, state } from "../core/state.js";
import { modelTitle } from "../learning/names.js";
import { comparisonReport, evaluationReport, trainingReport } from "../learning/reports.js";
import { run } from "../search/run.js";

/** @typedef {import("../core/types.js").Job} Job */
/** @typedef {ReturnType<typeof import("./view.js").jobView>} JobView */

/**
 * After a switch to another index: search again, and show changes of rank.
 * @param {string} collection
 * @param {any[]} [notification] elements to show above the results
 */
export async function indexChanged(collection, notification = []) {
  await Promise.all([refreshCollections(), loadModels()]);
  if (state.view.collection !== collection) return;
  if (state.view.version) go({ version: "" }, { replace: true });
  else await run({ compare: true });
  const { model, version } = state.results;
  if (model && version) announce(`Ranked by ${modelTitle(model)}, version ${version}`);
  if (notification.length) set({ notification });
}

/** The report of a re-indexing; an undecided index can be made the current one. @param {Job} job @param {any} results */
function comparison(job, results) {
  const note = h("div", { "aria-live": "polite" });
  const collection = job.collection ?? "";
  const switchAnyway = async (/** @type {string} */ version, /** @type {HTMLButtonElement} */ button) => {
    if (!(await confirmed(`There is not enough evidence that ${version} is as good as the current index. Searches will use it; you can roll back.`, "Switch anyway"))) return;
    if (await attempt(note, () => api.rollback(collection, version), button)) await indexChanged(collection);
  };
  const report = comparisonReport(results, switchAnyway);
  report.append(note);
  return report;
}

/** Whether an ingest rejected files, or has notes. @param {Job} job */
export const hasRemarks = (job) => ["rejected", "notes", "metadata_unmatched"].some((name) => job.counts?.[name] > 0);

/** Whether a job has results: it succeeded, or it is an ingest that rejected every file. @param {Job} job */
export const hasResults = (job) => job.status === "successful" || (job.status === "failed" && ["ingest", "sync"].includes(job.processID) && job.links?.some((link) => link.rel.endsWith("/results")));

/** Show the results of a successful job in its view. @param {Job} job @param {JobView|undefined} view */
export async function showResults(job, view) {
  if (!view && !["train", "reindex", "evaluate"].includes(job.processID)) return null;
  if (job.processID === "ingest" && !hasRemarks(job)) return null;
  const results = await api.jobResults(job.id);
  if (job.processID === "train") {
    await loadModels(); // for the title of the new model
    view?.showResults(trainingReport(results));
  } else if (job.processID === "reindex") view?.showResults(comparison(job, results));
  else if (job.processID === "evaluate") view?.showResults(evaluationReport(job, results));
  else view?.showIngest(results);
  return results;
}

/**
 * Update the page after a successful job.
 * @param {Job} job
 * @param {JobView|undefined} view
 * @returns {Promise<Job|null>} the follow-up job
 */
export async function complete(job, view) {
  const results = await showResults(job, view);
  if (job.processID === "train") return results.reindex_job ? api.job(results.reindex_job) : null;
  // an evaluation can turn re-ranking off
  if (job.processID === "evaluate" && job.collection && results?.rerank) await indexChanged(job.collection);
  if (job.processID !== "reindex" || !job.collection) return null;
  if (results.switched) await indexChanged(job.collection, [comparison(job, results)]);
  else if (job.collection === state.view.collection) set({ notification: [comparison(job, results)] });
  return null;
}
