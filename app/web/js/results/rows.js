/** Rows of a grid of cards of which only those near the viewport are elements; spacers stand for the others. */

/**
 * A row: cards from `start` to before `end`, or the line between likely matches and other results.
 * @typedef {{start: number, end: number, line: boolean}} Row
 * @typedef {{card: number, line: number}} Heights heights of a row of cards and of the line, with the gap below, in pixels
 */

/**
 * @param {number} n number of cards
 * @param {number} columns
 * @param {number|null} line number of cards above the line; null without a line
 */
export function rowsOf(n, columns, line) {
  /** @type {Row[]} */
  const rows = [];
  for (let start = 0; start < n || start === line;) {
    if (start === line && !rows.at(-1)?.line) rows.push({ start, end: start, line: true });
    if (start >= n) break;
    const end = Math.min(start + columns, n, line !== null && line > start ? line : n);
    rows.push({ start, end, line: false });
    start = end;
  }
  return rows;
}

/** Distance of a row from the top of the first one. @param {Row[]} rows @param {number} at @param {Heights} heights */
export function offset(rows, at, heights) {
  const line = rows.findIndex((row) => row.line);
  return at * heights.card + (line >= 0 && line < at ? heights.line - heights.card : 0);
}

/**
 * First and last row between two distances from the top, extended on both sides to at least `least` rows.
 * @param {Row[]} rows @param {Heights} heights @param {number} top @param {number} bottom @param {number} least
 * @returns {[number, number]}
 */
export function between(rows, heights, top, bottom, least) {
  const last = rows.length - 1;
  const clamp = (/** @type {number} */ row) => Math.max(0, Math.min(last, row));
  let from = clamp(Math.floor(top / heights.card)), to = clamp(Math.ceil(bottom / heights.card));
  while (to - from + 1 < least && (from > 0 || to < last)) {
    from = clamp(from - 1);
    to = clamp(to + 1);
  }
  return [from, to];
}

/** The row of a card. @param {Row[]} rows @param {number} card */
export const rowAt = (rows, card) => Math.max(0, rows.findIndex((row) => !row.line && row.start <= card && card < row.end));

/**
 * The card that a key moves to from another one; not a card at an edge.
 * @param {Row[]} rows @param {number} n number of cards @param {number} from @param {string} key
 * @returns {number|null} null if the key does not move
 */
export function step(rows, n, from, key) {
  const to = { ArrowRight: from + 1, ArrowLeft: from - 1, Home: 0, End: n - 1 }[key];
  if (to !== undefined) return to;
  if (key !== "ArrowDown" && key !== "ArrowUp") return null;
  const way = key === "ArrowDown" ? 1 : -1;
  const row = rowAt(rows, from);
  const next = rows[row + way]?.line ? rows[row + 2 * way] : rows[row + way];
  return next ? Math.min(next.start + from - rows[row].start, next.end - 1) : -1;
}
