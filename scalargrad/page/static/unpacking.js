// Unpacks the graph that Python wrote into the page: what it left out is put in again.

const UNTOLD = { label: "", symbol: "", rule: null, parents: [], number: false }; // of a node, where Python tells nothing

/** Gives a graph with all there is to tell of its nodes, and with the formulas of its views. */
export function unpacked(graph) {
  const { forms, ...views } = graph.views;
  const formula = (told) => told && filled(forms[told[0]], told[1]);
  for (const view of Object.values(views)) {
    view.formulas = view.formulas.map(formula);
    view.derivatives = view.derivatives.map((row) => row.map(formula));
  }
  return { ...graph, views, nodes: graph.nodes.map((told) => ({ ...UNTOLD, ...told })) };
}

/** Puts the nodes of a formula into its form, in which they are ["n", "0"], ["n", "1"] and on. */
function filled(form, nodes) {
  if (typeof form === "string") return form;
  return form[0] === "n" ? ["n", String(nodes[form[1]])] : form.map((part) => filled(part, nodes));
}
