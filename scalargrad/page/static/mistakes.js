// Runs the backward pass with the mistakes that are often made, for the numbers at hand: the list is Python's.

import { backward, operandEdges } from "./engine.js";
import { RULES } from "./rules.js";

const MOST_VISITS = 100_000;
const SAME = 1e-9; // relative: nearer than that two gradients are one

/** Gives {right, wrong, first}, gradients by node and the first node where they part; null where it leads to nothing. */
export function compare(key, graph, round) {
  const found = attempt(() => WORK[key](graph, round));
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

/** Runs backward down all nodes from the gradients that stand there; `join(before, contribution)` gives what stands next. */
function passedDown({ nodes }, gradients, localOf, join = (before, contribution) => before + contribution) {
  for (let i = nodes.length - 1; i >= 0; i--) {
    nodes[i].parents.forEach((parent, k) => {
      gradients.set(parent, join(gradients.get(parent), gradients.get(i) * localOf(i, k)));
    });
  }
  return gradients;
}

const WORK = {
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

  assignment(graph, { numbers }) {
    const wrong = passedDown(graph, zeros(graph), (i, k) => numbers.partials[i][k], (_, contribution) => contribution);
    return { right: gradientsOf(graph, numbers), wrong };
  },

  "not zeroed"(graph, { numbers, after }) {
    if (after.error) return null;
    const [first, right] = [numbers, after].map((given) => gradientsOf(graph, given));
    const wrong = new Map(graph.nodes.map((node, i) => [i, right.get(i) + (node.parents.length ? 0 : first.get(i))]));
    return { right, wrong };
  },

  /** Two calls of backward: the right ones give the leaves twice the gradient, and no node more. */
  "not reset"(graph, { numbers }) {
    const once = gradientsOf(graph, numbers);
    const kept = new Map(once).set(graph.nodes.length - 1, 1);
    const right = new Map(graph.nodes.map(({ parents }, i) => [i, once.get(i) * (parents.length ? 1 : 2)]));
    return { right, wrong: passedDown(graph, kept, (i, k) => numbers.partials[i][k]) };
  },

  /** Each parameter moves as soon as its gradient is complete, and only then is the error passed back through it. */
  "updated too early"(graph, { numbers, rate }) {
    const { nodes, parameters } = graph;
    if (!canCompute(graph)) return null;
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

  "before backward": (graph, { numbers }) => ({
    right: gradientsOf(graph, numbers),
    wrong: new Map(graph.nodes.map((_, i) => [i, 0])),
  }),

  /** The operands are new, the results are still old. */
  "changed between"(graph, { numbers, rate }) {
    if (!canCompute(graph)) return null;
    const right = gradientsOf(graph, numbers);
    const moved = new Map(graph.parameters.map((i) => [i, numbers.values[i] - rate * right.get(i)]));
    return { right, wrong: passedDown(graph, zeros(graph), (i, k) => localWith(moved, graph.nodes[i], i, k, numbers)) };
  },
};

/** Tells whether the page can work out every operation, and not Python alone. */
const canCompute = ({ nodes }) => nodes.every(({ rule, parents }) => !parents.length || rule !== null);

/** The mistakes, in the order of Python's list. */
export const MISTAKES = Object.keys(WORK);

function attempt(work) {
  try {
    return work();
  } catch {
    return null; // a mistaken number outside an operation's domain
  }
}

/** Lists the gradients of every mistake that comes to an end: [key, gradients]. */
export function mistakenGradients(graph, round) {
  round.mistaken ??= MISTAKES.map((key) => [key, compare(key, graph, round)?.wrong]).filter(([, wrong]) => wrong);
  return round.mistaken;
}

/** Works out a local derivative from the operands that have moved and the value that has not. */
function localWith(moved, { rule, parents }, i, k, { values, partials }) {
  if (!parents.some((parent) => moved.has(parent))) return partials[i][k];
  return RULES[rule].partials[k](...parents.map((parent) => moved.get(parent) ?? values[parent]), values[i]);
}
