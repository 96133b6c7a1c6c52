// Computes a graph anew: values and local derivatives by the rows of the table, gradients by the chain rule.

import { DomainError, TooLarge, repr } from "./python.js";
import { RULES } from "./rules.js";
import { Refusal } from "./words.js";

/** Computes y and its local derivatives by one row, or throws the error that Python's engine raises. */
export function compute(rule, operands) {
  try {
    const y = rule.value(...operands);
    const partials = rule.partials.map((partial) => partial(...operands, y));
    if (![y, ...partials].every(Number.isFinite)) throw new TooLarge();
    return { y, partials };
  } catch (error) {
    throw refusal(rule, error, operands);
  }
}

function refusal({ name, domain }, error, operands) {
  const got = operands.map((number, i) => `${"ab"[i]} = ${repr(number)}`).join(", ");
  if (error instanceof TooLarge) return new Refusal("error.large", { name, got });
  if (error instanceof DomainError) return new Refusal("error.domain", { name, domain: domain || error.message, got });
  return error;
}

/** Runs the forward pass from the leaves' values; `fixed` may set an interior node to a value of its own. */
export function forward(nodes, leaves, fixed = new Map()) {
  const values = [];
  const partials = [];
  nodes.forEach((node, i) => {
    if (fixed.has(i)) {
      values.push(fixed.get(i));
      partials.push([]);
    } else if (node.rule === null || !node.parents.length) {
      values.push(finite(leaves[i]));
      partials.push([]);
    } else {
      const result = compute(RULES[node.rule], node.parents.map((parent) => values[parent]));
      values.push(result.y);
      partials.push(result.partials);
    }
  });
  return { values, partials };
}

function finite(number) {
  if (!Number.isFinite(number)) throw new Refusal("error.finite", { got: repr(number) });
  return number;
}

/**
 * Runs the chain rule down `order` (parents first) from its last node, and tells `visit` what each edge brings.
 * `edgesOf(i)` lists the edges of a node as {parent, local}. Gives back the gradients.
 */
export function backward(order, edgesOf, visit = () => {}) {
  const gradients = new Map([[order.at(-1), 1]]);
  for (const node of [...order].reverse()) {
    const upstream = gradients.get(node) ?? 0;
    edgesOf(node).forEach(({ parent, local }, edge) => {
      const contribution = upstream * local;
      const total = (gradients.get(parent) ?? 0) + contribution;
      if (!Number.isFinite(total)) {
        throw new Refusal("error.gradient", { got: repr(total) });
      }
      gradients.set(parent, total);
      visit({ node, parent, edge, upstream, local, contribution, total });
    });
  }
  return gradients;
}

/** Lists the edges of every operation: one an operand. */
export function operandEdges(nodes, { partials }) {
  return nodes.map((node, i) => node.parents.map((parent, k) => ({ parent, local: partials[i][k] })));
}

/** Finds for each shown node the hidden ones under it, itself included, down to the next shown nodes. */
export function regionsOf(nodes, shown) {
  const isShown = new Set(shown);
  return new Map(
    shown.map((node) => {
      const region = new Set([node]);
      for (const inner of region) {
        for (const parent of nodes[inner].parents) if (!isShown.has(parent)) region.add(parent);
      }
      return [node, [...region].sort((a, b) => a - b)];
    }),
  );
}

/** Lists the edges between the shown nodes, with the true derivatives: the chain rule over what is hidden. */
export function shownEdges(regions, edges) {
  const inner = new Map();
  for (const [node, region] of regions) {
    const inside = new Set(region);
    const found = [...backward(region, (i) => edges[i])].filter(([parent]) => !inside.has(parent));
    inner.set(node, found.map(([parent, local]) => ({ parent, local })).sort((a, b) => a.parent - b.parent));
  }
  return inner;
}

/** Takes one step down the gradient: new = old - rate * gradient. */
export function updated(leaves, parameters, gradients, rate) {
  const next = [...leaves];
  for (const i of parameters) next[i] = finite(leaves[i] - rate * gradients.get(i));
  return next;
}

/** Finds the derivative of the root by a node from two values of the node; null where they leave a domain. */
export function centralDifference(nodes, values, node) {
  const h = Math.cbrt(Number.EPSILON) * Math.max(1, Math.abs(values[node]));
  const high = values[node] + h;
  const low = values[node] - h;
  try {
    const [above, below] = [high, low].map((x) => forward(nodes, values, new Map([[node, x]])).values.at(-1));
    return (above - below) / (high - low);
  } catch {
    return null;
  }
}
