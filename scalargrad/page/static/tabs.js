// Tabs: one panel is shown at a time; the arrow keys go from tab to tab.

/** Makes the tabs of a list; `changed()` is called when another one is chosen. */
export function makeTabs(list, changed) {
  const tabs = [...list.querySelectorAll("[role=tab]:not([hidden])")];

  function choose(chosen) {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
    changed();
  }

  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", ({ key }) => {
      const by = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!by) return;
      const next = tabs.at((i + by) % tabs.length);
      choose(next);
      next.focus();
    });
  });
  choose(tabs[0]);
}
