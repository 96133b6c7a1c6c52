// The table of all labelled quantities: value, gradient and, if asked for, the central difference.

import { centralDifference } from "./engine.js";
import * as m from "./mathml.js";
import { written } from "./numbers.js";

const WIDEST = 7; // that a name in one line is, in its height

export function makeTable(body, graph, goTo) {
  body.replaceChildren();
  const rows = inOrder(graph).map((i) => {
    const row = body.insertRow();
    const head = document.createElement("th");
    const button = document.createElement("button");
    head.scope = "row";
    button.type = "button";
    button.title = graph.nodes[i].label;
    const { name } = graph.nodes[i];
    const isText = m.roomOf(name) > WIDEST && !name[1] && !name[2]; // which breaks, as mathematics does not
    button.append(isText ? name[0] : m.math(m.name(name)));
    button.addEventListener("click", () => goTo(i));
    head.append(button);
    row.append(head);
    row.dataset.role = graph.nodes[i].role;
    row.dataset.quantity = graph.nodes[i].label;
    const [value, gradient, difference] = ["value", "gradient", "difference"].map((name) => {
      const cell = row.insertCell();
      cell.className = name;
      return cell;
    });
    return { i, row, value, gradient, difference };
  });

  let found = new Map(); // the differences of the present numbers, as far as they were asked for
  let foundFor = null;

  function differenceOf(i, numbers) {
    if (foundFor !== numbers) [found, foundFor] = [new Map(), numbers];
    if (!found.has(i)) found.set(i, centralDifference(graph.nodes, numbers.values, i));
    return found.get(i);
  }

  return function show(state, digits, hidden, now, { numbers, differences }) {
    for (const { i, row, value, gradient, difference } of rows) {
      const entry = state[i];
      const ask = hidden?.node === i ? hidden.what : "";
      const waits = entry.arrived < entry.count;
      put(value, ask === "value" ? "?" : entry.value === null ? "" : written(entry.value, digits));
      const sum = entry.gradient === null ? "" : written(entry.gradient, digits);
      const stale = entry.stale && sum;
      put(gradient, ask === "gradient" ? "?" : waits ? `${sum} …` : stale ? `(${sum})` : sum);
      gradient.classList.toggle("waiting", waits);
      gradient.classList.toggle("stale", Boolean(stale));
      if (row.classList.toggle("now", i === now)) requestAnimationFrame(() => bringIntoView(row));
      if (differences) {
        const slope = !sum || waits || stale || ask ? "" : differenceOf(i, numbers);
        put(difference, slope === "" ? "" : slope === null ? "–" : written(slope, digits));
      }
    }
  };
}

/** Scrolls the panel, and only the panel, so that a row can be seen. */
function bringIntoView(row) {
  const panel = row.closest("[role=tabpanel]");
  if (!panel) return; // another formula has been typed since: the row is no longer in the page
  const view = panel.getBoundingClientRect();
  const { top, bottom, height } = row.getBoundingClientRect();
  if (top < view.top + height || bottom > view.bottom) panel.scrollTop += top - view.top - view.height / 2;
}

function put(cell, text) {
  if (cell.textContent !== text) cell.textContent = text;
}

/** Lists the quantities as a person would: inputs, parameters, targets by name, then in order of computation. */
function inOrder({ nodes, views }) {
  const rank = (i) => (nodes[i].parents.length ? 3 : ["input", "parameter", "target"].indexOf(nodes[i].role));
  const byName = new Intl.Collator("en", { numeric: true }).compare;
  return [...views.quantities.shown].sort(
    (a, b) => rank(a) - rank(b) || (rank(a) === 3 ? a - b : byName(nodes[a].label, nodes[b].label)),
  );
}
