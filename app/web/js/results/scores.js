/** How a result's scores read. */

/** @param {any} p properties */
export function scoreText(p) {
  return typeof p.score === "number" ? p.score.toFixed(3) : "";
}

/** "83 % match", "" where nothing looked at the pair. @param {any} p properties */
export function matchText(p) {
  return typeof p.match_probability === "number" ? `${percent(p.match_probability)} match` : "";
}

/** A share as a person reads it: neither 0 % nor 100 % unless it is. @param {number} share */
export function percent(share) {
  if (share > 0 && share < 0.005) return "<1 %";
  if (share < 1 && share >= 0.995) return ">99 %";
  return `${Math.round(share * 100)} %`;
}
