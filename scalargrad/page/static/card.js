// Says what one step does, in words and in mathematics.

import { derivativeFormula, valueFormula } from "./formulas.js";
import { markOf } from "./marks.js";
import * as m from "./mathml.js";
import { written } from "./numbers.js";
import { phrase, text } from "./words.js";

/** Writes a step into the card; `reveal` says how much of it a quiz lets be seen: "all", "formula" or "nothing". */
export function writeCard(card, graph, viewName, round, step, digits, reveal) {
  const tools = toolsOf(graph, viewName, round, digits);
  const { heading, lines, note } = SAY[step.kind](step, tools, reveal);
  card.querySelector(".heading").replaceChildren(...heading);
  card.querySelector(".lines").replaceChildren(...lines);
  card.querySelector(".note").replaceChildren(...note);
}

/** Makes what writes the quantities and the derivatives of a step. */
export function toolsOf(graph, viewName, round, digits) {
  const view = graph.views[viewName];
  const { edgesOf } = round.views[viewName];
  const symbol = (i) => m.name(graph.nodes[i].name);
  const values = round.numbers.values;
  const quantity = Object.assign((i) => written(values[i], digits), { numeric: true });
  const last = symbol(view.shown.at(-1));
  return {
    graph,
    view,
    round,
    digits,
    symbol,
    quantity,
    room: (i) => m.roomOf(graph.nodes[i].name),
    root: view.shown.at(-1),
    show: (x) => written(x, digits),
    inline: (i) => m.math(symbol(i)),
    gradient: (i) => m.partial(last, symbol(i)),
    soFar: (i) => m.marked(m.partial(last, symbol(i)), ["mtext", text("mark.so_far")]),
    // The derivative along one edge: never under the sign of the gradient, which is the sum over all ways.
    local({ node, parent, edge }) {
      const mark = markOf({ node, parent, edge }, edgesOf);
      const plain = m.partial(symbol(node), symbol(parent));
      return mark ? m.marked(plain, ["mtext", mark === "direct" ? text("mark.direct") : mark]) : plain;
    },
    // What came to a node through another one: "via net_o1", and which of several edges where there are several.
    via({ node, parent, edge }) {
      const mark = markOf({ node, parent, edge }, edgesOf);
      return m.row(["mtext", `${text("mark.via")}\u00a0`], symbol(node), ...(/\d/.test(mark) ? [["mtext", `\u00a0(${mark})`]] : []));
    },
  };
}

/** Makes one line: what it is, in words, and the equations. */
export function line(label, equations) {
  const element = document.createElement("div");
  element.className = "line";
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

/** Sets a formula so that it can follow a sign: in parentheses where it is a sum or begins with a minus. */
function asFactor(tree, filled) {
  const isSum = tree.slice(1).some(([tag, sign]) => tag === "mo" && "+−".includes(sign));
  return isSum || firstSign(filled) === "−" ? m.row(m.sign("("), filled, m.sign(")")) : filled;
}

const firstSign = (tree) => (typeof tree === "string" ? tree : tree.length > 1 ? firstSign(tree[1]) : "");

/** Sets the chain rule along one edge: in symbols, with the letters of the local derivative, and in numbers. */
function chainRows(left, step, formula, { symbol, quantity, show, gradient, local, digits, room, root }, all) {
  const rows = [[left, "=", m.row(gradient(step.node), m.sign("⋅"), local(step))]];
  const upstream = m.number(show(step.upstream));
  const isNumber = !formula || !JSON.stringify(formula).includes('"n"');
  const isName = formula?.length === 2 && formula[1][0] === "n";
  if (formula && !(all && isNumber)) {
    rows.push([m.row(), "=", m.row(gradient(step.node), m.sign("⋅"), asFactor(formula, m.filled(formula, symbol)))]);
  }
  if (!all) return rows;
  if (!isNumber && !isName) {
    rows.push([m.row(), "=", m.row(upstream, m.sign("×"), asFactor(formula, m.filled(formula, quantity)))]);
  }
  rows.push([m.row(), "=", m.row(upstream, m.sign("×"), m.factor(show(step.local)))]);
  const brought = show(step.contribution);
  rows.push([m.row(), "=", step.count > 1 ? m.number(brought) : result(brought)]);
  const [above, node, parent] = [root, step.node, step.parent].map(room);
  const isLong = Math.max(above, parent) + Math.max(above, node) + Math.max(node, parent) > LONG;
  return isLong || digits === "all" ? [[m.row(), "", left], [m.row(), ...rows[0].slice(1)], ...rows.slice(1)] : rows;
}

const LONG = 18; // of three names side by side, in their height: the line breaks before the sign
const MOST_LISTED = 6;

/** Lists what comes to a node and through which nodes: what has arrived with its number, what is awaited without. */
function contributionList({ contributions, arrived }, { via, show }) {
  const list = document.createElement("ul");
  list.className = "contributions";
  const from = Math.max(0, Math.min(arrived - MOST_LISTED / 2, contributions.length - MOST_LISTED));
  const add = (className, ...parts) => {
    const item = document.createElement("li");
    item.className = className;
    item.append(...parts);
    list.append(item);
  };
  if (from) add("", text("backward.more", { count: from }));
  contributions.slice(from, from + MOST_LISTED).forEach((visit, i) => {
    const at = from + i + 1;
    const brought = at <= arrived ? m.math(m.number(show(visit.contribution))) : "…";
    add(at === arrived ? "current" : at < arrived ? "came" : "awaited", m.math(via(visit)), " ", brought);
  });
  const after = contributions.length - from - MOST_LISTED;
  if (after > 0) add("", text("backward.more", { count: after }));
  return list;
}

/** Sets the sum of what has arrived, term by term where the terms are few. */
function sumRows(step, { gradient, soFar, show }) {
  const { contributions, arrived, count, earlier, total } = step;
  const terms = contributions.slice(0, arrived).map((visit) => visit.contribution);
  const shown = terms.length <= 4 ? terms : [earlier, terms.at(-1)];
  const sum = shown.flatMap((term, i) => (i ? [m.sign("+"), m.factor(show(term))] : [m.number(show(term))]));
  const left = (arrived < count ? soFar : gradient)(step.parent);
  return arrived > 1 ? [[left, "=", m.row(...sum)], [m.row(), "=", result(show(total))]] : [[left, "=", result(show(total))]];
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
    const { node, parent, edge, arrived, count } = step;
    const { graph, view, round, inline, gradient, soFar, via, symbol, show } = tools;
    const formula = derivativeFormula(graph, view, node, edge, round.numbers);
    const all = reveal === "all";
    const left = count > 1 ? m.marked(gradient(parent), via(step)) : gradient(parent);
    const lines = [line("backward.chain", chainRows(left, step, formula, tools, all))];
    if (all && count > 1) {
      lines.push(line("backward.contributions", sumRows(step, tools)));
      lines.at(-1).querySelector(".what").after(contributionList(step, tools));
    } else if (arrived > 1) {
      const sum = m.row(m.number(show(step.earlier)), m.sign("+"), left);
      lines.push(line("backward.contributions", [[(arrived < count ? soFar : gradient)(parent), "=", sum]]));
    }
    const missing = count - arrived;
    const key = `backward.${missing ? "waits" : count > 1 ? "complete" : "only"}`;
    const isLeaf = !graph.nodes[parent].parents.length;
    return {
      heading: phrase("backward.heading", { node: inline(node), parent: inline(parent) }),
      lines: reveal === "nothing" ? [] : lines,
      note: all ? phrase(isLeaf ? `${key}.leaf` : key, { parent: m.math(symbol(parent)), arrived, count, missing }) : [],
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
      note: [
        ...phrase(key, { change: m.math(m.number(show(Math.abs(now - before)))) }),
        " ",
        ...phrase("next.stale", { backward: code("backward()"), zero_grad: code("zero_grad()") }),
      ],
    };
  },
};

function code(message) {
  const element = document.createElement("code");
  element.textContent = message;
  return element;
}
