/** API key of a service that requires one. The key is stored in a session cookie that scripts cannot read. */

import * as api from "./api.js";
import { openDialog } from "./dialog.js";
import { attempt, byId, h } from "./dom.js";

let asking = false;

/**
 * Ask for a key until a valid one is entered.
 * @param {() => void} onaccepted
 */
function ask(onaccepted) {
  if (asking) return;
  asking = true;
  let accepted = false;
  const note = h("div", {});
  const field = h("input", { type: "password", id: "key-field", autocomplete: "current-password", required: true, maxlength: 256, "aria-label": "Key" });
  const button = h("button", { class: "primary" }, "Continue");
  const dialog = openDialog("This service needs a key", [
    h("p", { class: "muted" }, "The operator of the service creates keys with the command dyad keys create. The browser deletes the key when it is closed."),
    h("form", { class: "row", onsubmit: async (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!(await attempt(note, () => api.beginSession(field.value.trim()), button))) return;
      accepted = true;
      dialog.close();
    } }, field, button),
    note,
  ], { class: "small", onclose: () => { asking = false; if (accepted) onaccepted(); } });
  field.focus();
}

/** @param {{name: string, role: string}} session */
function showKey({ name, role }) {
  const note = h("div", {});
  const signOut = h("button", { type: "button", onclick: async () => {
    await attempt(note, async () => { await api.endSession(); location.reload(); }, signOut);
  } }, "Sign out");
  openDialog("Key", [h("p", {}, "You are signed in with the key ", h("b", {}, name), ` (role: ${role}).`), note, h("div", { class: "row end" }, signOut)], { class: "small" });
}

/**
 * Check whether the page may start. If a key is missing, ask for it and call `begin` when it is accepted.
 * @param {() => void} begin
 */
export async function hasSession(begin) {
  const session = await api.session();
  const button = byId("key");
  button.hidden = !session.required;
  button.onclick = () => (session.name ? showKey(session) : ask(begin));
  if (!session.required || session.name) return true;
  ask(begin);
  return false;
}

/** Ask again when an accepted key is rejected: it was revoked, or another window has signed out. */
export function setupSession() {
  addEventListener(api.UNAUTHORIZED, () => ask(() => location.reload()));
}
