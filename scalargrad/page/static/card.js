// Says what one step does, in words and in mathematics.

import { derivativeFormula, valueFormula } from "./formulas.js";
import * as m from "./mathml.js";
import { written } from "./numbers.js";
import { phrase, text } from "./words.js";

/** Writes a step into the card; `reveal` says how much of it a quiz lets be seen: "all", "formula" or "nothing". */
export function writeCard(card, graph, view, round, step, digits, reveal) {
  const tools = toolsOf(graph, view, round, digits);
  const { heading, lines, note } = SAY[step.kind](step, tools, reveal);
  card.querySelector(".heading").replaceChildren(...heading);
  card.querySelector(".lines").replaceChildren(...lines);
  card.querySelector(".note").replaceChildren(...note);
}

function toolsOf(graph, view, round, digits) {
  const symbol = (i) => m.name(graph.nodes[i].name);
  const values = round.numbers.values;
  const quantity = Object.assign((i) => written(values[i], digits), { numeric: true });
  const root = symbol(view.shown.at(-1));
  return {
    graph,
    view,
    round,
    digits,
    symbol,
    quantity,
    show: (x) => written(x, digits),
    inline: (i) => m.math(symbol(i)),
    gradient: (i) => m.partial(root, symbol(i)),
  };
}

/** Makes one line: what it is, in words, and the equations. */
function line(label, equations, className = "") {
  const element = document.createElement("div");
  element.className = `line ${className}`;
  if (label) {
    const words = document.createElement("span");
    words.className = "what";
    words.textContent = text(label);
    element.append(words);
  }
  element.append(m.aligned(equations));
  return element;
}

function result(shown) {
  const element = m.build(m.number(shown));
  element.setAttribute("class", "result");
  return element;
}

/** Sets `left = right` in one row, or in two where the numbers are long. */
function equal(left, right, { digits }) {
  return digits === "all" ? [[m.row(), "", left], [m.row(), "=", right]] : [[left, "=", right]];
}

/** Sets a local derivative: its formula, the numbers put in, the result; each only where it says something new. */
function localRows(left, formula, { symbol, quantity }, shown, all) {
  const isNumber = !formula || !JSON.stringify(formula).includes('"n"');
  if (isNumber) return all || !formula ? [[left, "=", m.number(shown)]] : [[left, "=", m.filled(formula, symbol)]];
  const isName = formula.length === 2 && formula[1][0] === "n";
  if (all && isName) return [[left, "=", m.row(m.filled(formula, symbol), m.sign("="), m.number(shown))]];
  const rows = [[left, "=", m.filled(formula, symbol)]];
  if (all) rows.push([m.row(), "=", m.filled(formula, quantity)], [m.row(), "=", m.number(shown)]);
  return rows;
}

const SAY = {
  start(step, { graph }) {
    const key = graph.parameters.length ? "start.note" : "start.plain";
    return { heading: phrase("start.heading"), lines: [], note: phrase(key) };
  },

  forward({ node, value }, { graph, view, symbol, quantity, show, inline }, reveal) {
    const formula = valueFormula(view, node);
    const equations = [[symbol(node), "=", m.filled(formula, symbol)]];
    if (reveal === "all") {
      equations.push([m.row(), "=", m.filled(formula, quantity)], [m.row(), "=", result(show(value))]);
    }
    const last = node === view.shown.at(-1);
    const key = last && graph.parameters.length ? "forward.loss" : last ? "forward.result" : "forward.note";
    return {
      heading: phrase("forward.heading", { node: inline(node) }),
      lines: reveal === "nothing" ? [] : [line("", equations)],
      note: reveal === "all" ? phrase(key, { node: inline(node) }) : [],
    };
  },

  seed({ node }, { gradient, inline, symbol }) {
    return {
      heading: phrase("seed.heading"),
      lines: [line("", [[m.partial(symbol(node), symbol(node)), "=", result("1")]])],
      note: phrase("seed.note", { node: inline(node), gradient: m.math(gradient(node)) }),
    };
  },

  backward(step, tools, reveal) {
    const { node, parent, edge, upstream, local, contribution, total, earlier, arrived, count } = step;
    const { graph, view, round, symbol, show, inline, gradient } = tools;
    const formula = derivativeFormula(graph, view, node, edge, round.numbers);
    const all = reveal === "all";
    const lines = [
      line("backward.upstream", [[gradient(node), "=", m.number(show(upstream))]]),
      line("backward.local", localRows(m.partial(symbol(node), symbol(parent)), formula, tools, show(local), all)),
    ];
    if (all) {
      const product = m.row(m.number(show(upstream)), m.sign("×"), m.factor(show(local)));
      const brought = show(contribution);
      lines.push(line("backward.contribution", equal(product, count > 1 ? m.number(brought) : result(brought), tools)));
    } else {
      lines.push(line("backward.contribution", [[gradient(node), "×", m.partial(symbol(node), symbol(parent))]]));
    }
    if (all && arrived > 1) {
      const sum = m.row(m.number(show(earlier)), m.sign("+"), m.factor(show(contribution)));
      lines.push(line("backward.sum", [[gradient(parent), "=", sum], [m.row(), "=", result(show(total))]]));
    }
    const missing = count - arrived;
    const key = missing ? "backward.waits" : count > 1 ? "backward.complete" : "backward.only";
    return {
      heading: phrase("backward.heading", { node: inline(node), parent: inline(parent) }),
      lines: reveal === "nothing" ? [] : lines,
      note: all ? phrase(key, { parent: inline(parent), arrived, count, missing }) : [],
    };
  },

  update({ node, old, gradient: slope, rate, value }, { symbol, show, inline, gradient }, reveal) {
    const step = m.row(["mi", "η"], m.sign("⋅"), gradient(node));
    const next = ["msup", symbol(node), ["mtext", text("update.new")]];
    const equations = [[next, "=", m.row(symbol(node), m.sign("−"), step)]];
    if (reveal === "all") {
      const product = m.row(m.number(show(rate)), m.sign("×"), m.factor(show(slope)));
      equations.push([m.row(), "=", m.row(m.number(show(old)), m.sign("−"), product)]);
      equations.push([m.row(), "=", result(show(value))]);
    }
    const key = slope > 0 ? "update.down" : slope < 0 ? "update.up" : "update.same";
    return {
      heading: phrase("update.heading", { node: inline(node) }),
      lines: reveal === "nothing" ? [] : [line("", equations)],
      note: reveal === "all" ? phrase(key, { node: inline(node) }) : [],
    };
  },

  next({ node, before, after }, { symbol, show }) {
    const heading = phrase("next.heading");
    if (after.error) return { heading, lines: [], note: phrase("next.error", { error: code(after.error.message) }) };
    const now = after.values[node];
    const key = now < before ? "next.down" : now > before ? "next.up" : "next.same";
    return {
      heading,
      lines: [
        line("next.before", [[symbol(node), "=", m.number(show(before))]]),
        line("next.after", [[symbol(node), "=", result(show(now))]]),
      ],
      note: phrase(key, { change: m.math(m.number(show(Math.abs(now - before)))) }),
    };
  },
};

function code(message) {
  const element = document.createElement("code");
  element.lang = "en";
  element.textContent = message;
  return element;
}
