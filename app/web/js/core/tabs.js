/** Tabs by the ARIA pattern: one tab stop, arrow keys move. Each panel is built when it is first shown. */

import { h } from "./dom.js";

/** @typedef {{id: string, title: string, build: () => any}} Tab */

let serial = 0;

/**
 * @param {string} label
 * @param {Tab[]} list
 * @param {string} first id of the tab shown first
 */
export function tabs(label, list, first) {
  const name = `tabs-${++serial}`;
  const buttons = list.map((tab) => h("button", { type: "button", role: "tab", id: `${name}-${tab.id}`, "aria-controls": `${name}-${tab.id}-panel`, onclick: () => show(tab.id) }, tab.title));
  const panels = list.map((tab) => h("div", { role: "tabpanel", class: "stack", id: `${name}-${tab.id}-panel`, "aria-labelledby": `${name}-${tab.id}`, hidden: true }));

  /** @param {string} id */
  function show(id) {
    list.forEach((tab, i) => {
      const chosen = tab.id === id;
      buttons[i].setAttribute("aria-selected", String(chosen));
      buttons[i].tabIndex = chosen ? 0 : -1;
      panels[i].hidden = !chosen;
      if (chosen && !panels[i].childNodes.length) panels[i].append(...[tab.build()].flat().filter(Boolean));
      if (chosen) buttons[i].scrollIntoView?.({ block: "nearest", inline: "nearest" });
    });
  }

  const bar = h("div", { role: "tablist", class: "tabs", "aria-label": label, onkeydown: (/** @type {KeyboardEvent} */ event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = (to + buttons.length) % buttons.length;
    buttons[next].focus();
    show(list[next].id);
  } }, buttons);
  show(first);
  return { bar, panels, show };
}
