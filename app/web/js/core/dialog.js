/** Modal dialogs: closed by Esc, the close button or a click outside; the focus then returns to the previous element. */

import { h, icon } from "./dom.js";

let serial = 0;

/**
 * Open a dialog.
 * @param {string} title
 * @param {any[]} body
 * @param {{class?: string, onclose?: () => void, under?: any}} [options] under: elements below the title that do not scroll
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, body, options = {}) {
  const id = `dialog-${++serial}`;
  const before = /** @type {HTMLElement|null} */ (document.activeElement);
  const dialog = h("dialog", { class: `dialog ${options.class ?? ""}`, "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, icon("close"))),
    options.under,
    h("div", { class: "dialog-body" }, body));
  dialog.addEventListener("close", () => {
    dialog.remove();
    options.onclose?.();
    if (before?.isConnected) before.focus();
  });
  let pressedOutside = false;
  dialog.addEventListener("pointerdown", (/** @type {Event} */ e) => { pressedOutside = e.target === dialog; });
  dialog.addEventListener("click", (/** @type {Event} */ e) => { if (pressedOutside && e.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Ask for confirmation of an action that cannot be undone.
 * @param {string} question
 * @param {string} action the button's text
 * @returns {Promise<boolean>}
 */
export function confirmed(question, action) {
  return new Promise((resolve) => {
    let yes = false;
    const dialog = openDialog("Are you sure?", [
      h("p", {}, question),
      h("div", { class: "row end" },
        h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
        h("button", { type: "button", class: "danger", onclick: () => { yes = true; dialog.close(); } }, action)),
    ], { class: "small", onclose: () => resolve(yes) });
  });
}
