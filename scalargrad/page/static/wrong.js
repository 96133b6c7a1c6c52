// The tab in which the backward pass runs with a mistake: its gradients beside the right ones, and where they part.

import * as m from "./mathml.js";
import { MISTAKES, compare } from "./mistakes.js";
import { written } from "./numbers.js";
import { saidFraction } from "./options.js";
import { text } from "./words.js";

/** Makes the tab; gives a way to show it for a graph and the numbers at hand. */
export function makeWrong(panel, render) {
  const choice = panel.querySelector("#mistake");
  const why = panel.querySelector("#mistake-why");
  const body = panel.querySelector("#mistaken");
  choice.append(...MISTAKES.map((key) => new Option("", key)));
  choice.addEventListener("change", render);

  return function show(graph, round, digits) {
    const told = (key) => text(`slip.${key}`).split(/: (.*)/s);
    for (const option of choice.options) option.textContent = told(option.value)[0];
    if (panel.hidden) return;
    const found = compare(choice.value, graph, round);
    const { shown } = graph.views.quantities;
    const listed = [...new Set([...shown, found?.first ?? shown[0]])].sort((a, b) => b - a); // as backward visits them
    const note = !found ? "mistake.none" : found.first === null ? "mistake.same" : "";
    why.textContent = `${told(choice.value)[1]}${note ? ` ${text(note)}` : ""}`;
    body.replaceChildren(...(found ? listed : []).map((i) => rowOf(graph, i, found, digits)));
  };
}

function rowOf(graph, i, { right, wrong, first }, digits) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  const said = document.createElement("span");
  said.className = "unseen";
  said.textContent = saidFraction(graph, graph.nodes.length - 1, i);
  const fraction = m.math(m.partial(m.name(graph.nodes.at(-1).name), m.name(graph.nodes[i].name)));
  fraction.setAttribute("aria-hidden", "true");
  head.append(said, fraction);
  row.append(head);
  for (const gradients of [right, wrong]) row.insertCell().textContent = written(gradients.get(i), digits);
  if (i === first) {
    row.className = "now";
    row.insertCell().textContent = text("mistake.first");
  }
  return row;
}
