/** Reports of a training, a re-indexing or an evaluation: text and metrics. */

import * as api from "../core/api.js";
import { attempt, count, group, h, milliseconds } from "../core/dom.js";
import { refreshCollections } from "../core/loading.js";
import { modelOf, modelTitle } from "./names.js";

/** @typedef {import("../core/types.js").Job} Job */

/** Percentage of a share from 0 to 1, with one decimal. @param {number} share */
const points = (share) => (100 * share).toFixed(1);

/**
 * One metric, before and after.
 * @param {string} name @param {string} title
 * @param {number|null|undefined} before @param {number|null|undefined} after
 * @param {(value: number) => string} text
 * @param {1|-1|0} better direction of improvement, 0 if none
 */
function change(name, title, before, after, text, better) {
  if (typeof after !== "number") return null;
  const known = typeof before === "number";
  const by = known && better ? better * Math.sign(Number(text(after)) - Number(text(before))) : 0;
  return h("div", { class: "figure", title }, h("dt", {}, name),
    h("dd", {}, known && [h("span", { class: "muted" }, text(before)), " → "], h("b", { class: by > 0 ? "good" : by < 0 ? "bad" : null }, text(after))));
}

/** Estimated change of mAP over the collection, with its interval. @param {{mean: number, low: number, high: number}|null|undefined} found */
function interval(found) {
  if (!found) return null;
  const signed = (/** @type {number} */ value) => `${value > 0 ? "+" : ""}${points(value)}`;
  return h("div", { class: "figure", title: "Estimated change of mAP over the whole collection, in points, and the interval of this estimate" }, h("dt", {}, "change over the collection"),
    h("dd", {}, h("b", { class: found.low > 0 ? "good" : found.high < 0 ? "bad" : null }, signed(found.mean)), h("span", { class: "muted" }, ` (${signed(found.low)} to ${signed(found.high)})`)));
}

/**
 * Comparison of a new index with the current one.
 * @param {any} results of the job
 * @param {(version: string, button: HTMLButtonElement) => void} [switchAnyway] makes an undecided index the current one
 */
export function comparisonReport(results, switchAnyway) {
  const { gate = {}, switched, reason, index_version: version, candidate_version: candidate, left_out: failed = [] } = results;
  const model = modelTitle(modelOf(String(version)));
  const title = switched ? `Results are now ranked by ${model} (${version}).` : `Not switched${candidate ? ", not enough evidence" : ""}: results are still ranked by ${model} (${version}).`;
  return h("div", { class: `verdict ${switched ? "switched" : "not-switched"}`, "data-switched": String(Boolean(switched)) },
    h("p", {}, h("b", {}, title)),
    h("dl", { class: "figures" },
      change("mAP, %", "Mean average precision of searches with labelled tiles, by models that did not learn these tiles", gate.map?.old, gate.map?.new, points, 1),
      interval(gate.change),
      change("labelled searches", "Number of labelled tiles used as queries, of separate places, and of labels", undefined, gate.golden_queries || undefined, (n) => `${group(n)} (${count(gate.places ?? 0, "place")}, ${count(gate.classes ?? 0, "label")})`, 0),
      change("overlap at 10, unlabelled", "Share of the first ten results that both indexes have in common, for tiles without a label", undefined, gate.unlabelled_overlap_at_10, share, 0),
      change("overlap at 10", "Share of the first ten results that both indexes have in common", undefined, gate.overlap_at_10, share, 0),
      change("overlap at 10, recent searches", "The same share for recent searches of users", undefined, gate.recent_queries ? gate.recent_overlap_at_10 : undefined, share, 0),
      change("search latency", "Median time of the same searches, on both indexes", gate.latency_ms?.old, gate.latency_ms?.new, milliseconds, 0),
      change("searches compared", "Labelled tiles that were not used for training, and recent searches", undefined, (gate.golden_queries ?? 0) + (gate.recent_queries ?? 0), group, 0)),
    reason && h("p", { class: "muted small" }, sentence(reason)),
    candidate && switchAnyway && h("div", { class: "row" }, h("button", { type: "button", onclick: (/** @type {any} */ e) => switchAnyway(candidate, e.currentTarget) }, "Switch anyway…"),
      h("span", { class: "muted small" }, `The new index ${candidate} is kept until you decide.`)),
    failed.length > 0 && h("p", { class: "bad" }, `${count(failed.length, "tile")} could not be re-indexed: ${failed[0].reason}`));
}

/** @param {number} value */
const share = (value) => `${Math.round(100 * value)} %`;

/** Text of the service as a sentence. @param {string} text */
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** Result of a training. @param {any} results of the job */
export function trainingReport(results) {
  const { classes = [], left_out: few = [], reindex_error: error, metrics, held_out: heldOut } = results;
  const { before, after } = metrics ?? {};
  const title = modelTitle(results.model);
  return h("div", { class: "verdict" },
    h("p", {}, "Trained on ", h("b", {}, count(classes.length, "label")), `. New model: ${title === results.model ? title : `${title} (${results.model})`}.`),
    after?.mean_average_precision !== undefined && h("dl", { class: "figures" },
      change("mAP, %", "Mean average precision on labelled tiles that were held out from training", before?.mean_average_precision, after.mean_average_precision, points, 1),
      change("evaluated on", "Labelled tiles that were held out from training", undefined, heldOut ?? metrics.queries, (n) => count(n, "tile"), 0)),
    few.length > 0 && h("p", { class: "muted small" }, `Not trained, too few tiles: ${few.slice(0, 5).join(", ")}${few.length > 5 ? ` and ${few.length - 5} more` : ""}.`),
    (results.notes ?? []).map((/** @type {string} */ text) => h("p", { class: "muted small" }, sentence(text))),
    error && h("p", { class: "bad" }, `Re-indexing was not started: ${error}`));
}

/** A setting that an evaluation proposes, with a button that applies it. @param {Job} job @param {any} proposal */
function proposed(job, proposal) {
  const off = proposal.settings.rerank === false;
  const note = h("span", { "aria-live": "polite" });
  const apply = () => attempt(note, async () => {
    await api.patchCollection(String(job.collection), proposal.settings);
    await refreshCollections();
    button.remove();
    note.replaceChildren("Applied.");
  });
  const button = h("button", { type: "button", onclick: () => void apply() }, "Apply");
  return h("div", { class: "row" }, h("span", {}, `Proposal: turn re-ranking ${off ? "off" : "on"} by default. Each search can still choose.`), button, note);
}

/** Result of an evaluation. @param {Job} job @param {any} results */
export function evaluationReport(job, results) {
  const { metrics = {}, queries, calibration, rerank, proposal, open_set: openSet, warnings = [] } = results;
  return h("div", { class: "verdict" },
    h("dl", { class: "figures" },
      change("mAP, %", "Mean average precision: how high tiles with the same label are ranked", undefined, metrics.map, points, 0),
      change("k-NN accuracy, %", "Share of labelled tiles whose label is the most frequent one among their nearest neighbours", undefined, metrics.knn_accuracy, points, 0),
      change("mAP re-ranked, %", "Before and after re-ranking with the pairwise model", rerank?.map_before, rerank?.map_after, points, 1),
      change("calibration error (ECE), %", "Expected calibration error of the match probabilities", undefined, calibration?.ece, points, 0),
      change("AUROC, known or new class", "How well tiles of labelled classes are told from tiles of left-out classes; 0.5 is chance", undefined, openSet?.auroc, (n) => n.toFixed(3), 0),
      change("searches", "Number of labelled tiles used as queries", undefined, queries, group, 0)),
    rerank && h("p", {}, rerank.default === null ? "Too few labelled tiles to tell whether re-ranking helps." : rerank.default ? "Re-ranking does not lower the mAP on this collection." : "Re-ranking lowers the mAP on this collection."),
    proposal && proposed(job, proposal),
    warnings.map((/** @type {string} */ text) => h("p", { class: "muted small" }, sentence(text))),
    h("div", {}, h("a", { class: "button", href: api.reportUrl(job.id), target: "_blank" }, "Open the report")));
}
