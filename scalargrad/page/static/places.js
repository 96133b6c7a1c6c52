// Finds the step of one view that is closest to a step of the other.

/** Gives the number of the step in `to` that says the same as `steps[at]` of the other view, or what comes next to it. */
export function sameStep(steps, at, to, regions) {
  const step = steps[at];
  const owner = (node) => (regions.has(node) ? node : [...regions.keys()].find((key) => regions.get(key).includes(node)));
  const exact = to.findIndex((other) => keyOf(other) === keyOf(step));
  if (exact >= 0) return exact;
  if (step.kind === "forward") {
    return to.findIndex((other) => other.kind === "forward" && other.node === owner(step.node));
  }
  // A contribution: the same pair of quantities in the other view, the last of the operations between them.
  const shown = (node) => regions.get(owner(node)) ?? [node];
  const between = (other) => other.kind === "backward" && shown(step.node).some((inner) => shown(other.node).includes(inner));
  const met = to.findLastIndex((other) => between(other) && other.parent === step.parent);
  return met >= 0 ? met : Math.max(to.findIndex(between), to.findIndex((other) => other.phase === step.phase));
}

const keyOf = ({ kind, node, parent, edge }) => (kind === "backward" ? `${kind} ${node} ${parent} ${edge}` : `${kind} ${node}`);
