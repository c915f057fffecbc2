/** Checks whether the labels are sufficient for a training. */

/** Minimum numbers of labels, and of tiles with each label. The service checks again, without the held-out tiles. */
const LABELS = 2;
export const TILES = 2;

/** Text that says what is missing for a training, or "". @param {import("../core/types.js").LabelCount[]} labels */
export function missingForTraining(labels) {
  const enough = labels.filter((l) => l.count >= TILES).length;
  if (enough >= LABELS) return "";
  const short = labels.filter((l) => l.count < TILES).slice(0, LABELS - enough).map((l) => `${TILES - l.count} more of ${l.value}`);
  const fresh = LABELS - enough - short.length;
  if (fresh === LABELS) return `${LABELS} labels with ${TILES} tiles each`;
  return [...short, fresh > 0 && `another label with ${TILES} tiles`].filter(Boolean).join(", and ");
}
