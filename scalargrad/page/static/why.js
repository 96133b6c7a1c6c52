// Says why a local derivative is what it is: the formula, its curve with the tangent at this point, and PyTorch's line.

import { make } from "./drawing.js";
import { forward } from "./engine.js";
import { derivativeFormula, valueFormula } from "./formulas.js";
import { markOf } from "./marks.js";
import * as m from "./mathml.js";
import { written } from "./numbers.js";
import { text } from "./words.js";

const [WIDTH, HEIGHT, MARGIN] = [240, 130, 14];
const REACH = 2; // how far the curve goes to both sides
const POINTS = 60;

/** Fills the part of the card that opens on "Why?"; it is not there for a step without a local derivative. */
export function showWhy(details, graph, viewName, round, step, live) {
  details.hidden = step?.kind !== "backward";
  if (details.hidden || !details.open) return;
  const view = graph.views[viewName];
  const { node, parent, edge, local } = step;
  const symbol = (i) => m.name(graph.nodes[i].name);
  const formula = derivativeFormula(graph, view, node, edge, round.numbers);
  const rows = [[symbol(node), "=", m.filled(valueFormula(view, node), symbol)]];
  if (formula) rows.push([m.partial(symbol(node), symbol(parent)), "=", m.filled(formula, symbol)]);
  const mark = markOf(step, round.views[viewName].edgesOf);
  const parts = [m.aligned(rows)];
  const isOneWay = !/\d/.test(mark); // of x*x no curve shows the one factor alone
  if (live && isOneWay) parts.push(...curveOf(graph, view, round.numbers.values, step));
  if (!mark) parts.push(torchLine(graph, node, parent, local));
  details.querySelector("div").replaceChildren(...parts);
}

/** Draws the node over its parent, everything else that is shown held fast, with the tangent that has the derivative. */
function curveOf(graph, view, values, { node, parent, local }) {
  const fixed = new Map(view.shown.filter((i) => i !== node).map((i) => [i, values[i]]));
  const [x0, y0] = [values[parent], values[node]];
  const points = [];
  for (let k = 0; k <= POINTS; k++) {
    const x = x0 + REACH * ((2 * k) / POINTS - 1);
    try {
      points.push([x, forward(graph.nodes, values, fixed.set(parent, x)).values[node]]);
    } catch {
      // outside the domain there is no curve
    }
  }
  const heights = points.map(([, y]) => y);
  const [low, high] = [Math.min(...heights, y0 - 0.2), Math.max(...heights, y0 + 0.2)];
  const across = (x) => MARGIN + ((x - x0 + REACH) / (2 * REACH)) * (WIDTH - 2 * MARGIN);
  const down = (y) => HEIGHT - MARGIN - ((y - low) / (high - low)) * (HEIGHT - 2 * MARGIN);
  const at = ([x, y]) => `${across(x).toFixed(1)} ${down(y).toFixed(1)}`;
  const tangent = [x0 - REACH / 2, x0 + REACH / 2].map((x) => [x, y0 + local * (x - x0)]);
  const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "why-curve" });
  svg.setAttribute("aria-label", text("why.curve", { slope: written(local, 4) }));
  svg.append(
    make("path", { class: "curve", d: `M${points.map(at).join("L")}` }),
    make("path", { class: "tangent", d: `M${tangent.map(at).join("L")}` }),
    make("circle", { class: "end", cx: across(x0), cy: down(y0), r: 4 }),
  );
  const note = document.createElement("p");
  note.append(text("why.tangent", { slope: written(local, 4) }));
  return [svg, note];
}

function torchLine(graph, node, parent, local) {
  const line = document.createElement("p");
  const code = document.createElement("code");
  const plain = (i) => graph.nodes[i].label || graph.nodes[i].name.join("");
  code.textContent = `torch.autograd.grad(${plain(node)}, ${plain(parent)})[0]`;
  line.append(`${text("why.torch")} `, code, ` → ${written(local, 6)}`);
  return line;
}
