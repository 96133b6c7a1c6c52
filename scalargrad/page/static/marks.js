// Tells one way between two nodes from the sum of all ways, as the derivation does: 1, 2, direct.

/**
 * Gives the mark of an edge: which it is, where several lead from a node to the same parent; "direct" where the parent
 * is also reached through other nodes; and nothing where the edge is the only way.
 */
export function markOf({ node, parent, edge }, edgesOf) {
  const edges = edgesOf(node);
  const same = edges.filter((other) => other.parent === parent);
  if (same.length > 1) return String(same.indexOf(edges[edge]) + 1);
  const others = edges.map((other) => other.parent).filter((other) => other !== parent);
  return leads(others, parent, edgesOf) ? "direct" : "";
}

/** Tells whether a node lies below one of others: numbers grow from parents to what is computed from them. */
function leads(from, to, edgesOf) {
  const seen = new Set(from);
  for (const node of seen) {
    if (node === to) return true;
    if (node > to) for (const { parent } of edgesOf(node)) seen.add(parent);
  }
  return false;
}
