/**
 * Starts the page: each module subscribes to the state that it draws, then the view is read from the URL.
 *
 * The page is static files: ES modules that the browser loads directly, without a framework or a build step. It has no state of its own
 * beyond `core/state.js`, and the wheel contains what is in the repository. Folders: `core` is used by all others; `search`, `results` and
 * `map` show an answer; `ingest`, `labels`, `learning`, `jobs` and `collections` change data.
 */

import { setupCollections } from "./collections/picker.js";
import { setupUpgrade } from "./collections/upgrade.js";
import { setupWelcome } from "./collections/welcome.js";
import { byId, errorBox } from "./core/dom.js";
import { loadModels, refreshCollections, refreshLabels } from "./core/loading.js";
import { setupNotification } from "./core/notification.js";
import { format, parse } from "./core/route.js";
import { hasSession, setupSession } from "./core/session.js";
import { setupShortcuts } from "./core/shortcuts.js";
import { setupSplitter } from "./core/splitter.js";
import { current, noResults, set, state } from "./core/state.js";
import { setupDrop } from "./ingest/drop.js";
import { openUpload } from "./ingest/upload.js";
import { resumeJobs, setupJobs } from "./jobs/tracker.js";
import { setupLabelling } from "./labels/labelbar.js";
import { setupLive } from "./labels/live.js";
import { setupPalette } from "./labels/palette.js";
import { setupLabelStore } from "./labels/store.js";
import { setupModels } from "./learning/models.js";
import { setupVersions } from "./learning/versions.js";
import { setupMap } from "./map/resultsmap.js";
import { setupGrid } from "./results/grid.js";
import { arrive, leave } from "./results/history.js";
import { setupSelection } from "./results/selection.js";
import { setupStatus } from "./results/status.js";
import { setupFilters } from "./search/filters.js";
import { setupQuery } from "./search/querypanel.js";
import { restore, run } from "./search/run.js";
import { setupSaved } from "./search/saved.js";
import { restoreUploads } from "./search/uploaded.js";

const LAST_COLLECTION = "dyad.collection";

/** The collection to show if the URL has none: the last one used, else the one with the most tiles. */
function defaultCollection() {
  const last = localStorage.getItem(LAST_COLLECTION);
  if (state.collections.some((c) => c.id === last)) return last ?? "";
  return [...state.collections].sort((a, b) => b.item_count - a.item_count)[0]?.id ?? "";
}

/** Show the view of the URL. */
async function route() {
  leave();
  const view = parse(location.hash);
  if (!view.collection) {
    view.collection = defaultCollection();
    if (view.collection) history.replaceState(null, "", format(view));
  }
  const before = arrive();
  const moved = view.collection !== state.view.collection;
  // do not draw tiles of the previous collection as tiles of this one
  set(moved ? { view, results: noResults(), labels: [] } : { view });
  if (current()) localStorage.setItem(LAST_COLLECTION, view.collection);
  if (before && current()) restore(before);
  await Promise.all([current() && !before ? run() : null, moved ? refreshLabels() : null]);
}

async function start() {
  const notice = byId("notice");
  try {
    if (!(await hasSession(start))) return;
    await Promise.all([refreshCollections(), loadModels(), restoreUploads()]);
    notice.replaceChildren();
    await route();
    await resumeJobs();
  } catch (error) {
    notice.replaceChildren(errorBox(error, { retry: start }));
  }
}

for (const setup of [setupSession, setupCollections, setupQuery, setupSaved, setupFilters, setupPalette, setupLabelStore, setupLive, setupLabelling, setupGrid, setupSelection, setupMap, setupStatus,
  setupJobs, setupModels, setupNotification, setupWelcome, setupUpgrade, setupVersions, setupDrop, setupSplitter, setupShortcuts]) setup();
byId("add-images").addEventListener("click", () => { const c = current(); if (c) openUpload(c.id); });
addEventListener("popstate", () => { route().catch((error) => byId("notice").replaceChildren(errorBox(error))); });
void start();
