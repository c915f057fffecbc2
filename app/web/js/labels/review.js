/** Review queue: the tiles whose labels would teach most, one at a time, with the classes they probably have. */

import * as api from "../core/api.js";
import { openDialog } from "../core/dialog.js";
import { announce, count, errorBox, h, when } from "../core/dom.js";
import { current, state } from "../core/state.js";
import { proposals } from "./proposals.js";
import { labelsOf, relabel, undo } from "./store.js";
import { labelField } from "./typeahead.js";

/** @typedef {import("../core/types.js").Feature} Feature */

const BATCH = 50;
/** Ask for new suggestions after so many labels: those made before do not count the new labels. */
const FRESH = 15;

/** @param {string} collection */
function createQueue(collection) {
  /** @type {Feature[]} */ let queue = [];
  /** @type {Set<string>} */ const seen = new Set();
  /** @type {Feature[]} */ const past = [];
  let sinceFresh = 0;
  const counts = { labelled: 0, skipped: 0 };
  return {
    counts,
    /** The next tile, or undefined at the end. */
    async next() {
      if (!queue.length || sinceFresh >= FRESH) {
        const { features } = await api.suggestions(collection, BATCH + Math.min(seen.size, BATCH));
        queue = features.filter((f) => !seen.has(f.id) && !labelsOf(f.id, f.properties.labels ?? []).length);
        sinceFresh = 0;
      }
      const f = queue.shift();
      if (f) { seen.add(f.id); past.push(f); }
      return f;
    },
    /** The tile before the current one. */
    back() {
      const now = past.pop(), before = past.at(-1);
      if (now) queue.unshift(now);
      return before;
    },
    /** @param {"labelled"|"skipped"} how */
    count(how) { counts[how] += 1; if (how === "labelled") sinceFresh += 1; },
    upcoming: () => queue[0],
  };
}

/** Open the review queue of the current collection. */
export function openReview() {
  const c = current();
  if (!c?.item_count) return;
  const queue = createQueue(c.id);
  /** @type {Feature|undefined} */ let f;
  /** @type {("labelled"|"skipped")[]} */ let trail = [];
  /** @type {ReturnType<typeof proposals>|null} */ let classes = null;
  const stage = h("div", { class: "review" });
  const note = h("div", {});
  const progress = h("p", { class: "muted", "aria-live": "polite" });
  const field = labelField({ id: "review-label", label: "Another label", placeholder: "Another label…", onchoose: (label) => { field.input.value = ""; accept(label); } });

  const showCounts = () => progress.replaceChildren(`${count(queue.counts.labelled, "tile")} labelled, ${queue.counts.skipped} skipped`);

  /** @param {string|null|undefined} label */
  function accept(label) {
    if (!f || !label) return;
    const { id } = f;
    void relabel([{ id, add: [label], remove: [], known: labelsOf(id, f.properties.labels ?? []) }]).then((error) => { if (error) note.replaceChildren(errorBox(error)); });
    f.properties.labels = [label];
    announce(`${label}. Next tile`);
    queue.count("labelled");
    trail.push("labelled");
    void advance();
  }

  function skip() {
    if (!f) return;
    queue.count("skipped");
    trail.push("skipped");
    void advance();
  }

  function back() {
    const last = trail.pop();
    if (!last) return;
    queue.counts[last] -= 1;
    if (last === "labelled") undo();
    const before = queue.back();
    if (before) { before.properties.labels = []; f = before; draw(); }
  }

  async function advance() {
    showCounts();
    try {
      f = await queue.next();
      draw();
    } catch (error) {
      f = undefined;
      stage.replaceChildren(errorBox(error, { retry: advance }));
    }
  }

  function draw() {
    showCounts();
    if (!f) {
      classes = null;
      stage.replaceChildren(h("div", { class: "nothing" }, h("p", {}, h("b", {}, "No further tile to review.")),
        h("p", { class: "muted" }, queue.counts.labelled ? "Train the model with the new labels, or label more tiles in the grid." : "Every tile that was examined has a label, or was skipped.")));
      return;
    }
    const p = f.properties;
    const next = queue.upcoming();
    classes = proposals(c?.id ?? "", f.id, accept);
    stage.replaceChildren(
      h("figure", { class: "review-image" }, h("img", { src: api.thumbnailUrl(c?.id ?? "", f.id, 512), alt: p.file_name ?? "Tile", width: 512, height: 512 }),
        h("figcaption", { class: "muted small ellipsis" }, [p.file_name ?? f.id.slice(0, 8), p.datetime && when(p.datetime).slice(0, 10)].filter(Boolean).join(" · "))),
      h("div", { class: "stack" }, h("h3", {}, "Proposed labels"), classes.element,
        h("div", { class: "field" }, field.element),
        h("div", { class: "row" }, h("button", { type: "button", id: "review-skip", onclick: skip }, "Skip ", h("kbd", {}, "s")),
          h("button", { type: "button", id: "review-back", class: "quiet", disabled: !trail.length, onclick: back }, "Back ", h("kbd", {}, "u"))), note),
      next ? h("img", { src: api.thumbnailUrl(c?.id ?? "", next.id, 512), alt: "", class: "preload", loading: "eager" }) : "");
    stage.focus();
  }

  const dialog = openDialog("Review: tiles to label next", [stage, h("div", { class: "row" }, progress, h("span", { class: "spread" }),
    h("span", { class: "muted small review-keys" }, h("kbd", {}, "Enter"), " accept  ", h("kbd", {}, "↑"), h("kbd", {}, "↓"), " choose  ", h("kbd", {}, "1–9"), " label of the key  ", h("kbd", {}, "o"), " other"))], { class: "wide review-dialog" });
  stage.tabIndex = -1;
  stage.append(h("p", { class: "muted" }, "Looking for the most informative tiles…"));
  dialog.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const target = /** @type {HTMLElement} */ (event.target);
    if (event.ctrlKey || event.metaKey || event.altKey || target.matches("input") || (event.key === "Enter" && target.matches("button"))) return;
    if (event.key === "Enter" && !classes?.chosen()) field.input.focus();
    else if (event.key === "Enter") accept(classes?.chosen());
    else if (event.key === "ArrowDown" || event.key === "ArrowUp") classes?.move(event.key === "ArrowDown" ? 1 : -1);
    else if (/^[1-9]$/.test(event.key)) accept(state.palette[Number(event.key) - 1]);
    else if (event.key === "s" || event.key === "ArrowRight") skip();
    else if (event.key === "u" || event.key === "ArrowLeft") back();
    else if (event.key === "o") field.input.focus();
    else return;
    event.preventDefault();
  });
  void advance();
}
