/** What came of a training, a re-index or an evaluation, in words with the numbers behind them. */

import * as api from "../core/api.js";
import { count, group, h, milliseconds } from "../core/dom.js";
import { modelOf, modelTitle } from "./names.js";

/** @typedef {import("../core/types.js").Job} Job */

/** A share as percent with one digit. @param {number} share */
const points = (share) => (100 * share).toFixed(1);

/**
 * One number before and after.
 * @param {string} name @param {string} title
 * @param {number|null|undefined} before @param {number|null|undefined} after
 * @param {(value: number) => string} text
 * @param {1|-1|0} better which way is better; 0 if neither
 */
function change(name, title, before, after, text, better) {
  if (typeof after !== "number") return null;
  const known = typeof before === "number";
  const by = known && better ? better * Math.sign(Number(text(after)) - Number(text(before))) : 0;
  return h("div", { class: "figure", title }, h("dt", {}, name),
    h("dd", {}, known && [h("span", { class: "muted" }, text(before)), " → "], h("b", { class: by > 0 ? "good" : by < 0 ? "bad" : null }, text(after))));
}

/** The gate's verdict on a new index. @param {any} results of the job */
export function verdict(results) {
  const { gate = {}, switched, reason, index_version: version, left_out: gone = [] } = results;
  const model = modelTitle(modelOf(String(version)));
  const title = switched ? `Results are now ranked by ${model}, version ${version}.` : `Kept as it was: results are ranked by ${model}, version ${version}, as before.`;
  return h("div", { class: `verdict ${switched ? "won" : "kept"}`, "data-switched": String(Boolean(switched)) },
    h("p", {}, h("b", {}, title)),
    h("dl", { class: "figures" },
      change("mAP, %", "Mean average precision: how far up the tiles of the same label are, searched by labelled tiles that no training saw", gate.map?.old, gate.map?.new, points, 1),
      change("same in the first 10", "Share of the first ten results that both indexes give", undefined, gate.overlap_at_10, share, 0),
      change("same in recent searches", "The same, for what was really searched for lately", undefined, gate.recent_queries ? gate.recent_overlap_at_10 : undefined, share, 0),
      change("time of a search", "Median of the same searches on both", gate.latency_ms?.old, gate.latency_ms?.new, milliseconds, 0),
      change("searches compared", "Labelled tiles that no training saw, and recent searches", undefined, (gate.golden_queries ?? 0) + (gate.recent_queries ?? 0), group, 0)),
    reason && h("p", { class: "muted small" }, sentence(reason)),
    gone.length > 0 && h("p", { class: "bad" }, `${count(gone.length, "tile")} could not be built in: ${gone[0].reason}`));
}

/** @param {number} value */
const share = (value) => `${Math.round(100 * value)} %`;

/** What the service says, as a sentence. @param {string} text */
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** What a training made. @param {any} results of the job */
export function trained(results) {
  const { classes = [], left_out: few = [], reindex_error: error, metrics, held_out: judges } = results;
  const { before, after } = metrics ?? {};
  return h("div", { class: "verdict" },
    h("p", {}, "Learned ", h("b", {}, count(classes.length, "label")), `, as the model ${[...new Set([modelTitle(results.model), results.model])].join(", ")}.`),
    after?.mean_average_precision !== undefined && h("dl", { class: "figures" },
      change("mAP, %", "Mean average precision among labelled tiles that the training did not see", before?.mean_average_precision, after.mean_average_precision, points, 1),
      change("judged by", "Labelled tiles that the training did not see", undefined, judges ?? metrics.queries, (n) => count(n, "tile"), 0)),
    few.length > 0 && h("p", { class: "muted small" }, `Too few tiles have the label ${few.slice(0, 5).join(", ")}${few.length > 5 ? ` and ${few.length - 5} more` : ""}.`),
    (results.notes ?? []).map((/** @type {string} */ text) => h("p", { class: "muted small" }, sentence(text))),
    error && h("p", { class: "bad" }, `No new index was begun: ${error}`));
}

/** What was measured. @param {Job} job @param {any} results */
export function measured(job, results) {
  const { metrics = {}, queries, calibration, rerank, warnings = [] } = results;
  return h("div", { class: "verdict" },
    h("dl", { class: "figures" },
      change("mAP, %", "Mean average precision: how far up the tiles of the same label are", undefined, metrics.map, points, 0),
      change("told by the nearest, %", "Labelled tiles whose label most of the nearest ones have, too", undefined, metrics.knn_accuracy, points, 0),
      change("mAP re-ranked, %", "Before and after the matcher has looked at the pairs", rerank?.map_before, rerank?.map_after, points, 1),
      change("probabilities off by, %", "Expected calibration error of the match probabilities", undefined, calibration?.ece, points, 0),
      change("searches", "Labelled tiles that were searched with", undefined, queries, group, 0)),
    rerank && h("p", {}, rerank.default ? "Re-ranking does no harm here: results are re-ranked." : "Re-ranking does harm here: it is off from now on, unless a search asks for it."),
    warnings.map((/** @type {string} */ text) => h("p", { class: "muted small" }, sentence(text))),
    h("div", {}, h("a", { class: "button", href: api.reportUrl(job.id), target: "_blank" }, "Open the report")));
}
