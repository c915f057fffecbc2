/** Modal dialogs: one at a time, closed by Esc, the close button or a click beside it; the focus goes back to where it was. */

import { h, icon } from "./dom.js";

let serial = 0;

/**
 * Open a dialog.
 * @param {string} title
 * @param {any[]} body
 * @param {{class?: string, onclose?: () => void, under?: any}} [options] under: what stays below the title when the body scrolls
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
 * Ask before something that cannot be undone.
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
        h("button", { type: "button", onclick: () => dialog.close() }, "Keep"),
        h("button", { type: "button", class: "danger", onclick: () => { yes = true; dialog.close(); } }, action)),
    ], { class: "small", onclose: () => resolve(yes) });
  });
}
