/** Starts the page: every module listens to what it draws, then the address bar says what to show. */

import { setupCollections } from "./collections/picker.js";
import { setupWelcome } from "./collections/welcome.js";
import { byId, errorBox } from "./core/dom.js";
import { loadModels, refreshCollections, refreshLabels } from "./core/loading.js";
import { setupNews } from "./core/notification.js";
import { format, parse } from "./core/route.js";
import { admitted, setupSession } from "./core/session.js";
import { setupKeys } from "./core/shortcuts.js";
import { current, noResults, set, state } from "./core/state.js";
import { setupDrop } from "./ingest/drop.js";
import { openUpload } from "./ingest/upload.js";
import { resumeJobs, setupJobs } from "./jobs/tracker.js";
import { setupLabelling } from "./labels/labelbar.js";
import { setupPalette } from "./labels/palette.js";
import { setupLabelStore } from "./labels/store.js";
import { setupModels } from "./learning/models.js";
import { setupMap } from "./map/resultsmap.js";
import { setupGrid } from "./results/grid.js";
import { setupStatus } from "./results/status.js";
import { setupFilters } from "./search/filters.js";
import { setupQuery } from "./search/querypanel.js";
import { run } from "./search/run.js";

const REMEMBERED = "dyad.collection";

/** The collection to look at when the address names none: the last one, or the fullest. */
function defaultCollection() {
  const last = localStorage.getItem(REMEMBERED);
  if (state.collections.some((c) => c.id === last)) return last ?? "";
  return [...state.collections].sort((a, b) => b.item_count - a.item_count)[0]?.id ?? "";
}

/** Show what the address bar says. */
async function route() {
  const view = parse(location.hash);
  if (!view.collection) {
    view.collection = defaultCollection();
    if (view.collection) history.replaceState(null, "", format(view));
  }
  const moved = view.collection !== state.view.collection;
  // tiles of another collection must not be drawn as if they were of this one
  set(moved ? { view, results: noResults(), labels: [] } : { view });
  if (current()) localStorage.setItem(REMEMBERED, view.collection);
  await Promise.all([current() ? run() : null, moved ? refreshLabels() : null]);
}

async function start() {
  const notice = byId("notice");
  try {
    if (!(await admitted(start))) return;
    await Promise.all([refreshCollections(), loadModels()]);
    notice.replaceChildren();
    await route();
    await resumeJobs();
  } catch (error) {
    notice.replaceChildren(errorBox(error, { retry: start }));
  }
}

for (const setup of [setupSession, setupCollections, setupQuery, setupFilters, setupPalette, setupLabelStore, setupLabelling, setupGrid, setupMap, setupStatus,
  setupJobs, setupModels, setupNews, setupWelcome, setupDrop, setupKeys]) setup();
byId("add-images").addEventListener("click", () => { const c = current(); if (c) openUpload(c.id); });
addEventListener("popstate", () => { route().catch((error) => byId("notice").replaceChildren(errorBox(error))); });
void start();
