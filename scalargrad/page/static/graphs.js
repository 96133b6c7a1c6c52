// Makes of recorded nodes the graph that the page shows, in the same plain data that Python writes.

import { operandEdges, regionsOf, shownEdges } from "./engine.js";
import { ROWS } from "./rows.js";
import { RULES } from "./rules.js";
import { figures, labelParts, mathml, name, nameParts, number, product, read, readable, substitute, sum, tidy } from "./symbols.js";
import { topologicalOrder } from "./typed.js";

const ROLE_OF_LETTER = { w: "parameter", b: "parameter", y: "target", t: "target" };

/** Describes the graph under a root. */
export function graphOf(root) {
  const order = topologicalOrder(root);
  const numbers = new Map(order.map((node, i) => [node, i]));
  const taken = new Set(order.map((node) => node.label));
  let free = 0;
  const nameOf = (node) => {
    if (node.label) return node.label;
    if (node.number) return (node.value < 0 ? "-" : "") + figures(Math.abs(node.value));
    do free += 1;
    while (taken.has(`v${free}`));
    return `v${free}`;
  };
  const nodes = order.map((node) => ({
    label: node.label,
    name: nameParts(nameOf(node)),
    role: roleOf(node, root),
    symbol: node.rule ? ROWS[node.rule].symbol : "",
    rule: node.rule ? ROWS[node.rule].row : null,
    parents: node.parents.map((parent) => numbers.get(parent)),
    number: node.number,
  }));
  const recorded = { values: order.map((node) => node.value), partials: order.map((node) => node.partials) };
  const shown = order.map((_, i) => i).filter((i) => order[i].label || order[i] === root);
  return {
    nodes,
    recorded,
    parameters: shown.filter((i) => nodes[i].role === "parameter"),
    views: { operations: operationsOf(order, nodes), quantities: quantitiesOf(order, nodes, shown, recorded) },
  };
}

function roleOf(node, root) {
  if (node.parents.length) return node === root ? "loss" : node.label ? "quantity" : "operation";
  if (node.number) return "number";
  const [word] = labelParts(node.label);
  return Object.hasOwn(ROLE_OF_LETTER, word) ? ROLE_OF_LETTER[word] : "input";
}

const place = (i) => name(`n${i}`);

/** Gives the formula of an operation with the trees of its operands put in. */
function valueFormula(order, nodes, i, tree) {
  return substitute(read(ROWS[order[i].rule].value), wordsOf(nodes[i], tree));
}

/** Gives the formula of one local derivative: of several branches the one that holds for the recorded numbers. */
function localDerivative(order, nodes, i, k, tree) {
  const { rule, value, parents } = order[i];
  const branch = RULES[ROWS[rule].row].branches[k](...parents.map((parent) => parent.value), value);
  return tidy(substitute(read(ROWS[rule].partials[k][branch]), { y: tree(i), ...wordsOf(nodes[i], tree) }));
}

const wordsOf = ({ parents }, tree) => Object.fromEntries(parents.map((parent, k) => ["ab"[k], tree(parent)]));

function operationsOf(order, nodes) {
  const tree = (i) => (nodes[i].number ? number(order[i].value) : place(i));
  return {
    shown: order.map((_, i) => i),
    formulas: nodes.map(({ parents }, i) => (parents.length ? mathml(valueFormula(order, nodes, i, tree)) : null)),
    derivatives: nodes.map(({ parents }, i) => parents.map((_, k) => mathml(localDerivative(order, nodes, i, k, tree)))),
  };
}

/** Runs the chain rule in symbols from each labelled quantity down to the nearest labelled ones. */
function quantitiesOf(order, nodes, shown, recorded) {
  const isShown = new Set(shown);
  const regions = regionsOf(nodes, shown);
  const edges = shownEdges(regions, operandEdges(nodes, recorded));
  const formulas = [];
  const derivatives = [];
  for (const node of shown) {
    const written = new Map();
    const tree = (i) => (isShown.has(i) ? place(i) : nodes[i].parents.length ? written.get(i) : number(order[i].value));
    const region = regions.get(node);
    for (const i of region) if (nodes[i].parents.length) written.set(i, readable(valueFormula(order, nodes, i, tree)));
    const slopes = new Map([[node, number(1)]]);
    for (const i of region.toReversed()) {
      nodes[i].parents.forEach((parent, k) => {
        const path = product(slopes.get(i), localDerivative(order, nodes, i, k, tree));
        slopes.set(parent, readable(slopes.has(parent) ? sum(slopes.get(parent), path) : path));
      });
    }
    formulas.push(nodes[node].parents.length ? mathml(written.get(node)) : null);
    derivatives.push(edges.get(node).map(({ parent }) => mathml(tidy(slopes.get(parent)))));
  }
  return { shown, formulas, derivatives };
}
