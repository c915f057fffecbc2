/** Acquisition dates of the current collection, as bins of a histogram. */

import * as api from "../core/api.js";
import { current, on, set, state } from "../core/state.js";

/** @typedef {{from: string, to: string, count: number, name: string, short: string}} Bin from, to: first and last day; short: name for a narrow place */

const SINGLE = 24; // dates; up to this many, each one is a bin
const MOST = 60; // bins
const DAY = 86_400_000;

const iso = (/** @type {number} */ ms) => new Date(ms).toISOString().slice(0, 10);
const start = (/** @type {number} */ year, /** @type {number} */ month) => Date.UTC(year, month, 1);

/** Units of bins: months, or days for 0. @type {number[]} */
const UNITS = [0, 1, 3, 12, 60, 120, 600];

/** The first moment of the unit that contains a time, and of the next one. @param {number} ms @param {number} months @returns {[number, number]} */
function unit(ms, months) {
  const date = new Date(ms);
  if (!months) return [Math.floor(ms / DAY) * DAY, Math.floor(ms / DAY) * DAY + DAY];
  const first = Math.floor((date.getUTCFullYear() * 12 + date.getUTCMonth()) / months) * months;
  return [start(Math.floor(first / 12), first % 12), start(Math.floor((first + months) / 12), (first + months) % 12)];
}

/** @param {string} from @param {string} to @param {number} months */
function nameOf(from, to, months) {
  if (!months) return from;
  if (months === 1) return from.slice(0, 7);
  if (months === 12) return from.slice(0, 4);
  return months < 12 ? `${from.slice(0, 7)} to ${to.slice(0, 7)}` : `${from.slice(0, 4)} to ${to.slice(0, 4)}`;
}

/** First and last day of a date, month or year. @param {string} date */
const days = (date) => (date.length === 10 ? { from: date, to: date }
  : { from: iso(Date.parse(date)), to: iso(unit(Date.parse(date), date.length === 7 ? 1 : 12)[1] - DAY) });

/**
 * @param {{date: string, count: number}[]} dates ascending; dates, months or years
 * @returns {Bin[]} single dates if they are few, else adjacent intervals of equal length, also empty ones
 */
export function toBins(dates) {
  if (dates.length <= SINGLE) return dates.map(({ date, count }) => ({ ...days(date), count, name: date, short: date.slice(0, 4) }));
  const times = dates.map(({ date }) => Date.parse(date));
  const span = times[times.length - 1] - times[0];
  const least = { 7: 1, 4: 12 }[dates[0].date.length] ?? 0;
  const months = UNITS.find((n) => n >= least && span / ((n || 1 / 30.4) * 30.4 * DAY) < MOST) ?? 1200;
  /** @type {Bin[]} */
  const bins = [];
  for (let [from, next] = unit(times[0], months), i = 0; i < dates.length; [from, next] = unit(next, months)) {
    let count = 0;
    for (; i < dates.length && times[i] < next; i += 1) count += dates[i].count;
    const [a, b] = [iso(from), iso(next - DAY)];
    const name = nameOf(a, b, months);
    bins.push({ from: a, to: b, count, name, short: months >= 12 ? a.slice(0, 4) : months ? a.slice(0, 7) : a.slice(5) });
  }
  return bins;
}

/** Load the dates when the collection or its index changes. */
export function setupDates() {
  let loaded = "";
  on(["view", "collections"], async () => {
    const c = current();
    const key = c ? `${c.id}|${c.item_count}|${c.index?.version}` : "";
    if (key === loaded) return;
    loaded = key;
    if (!c?.item_count || !c.extent?.temporal?.interval?.[0]?.some(Boolean)) { set({ dates: [] }); return; }
    const { dates } = await api.dates(c.id).catch(() => ({ dates: [] }));
    if (key === loaded) set({ dates: toBins(dates) });
  });
}

/** Whether a bin is within the filter of the view. @param {Bin} bin */
export const isChosen = (bin) => Boolean(state.view.from || state.view.to) && bin.to >= (state.view.from || "0") && bin.from <= (state.view.to || "9999");
