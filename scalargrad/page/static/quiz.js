// Asks for the number that comes next, and knows the mistakes that are often made.

/** Tells what a step asks for: {node, what, answer, mistakes}; null for a step that asks nothing. */
export function question(step, numbers, nodes) {
  if (step.kind === "forward") {
    const operands = nodes[step.node].parents.map((parent) => numbers.values[parent]);
    const mistakes = [["sign", -step.value]];
    if (operands.length === 1) mistakes.push(["operation", operands[0]]);
    return { node: step.node, what: "value", ask: "quiz.value", answer: step.value, mistakes };
  }
  if (step.kind === "backward") {
    if (["input", "target"].includes(nodes[step.parent].role)) return null; // nobody moves them
    const { upstream, local, contribution, total, earlier } = step;
    const mistakes = [
      ["local", earlier + upstream],
      ["upstream", earlier + local],
      ["sign", -total],
      ["sign", earlier - contribution],
    ];
    if (step.arrived > 1) mistakes.unshift(["overwrote", contribution]);
    const ask = step.count > 1 ? "quiz.sum" : "quiz.gradient";
    return { node: step.parent, what: "gradient", ask, answer: total, mistakes };
  }
  if (step.kind === "update") {
    const { old, gradient, rate, value } = step;
    const mistakes = [
      ["uphill", old + rate * gradient],
      ["rate", old - gradient],
      ["change", rate * gradient],
    ];
    return { node: step.node, what: "value", ask: "quiz.new", answer: value, mistakes };
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

/** Judges an answer at its own precision: "right", "short", "unread", or the name of a known mistake, or "wrong". */
export function judge(typed, { answer, mistakes }) {
  const given = readAnswer(typed);
  if (!given) return "unread";
  const meets = (number) => Math.abs(given.number - number) <= given.unit / 2 + 1e-12 * Math.abs(number);
  if (given.number === answer) return "right";
  if (meets(answer)) return given.digits < 2 ? "short" : "right";
  return mistakes.find(([, number]) => meets(number) && given.digits > 0)?.[0] ?? "wrong";
}
