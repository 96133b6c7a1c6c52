// The bar of the phases: where the present step is, and a way to the first step of each.

import { PHASES } from "./steps.js";
import { text } from "./words.js";

/** Makes the bar; `go(phase)` goes to the first step of a phase. */
export function makePhases(bar, go) {
  const buttons = new Map();

  return function show(steps, present) {
    for (const phase of PHASES) {
      const count = steps.filter((step) => step.phase === phase).length;
      if (!buttons.has(phase)) buttons.set(phase, add(phase));
      const button = buttons.get(phase);
      const word = text(`chip.${phase}`);
      if (button.textContent !== word) Object.assign(button, { textContent: word, title: text(`phase.${phase}`) });
      button.style.flexGrow = count;
      button.hidden = !count;
      if (phase === present) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    }
  };

  function add(phase) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.phase = phase;
    button.addEventListener("click", () => go(phase));
    bar.append(button);
    return button;
  }
}
