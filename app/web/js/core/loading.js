/** Loads the collections, the models and the labels of the current collection into the state. */

import * as api from "./api.js";
import { set, state } from "./state.js";

/** Reload the collections and the labels of the current one. */
export async function refreshCollections() {
  const { collections } = await api.collections();
  set({ collections, loaded: true });
  await refreshLabels();
}

export async function refreshLabels() {
  const id = state.view.collection;
  if (!state.collections.some((c) => c.id === id)) {
    set({ labels: [] });
    return;
  }
  const { labels } = await api.labels(id);
  if (state.view.collection === id) set({ labels });
}

export async function loadModels() {
  set({ models: (await api.models()).models });
}
