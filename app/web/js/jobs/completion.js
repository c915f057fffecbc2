/** What a finished job means for the page: the next job of a training, the verdict on a new index, the search again. */

import * as api from "../core/api.js";
import { announce } from "../core/dom.js";
import { loadModels, refreshCollections } from "../core/loading.js";
import { go } from "../core/route.js";
import { set, state } from "../core/state.js";
import { modelTitle } from "../learning/names.js";
import { measured, trained, verdict } from "../learning/reports.js";
import { run } from "../search/run.js";

/** @typedef {import("../core/types.js").Job} Job */
/** @typedef {ReturnType<typeof import("./view.js").jobView>} JobView */

/**
 * A collection is answered by another index: search again, and show what moved.
 * @param {string} collection
 * @param {any[]} [news] what to say above the results
 */
export async function indexChanged(collection, news = []) {
  await Promise.all([refreshCollections(), loadModels()]);
  if (state.view.collection !== collection) return;
  if (state.view.version) go({ version: "" }, { replace: true });
  else await run({ compare: true });
  const { model, version } = state.results;
  if (model && version) announce(`Ranked by ${modelTitle(model)}, version ${version}`);
  if (news.length) set({ news });
}

/** Say in a view what came of a job. @param {Job} job that has ended well @param {JobView|undefined} view */
export async function explain(job, view) {
  if (!view && !["train", "reindex", "evaluate"].includes(job.processID)) return null;
  if (job.processID === "ingest" && !job.counts?.rejected) return null;
  const results = await api.jobResults(job.id);
  if (job.processID === "train") {
    await loadModels(); // for the new one's title
    view?.conclude(trained(results));
  } else if (job.processID === "reindex") view?.conclude(verdict(results));
  else if (job.processID === "evaluate") view?.conclude(measured(job, results));
  else view?.reject(results.rejected ?? [], results.rejected_count);
  return results;
}

/**
 * Bring the page up to date with a job that has ended well.
 * @param {Job} job
 * @param {JobView|undefined} view
 * @returns {Promise<Job|null>} the job that it began
 */
export async function conclude(job, view) {
  const results = await explain(job, view);
  if (job.processID === "train") return results.reindex_job ? api.job(results.reindex_job) : null;
  // an evaluation may have switched re-ranking off
  if (job.processID === "evaluate" && job.collection && results?.rerank) await indexChanged(job.collection);
  if (job.processID !== "reindex" || !job.collection) return null;
  if (results.switched) await indexChanged(job.collection, [verdict(results)]);
  else if (job.collection === state.view.collection) set({ news: [verdict(results)] });
  return null;
}
