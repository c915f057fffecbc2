/**
 * Labels that other people change appear without a reload: while the page is visible, the labels of the tiles on the screen are read
 * every few seconds in one small request, and the list of collections less often.
 */

import * as api from "../core/api.js";
import { refreshCollections, refreshLabels } from "../core/loading.js";
import { current, state } from "../core/state.js";
import { renderedTiles } from "../results/grid.js";
import { changes, showLabels } from "./store.js";

const EVERY_MS = 5000;
const MOST = 100; // tiles of a request
const COLLECTIONS_EVERY = 6; // times

/** Read the labels of the tiles on the screen and show those that changed. */
async function readLabels() {
  const c = current();
  const ids = renderedTiles().slice(0, MOST);
  if (!c || !ids.length || state.results.busy) return;
  const before = changes();
  const { features } = await api.browse(c.id, new URLSearchParams({ ids: ids.join(","), fields: "labels", limit: String(MOST) }));
  if (changes() !== before || state.view.collection !== c.id) return; // read before an own change was saved
  const changed = features.map((/** @type {any} */ f) => showLabels(f.id, f.properties.labels ?? [])).some(Boolean);
  if (changed) await refreshLabels();
}

export function setupLive() {
  let round = 0, busy = false;
  const look = async () => {
    if (document.hidden || busy || !state.loaded) return;
    busy = true;
    round += 1;
    try {
      if (round % COLLECTIONS_EVERY === 0) await refreshCollections();
      await readLabels();
    } catch (error) {
      // 404: the collection was deleted elsewhere. Otherwise look again later; what the user does next shows the error
      if (/** @type {any} */ (error).status === 404) await refreshCollections().catch(() => {});
    } finally {
      busy = false;
    }
  };
  setInterval(look, EVERY_MS);
  document.addEventListener("visibilitychange", look);
}
