/** Starts the page: every module listens to what it draws, then the address bar says what to show. */

import { setupCollections } from "./collections.js";
import { byId, errorBox } from "./dom.js";
import { setupDrop } from "./drop.js";
import { setupFilters } from "./filters.js";
import { setupGrid } from "./grid.js";
import { resumeJobs, setupJobs } from "./jobs.js";
import { setupKeys } from "./keys.js";
import { setupLabelling } from "./labelling.js";
import { setupLabelStore } from "./labelstore.js";
import { loadModels, refreshCollections, refreshLabels } from "./loading.js";
import { setupMap } from "./map.js";
import { setupModels } from "./models.js";
import { setupNews } from "./news.js";
import { setupPalette } from "./palette.js";
import { setupQuery } from "./query.js";
import { format, parse } from "./route.js";
import { run } from "./search.js";
import { admitted, setupSession } from "./session.js";
import { current, noResults, set, state } from "./state.js";
import { setupStatus } from "./status.js";
import { openUpload } from "./upload.js";
import { setupWelcome } from "./welcome.js";

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
