// Finds the formula of a value or of a local derivative, as far as it holds for the numbers at hand.

import { RULES } from "./rules.js";

/** Gives the formula of a shown node's value; null for a leaf. */
export function valueFormula(view, node) {
  return view.formulas[view.shown.indexOf(node)];
}

/**
 * Gives the formula of the derivative along one edge. A row such as relu has one formula on each side of zero, and
 * the recorded one is written; where an edit leads to the other side this gives null, and the number speaks alone.
 */
export function derivativeFormula(graph, view, node, edge, numbers) {
  const inner = view.regions?.get(node) ?? [node];
  const same = inner.every((i) => {
    const { rule, parents } = graph.nodes[i];
    if (rule === null) return true;
    return RULES[rule].branches.every(
      (branch, k) => graph.nodes[parents[k]].number || at(branch, numbers) === at(branch, graph.recorded),
    );
    function at(branch, { values }) {
      return branch(...parents.map((parent) => values[parent]), values[i]);
    }
  });
  return same ? view.derivatives[view.shown.indexOf(node)][edge] : null;
}
