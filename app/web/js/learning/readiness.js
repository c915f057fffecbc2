/** Whether there are labels enough for a training. */

/** What a training needs at least; the service has the last word, as it knows which tiles are kept for the check. */
const LABELS = 2;
export const TILES = 2;

/** What is still missing for a training, in words; "" when nothing is. @param {import("../core/types.js").LabelCount[]} labels */
export function missingForTraining(labels) {
  const enough = labels.filter((l) => l.count >= TILES).length;
  if (enough >= LABELS) return "";
  const short = labels.filter((l) => l.count < TILES).slice(0, LABELS - enough).map((l) => `${TILES - l.count} more of ${l.value}`);
  const fresh = LABELS - enough - short.length;
  if (fresh === LABELS) return `${LABELS} labels with ${TILES} tiles each`;
  return [...short, fresh > 0 && `another label with ${TILES} tiles`].filter(Boolean).join(", and ");
}
