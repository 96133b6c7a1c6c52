// Asks what no number answers: what may be next, which factor is missing, what the root does when a leaf grows.

import { forward } from "./engine.js";

const MOST_WRONG = 3;
const SAME = 1e-9; // relative: nearer than that two derivatives have one number
const GROWTHS = [1e-2, 1e-3, 1e-4, 1e-5, 1e-6]; // by how much a leaf grows, as a share of it or of 1
const NEAR = 0.5; // of the gradient: a slope that is so near to it agrees with it
const EVEN = 0.1; // two slopes that differ by a smaller share belong to one straight line

/**
 * Gives the question of a step: {ask, fill, reveal, options}, null where there is none. An option is {id, content,
 * right, why, fill}: `why` is the sentence with the reason, and `fill` what is put into it, such as ["node", 3].
 * `reveal` tells how much of the step may be seen meanwhile. Every option that is not right is wrong.
 */
export function idea(graph, viewName, round, at, live) {
  const { steps, edgesOf } = round.views[viewName];
  const step = steps[at];
  if (step.kind === "start" || step.kind === "forward") return nextValue(steps, at, edgesOf);
  if (step.kind === "update") return live ? effect(graph, round, step.node, at, "formula") : null;
  if (step.kind === "seed") return nextGradient(graph, steps, at);
  if (step.kind !== "backward") return null;
  const { parents, role } = graph.nodes[step.parent];
  const hasParameters = graph.parameters.length > 0;
  const isLeaf = !parents.length && step.arrived === step.count;
  if (isLeaf && live && !hasParameters) return effect(graph, round, step.parent, at, "all");
  const next = steps[at + 1]?.node === step.node ? null : nextGradient(graph, steps, at);
  const isAside = hasParameters && ["input", "target"].includes(role); // nobody moves them
  const factor = isAside ? null : missingFactor(graph, round, edgesOf, step, at);
  return at % 2 ? (next ?? factor) : (factor ?? next);
}

/** Puts the right option among the wrong ones, at another place from step to step. */
function question(ask, fill, reveal, right, wrong, at) {
  if (!right || !wrong.length) return null;
  const options = wrong.slice(0, MOST_WRONG).map((option) => ({ ...option, right: false }));
  options.splice((at * 7 + 3) % (options.length + 1), 0, { ...right, right: true });
  return { ask, fill, reveal, options };
}

const nodeOption = (node, why, fill = {}) => ({
  id: String(node),
  content: ["node", node],
  why,
  fill: { node: ["node", node], ...fill },
});

/** Which value may be computed next: one of a node whose operands all have their values. */
function nextValue(steps, at, edgesOf) {
  const nodesOf = (some) => some.filter(({ kind }) => kind === "forward").map(({ node }) => node);
  const open = nodesOf(steps.slice(at + 1));
  const isOpen = new Set(open);
  const missing = (node) => edgesOf(node).find(({ parent }) => isOpen.has(parent))?.parent;
  const ready = open.filter((node) => missing(node) === undefined);
  const early = open.filter((node) => missing(node) !== undefined);
  const done = nodesOf(steps.slice(0, at + 1)).reverse();
  const wrong = [
    ...early.map((node) => nodeOption(node, "idea.value.early", { missing: ["node", missing(node)] })),
    ...done.map((node) => nodeOption(node, "idea.value.done")),
  ];
  const right = ready.length && nodeOption(ready[at % ready.length], "idea.value.right");
  return question("idea.value", {}, "all", right, wrong, at);
}

/** Which node may pass its gradient on next: one to which everything has come, and from which not everything has gone. */
function nextGradient({ nodes }, steps, at) {
  const isVisit = ({ kind }) => kind === "backward";
  const open = steps.slice(at + 1).filter(isVisit);
  const gone = steps.slice(0, at + 1).filter(isVisit).reverse();
  const awaited = new Map(open.toReversed().map(({ node, parent }) => [parent, node])); // through which node
  const passing = [...new Set(open.map(({ node }) => node))];
  const done = [...new Set(gone.map(({ node }) => node))].filter((node) => !passing.includes(node));
  const leaves = [...new Set(gone.map(({ parent }) => parent))].filter((node) => !nodes[node].parents.length);
  const ready = passing.filter((node) => !awaited.has(node));
  const early = passing.filter((node) => awaited.has(node));
  const wrong = [
    ...early.slice(0, 2).map((node) => nodeOption(node, "idea.gradient.early", { missing: ["node", awaited.get(node)] })),
    ...leaves.slice(0, 1).map((node) => nodeOption(node, "idea.gradient.leaf")),
    ...done.map((node) => nodeOption(node, "idea.gradient.done")),
  ];
  const chosen = ready[at % ready.length];
  const why = chosen === nodes.length - 1 ? "idea.gradient.root" : "idea.gradient.right";
  return question("idea.gradient", {}, "all", ready.length && nodeOption(chosen, why), wrong, at);
}

/** Which factor stands beside the upstream gradient; none of the others has its number. */
function missingFactor({ nodes }, { gradients }, edgesOf, step, at) {
  const { node, parent, edge, local } = step;
  const names = { node: ["node", node], parent: ["node", parent], factor: ["local", step] };
  const others = edgesOf(node)
    .map((other, k) => ({ node, parent: other.parent, edge: k, value: other.local }))
    .filter((other) => other.parent !== parent && !nodes[other.parent].number)
    .map((other) => ({
      id: `${node}_${other.edge}`,
      content: ["local", other],
      value: other.value,
      why: "idea.factor.other",
      fill: { ...names, other: ["node", other.parent] },
    }));
  const wrong = [
    ...others.slice(0, 1),
    { id: "inverse", content: ["inverse", step], value: 1 / local, why: "idea.factor.inverse", fill: names },
    { id: "upstream", content: ["gradient", node], value: step.upstream, why: "idea.factor.upstream", fill: names },
    { id: "whole", content: ["gradient", parent], value: gradients.get(parent), why: "idea.factor.whole", fill: names },
    ...others.slice(1),
  ].filter(({ value }) => !isSame(value, local));
  const right = { id: `${node}_${edge}`, content: ["local", step], why: "idea.factor.right", fill: names };
  return question("idea.factor", { product: ["product", step] }, "nothing", right, wrong, at);
}

const isSame = (a, b) => Math.abs(a - b) <= SAME * Math.max(Math.abs(a), Math.abs(b));

/** What the root does when a leaf grows a little: by the sign of the gradient, and at 0 and at a kink by trying. */
function effect(graph, round, leaf, at, reveal) {
  const gradient = round.gradients.get(leaf) + 0;
  const found = direction(slopesBeyond(graph.nodes, round.numbers.values, leaf), gradient);
  if (!found) return null;
  const fill = { node: ["node", leaf], root: ["node", graph.nodes.length - 1], gradient: ["number", gradient] };
  const options = ["rises", "falls", "stays"].map((way) => {
    const right = found.ways.includes(way);
    return { id: way, content: [`idea.effect.way.${way}`], right, why: `idea.effect.${right ? found.why : found.hint}`, fill };
  });
  return { ask: "idea.effect", fill, reveal, options };
}

/** Gives the slopes from here to a few larger numbers of a leaf; null where one of those is outside a domain. */
function slopesBeyond(nodes, values, leaf) {
  try {
    return GROWTHS.map((share) => {
      const grown = values[leaf] + share * Math.max(1, Math.abs(values[leaf]));
      const root = forward(nodes, values, new Map([[leaf, grown]])).values.at(-1);
      return (root - values.at(-1)) / (grown - values[leaf]);
    });
  } catch {
    return null;
  }
}

/** Tells which ways are right, and why; null where the numbers do not tell. */
function direction(slopes, gradient) {
  if (!slopes) return null;
  const wayOf = (slope) => (slope > 0 ? "rises" : slope < 0 ? "falls" : "stays");
  if (gradient && slopes.some((slope) => Math.abs(slope - gradient) <= NEAR * Math.abs(gradient))) {
    return { ways: [wayOf(gradient)], why: wayOf(gradient), hint: "look" };
  }
  const ways = [...new Set(slopes.filter(Boolean).map(wayOf))];
  if (ways.length > 1) return null; // up and down, or lost in rounding
  if (!ways.length) return gradient ? null : { ways: ["stays"], why: "stays", hint: "look" };
  const [far, near] = slopes.slice(-2);
  if (near && Math.abs(near - far) <= EVEN * Math.abs(far)) return { ways, why: `kink.${ways[0]}`, hint: "try" };
  const isFlat = !gradient && Math.abs(slopes[1]) <= NEAR * Math.abs(slopes[0]); // the less, the smaller the growth
  return isFlat ? { ways: [...ways, "stays"], why: `flat.${ways[0]}`, hint: "try" } : null;
}
