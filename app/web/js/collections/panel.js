/** Dialog of one collection, with tabs: properties, training, indexes, labels as files, schedule. */

import { openDialog } from "../core/dialog.js";
import { current } from "../core/state.js";
import { tabs } from "../core/tabs.js";
import { labelFiles } from "../labels/importexport.js";
import { indexes } from "../learning/indexes.js";
import { training } from "../learning/training.js";
import { about } from "./about.js";
import { schedule } from "./schedule.js";

/** @typedef {"about"|"train"|"index"|"labels"|"schedule"} TabId */

/** @param {TabId} [tab] @param {string} [model] selected for re-indexing */
export function openPanel(tab = "about", model = undefined) {
  const c = current();
  if (!c) return;
  const { bar, panels } = tabs(`Sections of ${c.title || c.id}`, [
    { id: "about", title: "About", build: () => about(c, () => dialog.close()) },
    { id: "train", title: "Train", build: () => training(c) },
    { id: "index", title: "Index", build: () => indexes(c, model, () => dialog.close()) },
    { id: "labels", title: "Labels", build: () => labelFiles(c) },
    { id: "schedule", title: "Schedule", build: () => schedule(c) },
  ], tab);
  const dialog = openDialog(c.title || c.id, panels, { class: "panel", under: bar });
}
