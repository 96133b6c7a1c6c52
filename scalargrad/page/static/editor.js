// Lets every labelled leaf be changed, by a number field and by a slider.

import * as m from "./mathml.js";

const byName = new Intl.Collator("en", { numeric: true }).compare;
const ORDER = ["parameter", "input", "target"];

/** Makes the fields; `change(node, number)` is called for an edit, with NaN for what is no number. */
export function makeEditor(container, graph, change) {
  container.replaceChildren();
  let shown = [];
  const leaves = graph.nodes
    .map((node, i) => ({ ...node, i }))
    .filter((node) => !node.parents.length && !node.number)
    .sort((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role) || byName(a.label, b.label));
  const fields = leaves.map(({ i, name, label }) => {
    const row = document.createElement("div");
    const field = document.createElement("input");
    const slider = document.createElement("input");
    const middle = graph.recorded.values[i];
    const reach = 2 * Math.max(1, Math.abs(middle));
    const words = document.createElement("label");
    row.className = "edit";
    field.type = "number";
    field.step = "any";
    field.id = `leaf-${i}`;
    words.htmlFor = field.id;
    words.append(m.math(m.name(name)));
    field.setAttribute("aria-label", label);
    Object.assign(slider, { type: "range", min: round(middle - reach), max: round(middle + reach), step: "any" });
    slider.setAttribute("aria-label", label);
    field.addEventListener("input", () => field.value !== "" && change(i, field.valueAsNumber));
    field.addEventListener("change", () => {
      if (field.value === "") change(i, NaN); // left empty, or with what is no number
      field.value = String(shown[i]);
    });
    slider.addEventListener("input", () => change(i, round(slider.valueAsNumber)));
    slider.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      change(i, round(slider.valueAsNumber + (by * reach) / 40));
    });
    row.append(words, field, slider);
    container.append(row);
    return { i, field, slider };
  });

  return function show(values, live) {
    shown = values;
    for (const { i, field, slider } of fields) {
      const text = String(values[i]);
      if (field.value !== text && field !== document.activeElement) field.value = text; // nobody is typing in it
      if (slider.valueAsNumber !== values[i]) slider.value = text;
      field.disabled = slider.disabled = !live;
    }
  };
}

/** Rounds what a slider gives to three places, so that numbers stay readable. */
function round(x) {
  return Math.round(x * 1000) / 1000;
}
