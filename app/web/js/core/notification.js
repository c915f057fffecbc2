/** What happened while one looked at results: a line above them that stays until it is closed. */

import { byId, h, icon } from "./dom.js";
import { on, set, state } from "./state.js";

let collection = "";

function draw() {
  const box = byId("news");
  box.hidden = !state.news.length;
  box.replaceChildren(...(state.news.length ? [h("div", { class: "news" }, h("div", { class: "grow" }, state.news),
    h("button", { type: "button", class: "close quiet", "aria-label": "Close this message", onclick: () => set({ news: [] }) }, icon("close")))] : []));
}

export function setupNews() {
  on(["view"], () => {
    if (state.view.collection === collection) return;
    collection = state.view.collection;
    set({ news: [] });
  });
  on(["news"], draw);
}
