// Builds MathML elements out of trees, with each quantity shown by its name or by its number.

const NAMESPACE = "http://www.w3.org/1998/Math/MathML";

/** Builds one element from ["tag", child or text, ...]; a string is text, never markup. */
export function build(tree) {
  if (tree instanceof Node) return tree;
  const [tag, ...children] = tree;
  const element = document.createElementNS(NAMESPACE, tag);
  for (const child of children) element.append(typeof child === "string" ? child : build(child));
  return element;
}

export function math(...trees) {
  return build(["math", ...trees]);
}

/** Sets several equations under one another, aligned at the sign; each is [left, sign, right]. */
export function aligned(rows) {
  const cells = rows.map(([left, sign, right]) => ["mtr", ["mtd", left], ["mtd", ["mo", sign]], ["mtd", right]]);
  return build(["math", ["mtable", ...cells]]);
}

export const row = (...children) => ["mrow", ...children];
export const sign = (text) => ["mo", text];
export const partial = (of, by) => ["mfrac", row(["mo", "∂"], of), row(["mo", "∂"], by)];

/** Sets a derivative with a mark below it on the right, as in the derivation: along one edge, via one node, so far. */
export const marked = (fraction, mark) => ["msub", row(fraction, ["mo", "|"]), mark];

/** Sets a name of [base, below, above]: upright where it is a word. */
export function name([base, below, above]) {
  const word = (text) => [/^[\d.()]+$/.test(text) ? "mn" : [...text].length > 1 ? "mtext" : "mi", text];
  if (below && above) return ["msubsup", word(base), word(below), word(above)];
  if (below) return ["msub", word(base), word(below)];
  return above ? ["msup", word(base), word(above)] : word(base);
}

/** Estimates how wide a name is, in its height: a Chinese sign is as wide as it is high, a letter half of that. */
export const roomOf = (name) => [...name.join("")].reduce((sum, sign) => sum + (sign > "\u2e7f" ? 1 : 0.5), 0);

/** Sets a number; `text` has a true minus sign and perhaps a raised power of ten. */
export const number = (text) =>
  text.startsWith("−") ? row(["mo", "−"], ["mn", text.slice(1)]) : ["mn", text];

/** Sets a number so that it can follow a sign: in parentheses where it is negative. */
export const factor = (text) => (text.startsWith("−") ? row(["mo", "("], number(text), ["mo", ")"]) : number(text));

/** Fills a formula: each ["n", i] by `quantity(i)`, which is a name or the text of a number. */
export function filled(tree, quantity) {
  const fill = (part, index, siblings, tag) => {
    if (typeof part === "string") return part;
    if (part[0] === "times") return ["mo", quantity.numeric ? "×" : "⋅"];
    if (part[0] === "n") {
      const put = quantity(Number(part[1]));
      if (typeof put !== "string") return put;
      const before = siblings[index - 1];
      const alone = tag !== "msup" && (before === undefined || before[1] === "(" || before[1] === ",");
      return alone ? number(put) : factor(put);
    }
    const [inner, ...children] = part;
    const above = inner === "mrow" && tag === "msup" ? "msup" : inner;
    return [inner, ...children.map((child, i) => fill(child, i, children, above))];
  };
  return fill(tree, 0, [], "");
}
