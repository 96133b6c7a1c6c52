// Lays out what happens, step by step: the forward pass, the backward pass, the update, the next forward pass.

import { backward, forward, operandEdges, regionsOf, shownEdges, updated } from "./engine.js";

export const PHASES = ["start", "forward", "backward", "update", "next"];

/** Computes one round from the numbers at hand: gradients, updated parameters, and the steps of both views. */
export function round(graph, numbers, rate, recordedAfter) {
  const { nodes, parameters } = graph;
  const everything = graph.views.operations.shown;
  const edges = operandEdges(nodes, numbers);
  const gradients = backward(everything, (i) => edges[i]);
  const after = recordedAfter ?? attempt(() => forward(nodes, updated(numbers.values, parameters, gradients, rate)));
  const shared = { numbers, gradients, after, rate };
  const views = {};
  for (const [name, view] of Object.entries(graph.views)) {
    view.regions ??= name === "operations" ? null : regionsOf(nodes, view.shown);
    const inner = view.regions ? shownEdges(view.regions, edges) : edges;
    const edgesOf = (i) => (view.regions ? inner.get(i) : inner[i]);
    views[name] = { steps: stepsOf(graph, view, edgesOf, shared), edgesOf };
  }
  return { ...shared, views };
}

function attempt(compute) {
  try {
    return compute();
  } catch (error) {
    return { error };
  }
}

function stepsOf(graph, view, edgesOf, { numbers, gradients, after, rate }) {
  const { nodes, parameters } = graph;
  const root = view.shown.at(-1);
  const steps = [{ phase: "start", kind: "start" }];
  for (const node of view.shown) {
    if (nodes[node].parents.length) {
      steps.push({ phase: "forward", kind: "forward", node, value: numbers.values[node] });
    }
  }
  steps.push({ phase: "backward", kind: "seed", node: root });
  const visits = [];
  backward(view.shown, edgesOf, (visit) => {
    if (!nodes[visit.parent].number) visits.push(visit);
  });
  const contributions = new Map(); // to each node, in the order in which they arrive
  for (const visit of visits) {
    if (!contributions.has(visit.parent)) contributions.set(visit.parent, []);
    contributions.get(visit.parent).push(visit);
  }
  const arrived = new Map();
  for (const visit of visits) {
    const all = contributions.get(visit.parent);
    const before = arrived.get(visit.parent) ?? 0;
    const earlier = before ? all[before - 1].total : 0;
    arrived.set(visit.parent, before + 1);
    const came = { earlier, count: all.length, arrived: before + 1, contributions: all };
    steps.push({ phase: "backward", kind: "backward", ...visit, ...came });
  }
  for (const node of parameters) {
    const old = numbers.values[node];
    const gradient = gradients.get(node);
    const value = after.error ? old - rate * gradient : after.values[node];
    steps.push({ phase: "update", kind: "update", node, old, gradient, rate, value });
  }
  if (parameters.length) {
    steps.push({ phase: "next", kind: "next", node: root, before: numbers.values[root], after });
  }
  return steps;
}

/**
 * Tells what is known after a step: for each node its value, its gradient so far, whether that is complete, and whether
 * it is stale: it belongs to numbers that an update has changed since.
 */
export function known(graph, { numbers, after }, steps, at) {
  const state = graph.nodes.map((node, i) => ({
    value: node.parents.length ? null : numbers.values[i],
    gradient: null,
    arrived: 0,
    count: 0,
    stale: false,
  }));
  for (const step of steps.slice(0, at + 1)) {
    if (step.kind === "forward") state[step.node].value = step.value;
    if (step.kind === "update") Object.assign(state[step.node], { value: step.value, stale: true });
    if (step.kind === "seed") Object.assign(state[step.node], { gradient: 1, arrived: 1, count: 1 });
    if (step.kind === "backward") {
      Object.assign(state[step.parent], { gradient: step.total, arrived: step.arrived, count: step.count });
    }
    if (step.kind === "next") {
      const values = after.error ? state.map((entry) => entry.value) : after.values;
      state.forEach((entry, i) => Object.assign(entry, { value: values[i], stale: true }));
    }
  }
  return state;
}
