/** Helpers to create elements and to format values. */

/**
 * Create an element: `h("button", {class: "quiet", onclick: f}, "Text")`. Falsy children and attributes are left out.
 * @param {string} tag
 * @param {Record<string, any>} [props] attributes; `on...` are listeners, `true` is an empty attribute
 * @param {...any} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked") /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== ""));
  return element;
}

/**
 * @param {string} id
 * @returns {any}
 */
export function byId(id) {
  return document.getElementById(id);
}

const ICONS = {
  plus: "M8 3v10M3 8h10",
  minus: "M3 8h10",
  info: "M8 1.8a6.2 6.2 0 1 0 0 12.4a6.2 6.2 0 1 0 0-12.4M8 7.3v3.6M8 4.9v.1",
  close: "M4 4l8 8M12 4l-8 8",
  box: "M3 4.5h10v7H3z",
  polygon: "M4 12.5L2.5 6L8 2.5L13.5 6.5L11 13z",
  lasso: "M8 2.5C4.5 2.5 2 4.3 2 6.6S4.6 10.8 8 10.8S14 9 14 6.6S11.5 2.5 8 2.5M5.2 10.3a1.5 1.5 0 1 0 .6 2.2c.3.8 0 1.4-.6 1.9",
  left: "M10 3L5 8l5 5",
  right: "M6 3l5 5l-5 5",
  check: "M3 8.5l3.2 3.2L13 4.8",
  undo: "M6.5 4L3 7.5L6.5 11M3.5 7.5H9.5a3.5 3.5 0 0 1 0 7H7",
};

/**
 * A 16 px line icon.
 * @param {keyof typeof ICONS} name
 */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * "2 100 tiles", "1 tile"; digits grouped by thin spaces.
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function count(n, one, many = `${one}s`) {
  return `${group(n)} ${n === 1 ? one : many}`;
}

/** @param {number} n */
export function group(n) {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** @param {number} ms */
export function milliseconds(ms) {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

/**
 * Format an instant as a UTC date, with the time unless it is midnight.
 * @param {string|null|undefined} text
 */
export function when(text) {
  if (!text) return "";
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const iso = date.toISOString();
  return iso.slice(11, 19) === "00:00:00" ? iso.slice(0, 10) : `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
}

/** @param {number} bytes */
export function size(bytes) {
  const units = ["B", "KB", "MB", "GB"];
  let i = 0;
  while (bytes >= 1000 && i < units.length - 1) { bytes /= 1000; i += 1; }
  return `${bytes >= 100 || i === 0 ? Math.round(bytes) : bytes.toFixed(1)} ${units[i]}`;
}

/**
 * Format a position in degrees with hemisphere letters.
 * @param {number} lon
 * @param {number} lat
 * @param {number} [digits]
 */
export function lonLat(lon, lat, digits = 4) {
  const wrapped = ((((lon + 180) % 360) + 360) % 360) - 180;
  return `${Math.abs(lat).toFixed(digits)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(wrapped).toFixed(digits)}° ${wrapped < 0 ? "W" : "E"}`;
}

let announced = "";

/**
 * Announce a text to screen readers. The same text is not repeated.
 * @param {string} text
 */
export function announce(text) {
  if (text === announced) return;
  announced = text;
  byId("live").textContent = text;
}

/**
 * Create an error message, to be shown where the error occurred.
 * @param {unknown} error
 * @param {{retry?: () => void}} [options]
 */
export function errorBox(error, { retry } = {}) {
  const problem = /** @type {any} */ (error);
  const fields = problem?.errors ?? [];
  return h("div", { class: "error", role: "alert" },
    h("p", {}, problem?.message ?? String(error)),
    fields.length > 1 && h("ul", {}, fields.map((/** @type {any} */ f) => h("li", {}, `${f.loc ?? ""}: ${f.message ?? f.msg ?? ""}`))),
    retry && h("button", { type: "button", onclick: retry }, "Try again"));
}

/**
 * Run an action that may fail. Its button is disabled until it ends, and an error is shown in `note`.
 * @template T
 * @param {HTMLElement} note
 * @param {() => Promise<T>} act
 * @param {HTMLButtonElement} [button]
 * @returns {Promise<T|undefined>} undefined if it failed
 */
export async function attempt(note, act, button) {
  note.replaceChildren();
  if (button) button.disabled = true;
  try {
    return await act();
  } catch (error) {
    note.replaceChildren(errorBox(error));
    return undefined;
  } finally {
    if (button) button.disabled = false;
  }
}

/**
 * Copy text to the clipboard. Falls back to a selection if the clipboard API is unavailable (plain HTTP).
 * Returns true if the text was copied.
 * @param {string} text
 */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "sr-only", value: text });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/**
 * Copy a text, and show for a moment on the button that it was copied, or the text itself if it was not.
 * @param {HTMLElement} button @param {string} text
 */
export async function copyFrom(button, text) {
  const name = button.dataset.name ??= button.textContent ?? ""; // a second click sees the message
  button.textContent = (await copy(text)) ? "Copied" : text;
  setTimeout(() => { button.textContent = name; }, 2500);
}

/**
 * @template {any[]} A
 * @param {(...args: A) => void} fn
 * @param {number} ms
 */
export function debounce(fn, ms) {
  /** @type {number|undefined} */
  let timer;
  return (/** @type {A} */ ...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => fn(...args), ms);
  };
}
