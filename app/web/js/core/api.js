/** Client of the HTTP API. URLs are relative to the page, so that it also works behind a proxy with a path prefix. */

/** @typedef {import("./types.js").Job} Job */

/** An error response of the service; `message` can be shown to the user. */
export class ApiError extends Error {
  /**
   * @param {string} message
   * @param {number} status 0 if there was no response
   * @param {{loc?: string, message?: string}[]} [errors]
   */
  constructor(message, status, errors = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

/** Event that is dispatched when a request is rejected because it has no valid key (status 401). */
export const UNAUTHORIZED = "dyad-unauthorized";

/**
 * @param {number} status
 * @param {string} text
 */
function problem(status, text) {
  if (status === 401) dispatchEvent(new Event(UNAUTHORIZED));
  try {
    const body = JSON.parse(text);
    if (body.detail || body.title) return new ApiError(body.detail || body.title, status, body.errors ?? []);
  } catch {
    // not JSON: report the status
  }
  return new ApiError(`The service returned an error (status ${status}).`, status);
}

/**
 * @param {string} path
 * @param {{method?: string, json?: any, form?: FormData, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 */
export async function request(path, { method, json, form, signal } = {}) {
  /** @type {RequestInit} */
  const init = { method: method ?? (json || form ? "POST" : "GET"), signal, headers: { Accept: "application/json, */*;q=0.5" } };
  if (json) {
    init.body = JSON.stringify(json);
    init.headers = { ...init.headers, "Content-Type": "application/json" };
  } else if (form) init.body = form;
  let response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (/** @type {Error} */ (error).name === "AbortError") throw error;
    throw new ApiError("No response from the service. Check that it is running, then try again.", 0);
  }
  const text = await response.text();
  if (!response.ok) throw problem(response.status, text);
  return text ? JSON.parse(text) : null;
}

/**
 * A file that the service makes.
 * @param {string} path
 * @param {any} [json] body; with `image`, the member `query` of a form
 * @param {Blob|null} [image]
 * @returns {Promise<Blob>}
 */
export async function file(path, json, image) {
  /** @type {RequestInit} */ let init = {};
  if (image) {
    const form = new FormData();
    form.append("image", image, /** @type {File} */ (image).name || "image");
    form.append("query", JSON.stringify(json));
    init = { method: "POST", body: form };
  } else if (json) init = { method: "POST", body: JSON.stringify(json), headers: { "Content-Type": "application/json" } };
  const response = await fetch(path, init);
  if (!response.ok) throw problem(response.status, await response.text());
  return response.blob();
}

export const session = () => request("session");
/** @param {string} key */
export const beginSession = (key) => request("session", { json: { key } });
export const endSession = () => request("session", { method: "DELETE" });

const enc = encodeURIComponent;
/** @param {string} c */
const at = (c) => `collections/${enc(c)}`;

export const collections = () => request("collections");
/** @param {string} c */
export const collection = (c) => request(at(c));
/** @param {any} settings */
export const createCollection = (settings) => request("collections", { json: settings });
/** @param {string} c @param {any} changes */
export const patchCollection = (c, changes) => request(at(c), { method: "PATCH", json: changes });
/** @param {string} c */
export const deleteCollection = (c) => request(at(c), { method: "DELETE" });
/** @param {string} c */
export const labels = (c) => request(`${at(c)}/labels`);
/** Tiles whose labels would teach most, the most useful first. @param {string} c @param {number} limit @returns {Promise<import("./types.js").FeatureCollection>} */
export const suggestions = (c, limit) => request(`${at(c)}/suggestions?limit=${limit}`);
/** Probabilities of the labels of the collection for a tile. @param {string} c @param {string} item */
export const classes = (c, item) => request(`${at(c)}/items/${enc(item)}/classes`);
export const models = () => request("models");
/** @param {File} bundle a zip file */
export function importModel(bundle) {
  const form = new FormData();
  form.append("bundle", bundle, bundle.name);
  return request("models", { form });
}
/** @param {string} id */
export const bundleUrl = (id) => `models/${enc(id)}/bundle`;
/** @param {string} id */
export const activateModel = (id) => request(`models/${enc(id)}/activate`, { method: "POST" });
/** @param {string} id */
export const deleteModel = (id) => request(`models/${enc(id)}`, { method: "DELETE" });
export const sample = () => request("sample", { method: "POST" });

/** @param {string} c @param {string} item */
export const item = (c, item) => request(`${at(c)}/items/${enc(item)}`);
/** @param {string} c @param {string} item @param {any} changes */
export const patchItem = (c, item, changes) => request(`${at(c)}/items/${enc(item)}`, { method: "PATCH", json: changes });
/** @param {string} c @param {string} item */
export const deleteItem = (c, item) => request(`${at(c)}/items/${enc(item)}`, { method: "DELETE" });
/** @param {string} c @param {string} item @param {number} [size] */
export const thumbnailUrl = (c, item, size = 256) => `${at(c)}/items/${enc(item)}/thumbnail?size=${size}`;
/** @param {string} c @param {string} item */
export const imageUrl = (c, item) => `${at(c)}/items/${enc(item)}/image`;
/** @param {string} c @param {string} item */
export const itemUrl = (c, item) => `${at(c)}/items/${enc(item)}`;
/** @param {string} c @param {URLSearchParams} query */
export const itemsUrl = (c, query) => `${at(c)}/items?${query}`;
/** Address of map tiles with the places `{z}`, `{x}` and `{y}`: imagery of a collection, or similarity of a saved search. @param {string} id */
export const mapTilesUrl = (id) => `${at(id)}/tiles/WebMercatorQuad/{z}/{x}/{y}.png`;
/** Address of vector tiles: all footprints of a collection, or the results of a saved search. @param {string} id */
export const vectorTilesUrl = (id) => `${at(id)}/tiles/WebMercatorQuad/{z}/{x}/{y}.mvt`;
/** @param {string} c @returns {Promise<{dates: {date: string, count: number}[], undated: number}>} */
export const dates = (c) => request(`${at(c)}/dates`);
/** @param {string} c @returns {Promise<{searches: import("./types.js").SavedSearch[]}>} */
export const savedSearches = (c) => request(`${at(c)}/searches`);
/**
 * @param {string} c
 * @param {any} query body of a search with `title`
 * @param {Blob|null} image
 * @returns {Promise<import("./types.js").SavedSearch>}
 */
export function saveSearch(c, query, image) {
  if (!image) return request(`${at(c)}/searches`, { json: query });
  const form = new FormData();
  form.append("image", image, /** @type {File} */ (image).name || "image");
  form.append("query", JSON.stringify(query));
  return request(`${at(c)}/searches`, { form });
}
/** @param {string} id */
export const searchImage = (id) => file(`searches/${enc(id)}/image`);

/** @param {string} id */
export const deleteSearch = (id) => request(`searches/${enc(id)}`, { method: "DELETE" });

/** @param {string} c @param {URLSearchParams} query */
export const searchUrl = (c, query) => `${at(c)}/search?${query}`;

/**
 * @param {string} c
 * @param {any} query
 * @param {Blob|null} image
 * @param {AbortSignal} [signal]
 */
export function search(c, query, image, signal) {
  if (!image) return request(`${at(c)}/search`, { json: query, signal });
  const form = new FormData();
  form.append("image", image, /** @type {File} */ (image).name || "image");
  form.append("query", JSON.stringify(query));
  return request(`${at(c)}/search`, { form, signal });
}

/** @param {string} c @param {URLSearchParams} query @param {AbortSignal} [signal] */
export const browse = (c, query, signal) => request(itemsUrl(c, query), { signal });

/** @param {string} id */
export const process = (id) => request(`processes/${enc(id)}`);
/** @param {string} id @param {any} inputs @returns {Promise<Job>} */
export const execute = (id, inputs) => request(`processes/${enc(id)}/execution`, { json: { inputs } });
/** @param {string} c */
export const indexes = (c) => request(`${at(c)}/indexes`);
/** @param {string} c @param {string} version */
export const rollback = (c, version) => request(`${at(c)}/rollback`, { json: { version } });
/** @param {string} c @returns {Promise<any>} null if the collection has no schedule */
export async function schedule(c) {
  try {
    return await request(`${at(c)}/schedule`);
  } catch (error) {
    if (/** @type {ApiError} */ (error).status === 404) return null;
    throw error;
  }
}
/** @param {string} c @param {any} body */
export const putSchedule = (c, body) => request(`${at(c)}/schedule`, { method: "PUT", json: body });
/** @param {string} c */
export const deleteSchedule = (c) => request(`${at(c)}/schedule`, { method: "DELETE" });
/** @param {string} c @param {boolean} [acceptMissing] treat all missing files as deleted, whatever their number @returns {Promise<Job>} */
export const runSchedule = (c, acceptMissing = false) => request(`${at(c)}/schedule/run`, { json: { accept_vanished: acceptMissing } });
/** @param {string} c @param {File} file @param {"add"|"replace"} mode */
export function sendLabels(c, file, mode) {
  const form = new FormData();
  form.append("file", file, file.name);
  return request(`${at(c)}/labels?mode=${mode}`, { form });
}
/** @param {string} c */
export const labelsUrl = (c) => `${at(c)}/labels.csv`;
/** @param {string} id */
export const reportUrl = (id) => `jobs/${enc(id)}/report`;

/** @param {string|null} [c] */
export const jobs = (c) => request(c ? `jobs?collection=${enc(c)}` : "jobs");
/** @param {string} id */
export const job = (id) => request(`jobs/${enc(id)}`);
/** @param {string} id */
export const jobResults = (id) => request(`jobs/${enc(id)}/results`);
/** @param {string} id */
export const cancelJob = (id) => request(`jobs/${enc(id)}`, { method: "DELETE" });

/**
 * Upload files as one ingest job. Uses XMLHttpRequest, because fetch does not report upload progress.
 * @param {string} c
 * @param {{file: File, path: string}[]} files
 * @param {Record<string, any>} metadata by path
 * @param {{onprogress?: (sent: number) => void, signal?: AbortSignal, labelsFromFolders?: boolean}} [options]
 * @returns {Promise<Job>}
 */
export function upload(c, files, metadata, { onprogress, signal, labelsFromFolders } = {}) {
  const form = new FormData();
  for (const { file, path } of files) form.append("files", file, path);
  if (Object.keys(metadata).length) form.append("metadata", JSON.stringify(metadata));
  if (labelsFromFolders) form.append("labels_from_folders", "true");
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open("POST", `${at(c)}/items`);
    xhr.upload.onprogress = (event) => onprogress?.(event.loaded);
    xhr.onload = () => (xhr.status < 300 ? resolve(JSON.parse(xhr.responseText)) : reject(problem(xhr.status, xhr.responseText)));
    xhr.onerror = () => reject(new ApiError("Upload failed: no response from the service, or the upload exceeds its size limit.", 0));
    xhr.onabort = () => reject(new DOMException("Upload cancelled", "AbortError"));
    signal?.addEventListener("abort", () => xhr.abort());
    xhr.send(form);
  });
}

/**
 * What a file contains and how it would be cut into tiles; nothing is stored.
 * @param {File} file @param {any} settings of a collection @param {AbortSignal} [signal]
 */
export function preview(file, settings, signal) {
  const form = new FormData();
  form.append("file", file, file.name);
  form.append("settings", JSON.stringify(settings));
  return request("preview", { form, signal });
}

/** @param {Job} job */
export const ended = (job) => ["successful", "failed", "dismissed"].includes(job.status);

/**
 * Follow a job until it ends, by server-sent events. If the event stream fails, poll once a second.
 * @param {string} id
 * @param {(job: Job) => void} onchange called for each state received
 * @param {AbortSignal} [signal] stops following; the job continues
 * @returns {Promise<Job>} the job in its final state
 */
export async function follow(id, onchange, signal) {
  const last = await listen(id, onchange, signal);
  if (last) return last;
  for (;;) {
    signal?.throwIfAborted();
    const state = await job(id);
    onchange(state);
    if (ended(state)) return state;
    await new Promise((done) => setTimeout(done, 1000));
  }
}

/**
 * @param {string} id
 * @param {(job: Job) => void} onchange
 * @param {AbortSignal} [signal]
 * @returns {Promise<Job|null>} null if the stream failed before the job ended
 */
function listen(id, onchange, signal) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`jobs/${enc(id)}/events`);
    const close = () => source.close();
    source.addEventListener("status", (event) => {
      const state = JSON.parse(event.data);
      onchange(state);
      if (ended(state)) { close(); resolve(state); }
    });
    source.onerror = () => { close(); resolve(null); };
    signal?.addEventListener("abort", () => { close(); reject(signal.reason); });
  });
}
