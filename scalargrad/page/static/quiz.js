// Asks for the number that comes next, and knows the slips that are often made.

import { wrongSums, wrongUpdates, wrongValues } from "./slips.js";

/**
 * Tells what a step asks for: {node, what, answer, slips}; null for a step that asks nothing.
 *
 * `known` holds the tables of slips, those of this graph by view, the view, and the gradients that mistakes lead to.
 */
export function question(step, { values, nodes, gradients, parameters }, known) {
  const { mistaken } = known;
  if (step.kind === "forward") {
    const slips = wrongValues(known, step.node, values);
    return { node: step.node, what: "value", ask: "quiz.value", answer: step.value, slips };
  }
  if (step.kind === "backward") {
    if (["input", "target"].includes(nodes[step.parent].role)) return null; // nobody moves them
    const slips = wrongSums(known, step, values);
    if (step.arrived === step.count) slips.push(...mistaken.map(([key, wrong]) => [key, wrong.get(step.parent)]));
    const ask = step.count > 1 ? "quiz.sum" : "quiz.gradient";
    return { node: step.parent, what: "gradient", ask, answer: step.total, slips };
  }
  if (step.kind === "update") {
    const others = parameters.filter((node) => node !== step.node).map((node) => gradients.get(node));
    const slips = wrongUpdates(known, step, others);
    slips.push(...mistaken.map(([key, wrong]) => [key, step.old - step.rate * wrong.get(step.node)]));
    return { node: step.node, what: "value", ask: "quiz.new", answer: step.value, slips };
  }
  return null;
}

/** Reads an answer as people type it: {number, unit, digits}, with the unit of its last digit; null if it is none. */
export function readAnswer(typed) {
  const plain = typed.normalize("NFKC").replace(/[−–]/g, "-").replace(/\s/g, "").replace(",", ".");
  const match = /^[-+]?(\d*)(?:\.(\d*))?(?:e([-+]?\d+))?$/i.exec(plain);
  if (!match || !(match[1] || match[2])) return null;
  const [, whole, fraction = "", exponent = "0"] = match;
  return {
    number: Number(plain),
    unit: 10 ** (Number(exponent) - fraction.length),
    digits: (whole + fraction).replace(/^0+/, "").length,
  };
}

/** Judges an answer at its own precision: {verdict, slips}; the verdict is "right", "short", "unread" or "wrong". */
export function judge(typed, { answer, slips }) {
  const given = readAnswer(typed);
  if (!given) return { verdict: "unread", slips: [] };
  const meets = (number) => Math.abs(given.number - number) <= given.unit / 2 + 1e-12 * Math.abs(number);
  if (given.number === answer) return { verdict: "right", slips: [] };
  const isExact = (number) => Math.abs(given.number - number) <= 1e-12 * Math.abs(number);
  const found = slips.filter(([, number]) => isExact(number) || (meets(number) && given.digits > 1));
  const told = [...new Set(found.map(([key]) => key))];
  if (!meets(answer)) return { verdict: "wrong", slips: told };
  return given.digits < 2 ? { verdict: "short", slips: [] } : { verdict: "right", slips: [] };
}
