/** Text of the scores of a result. */

/** @param {any} p properties */
export function scoreText(p) {
  return typeof p.score === "number" ? p.score.toFixed(3) : "";
}

/** "83 % match", or "" if the result was not re-ranked. @param {any} p properties */
export function matchText(p) {
  return typeof p.match_probability === "number" ? `${percent(p.match_probability)} match` : "";
}

/** Percentage of a share from 0 to 1. "0 %" and "100 %" appear only for exact values. @param {number} share */
export function percent(share) {
  if (share > 0 && share < 0.005) return "<1 %";
  if (share < 1 && share >= 0.995) return ">99 %";
  return `${Math.round(share * 100)} %`;
}
