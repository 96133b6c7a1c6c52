// Works out the numbers that the usual slips lead to; the slips themselves are data, the same that the worksheets read.

import { python, RULES } from "./rules.js";

const MOST_OTHERS = 8; // parameters whose gradients may be taken for one another

const SIGNS = { "+": (a, b) => a + b, "-": (a, b) => (b === undefined ? -a : a - b), "*": (a, b) => a * b, "/": python.div };

/** Works out a formula, a tree of lists; `numberOf` gives the number of a name. */
function workOut(tree, numberOf) {
  if (typeof tree === "number") return tree;
  if (typeof tree === "string") return numberOf(tree);
  const [name, ...operands] = tree;
  const operate = SIGNS[name] ?? python[name] ?? RULES.find((rule) => rule.name === name).value;
  return operate(...operands.map((operand) => workOut(operand, numberOf)));
}

/** Works out slips, [key, formula] each, and leaves out those that come to no number. */
function numbersOf(rows, numberOf) {
  return rows.flatMap(([key, tree]) => {
    try {
      const number = workOut(tree, numberOf);
      return Number.isFinite(number) ? [[key, number]] : [];
    } catch {
      return []; // outside an operation's domain
    }
  });
}

const among = (names) => (name) => names[name];

/** Works out the slips of one formula, [the place of its form, the nodes that n0, n1, ... stand for]. */
function workedOut(slips, found, values) {
  if (!found) return [];
  const [form, nodes] = found;
  return numbersOf(slips.forms[form], (name) => values[nodes[name.slice(1)]]);
}

/** Gives the wrong values of a node. */
export function wrongValues({ slips, view }, node, values) {
  return workedOut(slips, slips?.[view]?.values[node], values);
}

/** Gives the wrong sums of the contributions that have arrived at a step of the backward pass. */
export function wrongSums({ tables, slips, view }, step, values) {
  const come = step.contributions.slice(0, step.arrived);
  const rows = come.length > 1 ? [...tables.several, ...tables.gradient] : tables.gradient;
  return come.flatMap(({ node, edge, upstream, local, contribution }) => {
    const names = { total: step.total, last: step.contribution, this: contribution, upstream, local };
    const wrongLocals = workedOut(slips, slips?.[view]?.locals[node][edge], values);
    return [
      ...numbersOf(rows, among(names)),
      ...wrongLocals.map(([key, wrong]) => [key, workOut(tables.wrongLocal, among({ ...names, wrong }))]),
    ];
  });
}

/** Gives the wrong new numbers of a parameter; `others` are the gradients of the other parameters. */
export function wrongUpdates({ tables }, { old, gradient, rate }, others) {
  const names = { old, gradient, rate };
  const taken = others.slice(0, MOST_OTHERS);
  return [
    ...numbersOf(tables.update, among(names)),
    ...taken.map((other) => ["other gradient", workOut(tables.otherGradient, among({ ...names, other }))]),
  ];
}
