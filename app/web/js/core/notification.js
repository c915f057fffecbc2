/** Notification above the results, shown until it is closed. */

import { byId, h, icon } from "./dom.js";
import { on, set, state } from "./state.js";

let collection = "";

function draw() {
  const box = byId("news");
  box.hidden = !state.notification.length;
  box.replaceChildren(...(state.notification.length ? [h("div", { class: "news" }, h("div", { class: "grow" }, state.notification),
    h("button", { type: "button", class: "close quiet", "aria-label": "Close this message", onclick: () => set({ notification: [] }) }, icon("close")))] : []));
}

export function setupNotification() {
  on(["view"], () => {
    if (state.view.collection === collection) return;
    collection = state.view.collection;
    set({ notification: [] });
  });
  on(["notification"], draw);
}
