/** The key of a service that needs one: asked for once, then kept by the browser until it is closed, out of the reach of scripts. */

import * as api from "./api.js";
import { openDialog } from "./dialog.js";
import { attempt, byId, h } from "./dom.js";

let asking = false;

/**
 * Ask for a key until one is known.
 * @param {() => void} onknown
 */
function ask(onknown) {
  if (asking) return;
  asking = true;
  let known = false;
  const note = h("div", {});
  const field = h("input", { type: "password", id: "key-field", autocomplete: "current-password", required: true, maxlength: 256, "aria-label": "Key" });
  const button = h("button", { class: "primary" }, "Continue");
  const dialog = openDialog("This service needs a key", [
    h("p", { class: "muted" }, "Whoever runs it makes one with dyad keys create. It is forgotten when the browser is closed."),
    h("form", { class: "row", onsubmit: async (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!(await attempt(note, () => api.beginSession(field.value.trim()), button))) return;
      known = true;
      dialog.close();
    } }, field, button),
    note,
  ], { class: "small", onclose: () => { asking = false; if (known) onknown(); } });
  field.focus();
}

/** @param {{name: string, role: string}} session */
function showKey({ name, role }) {
  const note = h("div", {});
  const forget = h("button", { type: "button", onclick: async () => {
    await attempt(note, async () => { await api.endSession(); location.reload(); }, forget);
  } }, "Forget it");
  openDialog("Key", [h("p", {}, "You are here with the key ", h("b", {}, name), `, which allows: ${role}.`), note, h("div", { class: "row end" }, forget)], { class: "small" });
}

/**
 * Whether the page may begin; if not, the key is asked for, and `begin` called when there is one.
 * @param {() => void} begin
 */
export async function admitted(begin) {
  const session = await api.session();
  const button = byId("key");
  button.hidden = !session.required;
  button.onclick = () => (session.name ? showKey(session) : ask(begin));
  if (!session.required || session.name) return true;
  ask(begin);
  return false;
}

/** Ask again when a key that was known is refused: it has been revoked, or another window has forgotten it. */
export function setupSession() {
  addEventListener(api.LOCKED, () => ask(() => location.reload()));
}
