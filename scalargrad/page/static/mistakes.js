// Runs the backward pass with the mistakes that are often made, for the numbers at hand: the list is Python's.

import { backward, operandEdges } from "./engine.js";
import { RULES } from "./rules.js";

const MOST_VISITS = 100_000;
const SAME = 1e-9; // relative: nearer than that two gradients are one

/** Gives {right, wrong, first}, gradients by node and the first node where they part; null where it leads to nothing. */
export function compare(key, graph, round) {
  const found = WORK[key](graph, round);
  if (!found || ![...found.wrong.values()].every(Number.isFinite)) return null;
  const { right, wrong } = found;
  const order = graph.nodes.map((_, i) => i).reverse();
  const parts = (i) => Math.abs(right.get(i) - wrong.get(i)) > SAME * Math.max(Math.abs(right.get(i)), Math.abs(wrong.get(i)));
  return { right, wrong, first: order.find((i) => !graph.nodes[i].number && parts(i)) ?? null };
}

const gradientsOf = ({ nodes }, numbers) => {
  const edges = operandEdges(nodes, numbers);
  const found = backward(nodes.map((_, i) => i), (i) => edges[i]);
  return new Map(nodes.map((_, i) => [i, found.get(i) ?? 0]));
};

const zeros = ({ nodes }) => new Map(nodes.map((_, i) => [i, i === nodes.length - 1 ? 1 : 0]));

const WORK = {
  assignment(graph, { numbers }) {
    const wrong = zeros(graph);
    const edges = operandEdges(graph.nodes, numbers);
    for (let i = graph.nodes.length - 1; i >= 0; i--) {
      for (const { parent, local } of edges[i]) wrong.set(parent, wrong.get(i) * local);
    }
    return { right: gradientsOf(graph, numbers), wrong };
  },

  recursion(graph, { numbers }) {
    const wrong = zeros(graph);
    const edges = operandEdges(graph.nodes, numbers);
    const waiting = [graph.nodes.length - 1];
    for (let visits = 0; waiting.length; visits++) {
      if (visits > MOST_VISITS) return null;
      const i = waiting.pop();
      for (const { parent, local } of edges[i]) wrong.set(parent, wrong.get(parent) + wrong.get(i) * local);
      waiting.push(...edges[i].map(({ parent }) => parent).reverse());
    }
    return { right: gradientsOf(graph, numbers), wrong };
  },

  "not zeroed"(graph, { numbers, after }) {
    if (after.error) return null;
    const [first, right] = [numbers, after].map((given) => gradientsOf(graph, given));
    const wrong = new Map(graph.nodes.map((node, i) => [i, right.get(i) + (node.parents.length ? 0 : first.get(i))]));
    return { right, wrong };
  },

  /** Each parameter moves as soon as its gradient is complete, and only then is the error passed back through it. */
  "updated too early"(graph, { numbers, rate }) {
    const { nodes, parameters } = graph;
    if (nodes.some(({ rule, parents }) => parents.length && rule === null)) return null; // only Python can compute it
    const waiting = new Map(parameters.map((i) => [i, 0]));
    for (const { parents } of nodes) for (const i of parents) if (waiting.has(i)) waiting.set(i, waiting.get(i) + 1);
    const wrong = zeros(graph);
    const moved = new Map();
    const contribute = (i, k) => {
      const parent = nodes[i].parents[k];
      wrong.set(parent, wrong.get(parent) + wrong.get(i) * localWith(moved, nodes[i], i, k, numbers));
    };
    for (let i = nodes.length - 1; i >= 0; i--) {
      const all = nodes[i].parents.map((_, k) => k);
      const own = all.filter((k) => waiting.has(nodes[i].parents[k]));
      for (const k of own) {
        contribute(i, k);
        waiting.set(nodes[i].parents[k], waiting.get(nodes[i].parents[k]) - 1);
      }
      for (const leaf of new Set(own.map((k) => nodes[i].parents[k]))) {
        if (!waiting.get(leaf)) moved.set(leaf, numbers.values[leaf] - rate * wrong.get(leaf));
      }
      for (const k of all) if (!own.includes(k)) contribute(i, k);
    }
    return { right: gradientsOf(graph, numbers), wrong };
  },
};

/** The mistakes that the page can make. */
export const MISTAKES = Object.keys(WORK);

/** Works out a local derivative from the operands that have moved and the value that has not. */
function localWith(moved, { rule, parents }, i, k, { values, partials }) {
  if (!parents.some((parent) => moved.has(parent))) return partials[i][k];
  return RULES[rule].partials[k](...parents.map((parent) => moved.get(parent) ?? values[parent]), values[i]);
}
