// Formulas in symbols: trees that are put together, tidied as a person would, and written as MathML, as Python does it.

import { GREEK, ROWS } from "./rows.js";

// A tree is ["name", label], ["number", x] with x >= 0, ["neg", a], ["+" or "-" or "*" or "/", a, b], ["call", word, ...].
export const name = (label) => ["name", label];
export const number = (x) => (x >= 0 ? ["number", x + 0] : ["neg", ["number", -x]]);
export const product = (a, b) => ["*", a, b];
export const sum = (a, b) => ["+", a, b];

/** Reads a tree as Python writes it: "a", 2, ["-", "a"], ["*", "a", "b"], ["exp", "a"]. */
export function read(data) {
  if (typeof data === "string") return name(data);
  if (typeof data === "number") return number(data);
  const [sign, ...parts] = data;
  if (sign === "-" && parts.length === 1) return ["neg", read(parts[0])];
  return "+-*/".includes(sign) ? [sign, ...parts.map(read)] : ["call", sign, ...parts.map(read)];
}

/** Puts trees in the place of names. */
export function substitute(tree, words) {
  const [tag, ...parts] = tree;
  if (tag === "name") return words[parts[0]] ?? tree;
  if (tag === "number") return tree;
  if (tag === "call") return [tag, parts[0], ...parts.slice(1).map((part) => substitute(part, words))];
  return [tag, ...parts.map((part) => substitute(part, words))];
}

const LARGEST = 60; // names and numbers; a larger one is not for reading
const ELIDED = "…"; // stands in its place, and in the place of all that would hold it

/** Gives a tree as it is, or where it is too large to be read three dots. */
export function readable(tree) {
  const { size, elided } = measured(tree);
  return size <= LARGEST && !elided ? tree : name(ELIDED);
}

function measured([tag, ...parts]) {
  if (tag === "name") return { size: 1, elided: parts[0] === ELIDED };
  if (tag === "number") return { size: 1, elided: false };
  const inner = (tag === "call" ? parts.slice(1) : parts).map(measured);
  const own = tag === "call" ? 1 : 0;
  return { size: inner.reduce((total, { size }) => total + size, own), elided: inner.some(({ elided }) => elided) };
}

// --- tidying: no `1 *`, no `+ -`, numbers gathered in front

export function tidy(tree) {
  const [tag, ...parts] = tree;
  if (tag === "neg") return tidyProduct(-1, [tidy(parts[0])]);
  if (tag === "*") return tidyProduct(1, parts.map(tidy));
  if (tag === "/") return tidyQuotient(tidy(parts[0]), tidy(parts[1]));
  if (tag === "+") return tidySum(tidy(parts[0]), tidy(parts[1]));
  if (tag === "-") return tidySum(tidy(parts[0]), tidyProduct(-1, [tidy(parts[1])]));
  if (tag !== "call") return tree;
  const operands = parts.slice(1).map(tidy);
  return parts[0] === "pow" ? tidyPower(...operands) : ["call", parts[0], ...operands];
}

const isNumber = (tree) => tree[0] === "number";

/** Splits a tidied tree into its number and its other factors, in order. */
function split(tree) {
  if (isNumber(tree)) return [tree[1], []];
  if (tree[0] === "neg") {
    const [coefficient, factors] = split(tree[1]);
    return [-coefficient, factors];
  }
  if (tree[0] !== "*") return [1, [tree]];
  const [left, right] = [split(tree[1]), split(tree[2])];
  return [left[0] * right[0], [...left[1], ...right[1]]];
}

function tidyProduct(coefficient, operands) {
  let factors = [];
  for (const operand of operands) {
    const [own, others] = split(operand);
    coefficient *= own;
    factors.push(...others);
  }
  if (coefficient === 0 || !factors.length) return number(coefficient);
  if (Math.abs(coefficient) !== 1) factors = [number(Math.abs(coefficient)), ...factors];
  const result = factors.reduce(product);
  return coefficient > 0 ? result : ["neg", result];
}

function tidyQuotient(left, right) {
  const [coefficient, factors] = split(left);
  if (isNumber(right) && right[1] && (coefficient !== 1 || right[1] === 1 || !factors.length)) {
    return tidyProduct(coefficient / right[1], factors);
  }
  if (coefficient < 0) return tidyProduct(-1, [tidyQuotient(tidyProduct(-1, [left]), right)]);
  return coefficient === 0 ? number(0) : ["/", left, right];
}

function tidySum(left, right) {
  if (isNumber(left) && isNumber(right)) return number(left[1] + right[1]);
  if (isNumber(left) && left[1] === 0) return right;
  if (isNumber(right) && right[1] === 0) return left;
  if (isNumber(left) && right[0] === "neg" && isNumber(right[1])) return number(left[1] - right[1][1]);
  return right[0] === "neg" ? ["-", left, right[1]] : ["+", left, right];
}

function tidyPower(base, exponent) {
  if (isNumber(exponent) && exponent[1] === 0) return number(1);
  return isNumber(exponent) && exponent[1] === 1 ? base : ["call", "pow", base, exponent];
}

// --- writing as MathML, in which n12 is the place for node 12

const [SUM, PRODUCT, POWER, ATOM] = [0, 1, 2, 3]; // how tightly a formula holds together

export function mathml(tree) {
  return ["mrow", ...write(tree, SUM)];
}

const group = (inner) => [["mrow", ["mo", "("], ...inner, ["mo", ")"]]];
const row = (parts) => ["mrow", ...parts];

function write(tree, above) {
  const [written, tightness] = writtenOf(tree);
  return tightness >= above ? written : group(written);
}

function writtenOf([tag, a, b, ...more]) {
  if (tag === "name") return [[/^n\d+$/.test(a) ? ["n", a.slice(1)] : ["mi", a]], ATOM];
  if (tag === "number") return writtenNumber(a);
  if (tag === "neg") return [[["mo", "−"], ...write(a, PRODUCT)], SUM];
  if (tag === "+" || tag === "-") {
    return [[...write(a, SUM), ["mo", tag === "-" ? "−" : "+"], ...write(b, PRODUCT)], SUM];
  }
  if (tag === "*") return [[...write(a, PRODUCT), ["times"], ...write(b, POWER)], PRODUCT];
  if (tag === "/") return [[["mfrac", row(write(a, SUM)), row(write(b, SUM))]], PRODUCT];
  if (a === "pow") return [[["msup", row(write(b, ATOM)), row(write(more[0], SUM))]], POWER];
  const inner = [b, ...more].flatMap((operand, i) => [...(i ? [["mo", ","]] : []), ...write(operand, SUM)]);
  if (a === "sqrt") return [[["msqrt", ...inner]], ATOM];
  if (a === "abs") return [[["mrow", ["mo", "|"], ...inner, ["mo", "|"]]], ATOM];
  return [[["mi", ROWS[a].word], ...group(inner)], ATOM];
}

function writtenNumber(x) {
  const [digits, exponent] = figures(x).split("e");
  if (exponent === undefined) return [[["mn", digits]], ATOM];
  const raised = String(Number(exponent)).replace("-", "−");
  return [[["mn", digits], ["mo", "×"], ["msup", ["mn", "10"], ["mn", raised]]], PRODUCT];
}

/** Writes a number with at most twelve significant digits, as Python's `.12g` does. */
export function figures(x) {
  if (x === 0) return "0";
  const [digits, exponent] = x.toExponential(11).split("e");
  const power = Number(exponent);
  const shortened = digits.replace(/\.?0+$/, "");
  if (power < -4 || power >= 12) return `${shortened}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  const plain = shortened.replace(".", "");
  if (power < 0) return `0.${"0".repeat(-power - 1)}${plain}`;
  const padded = plain.padEnd(power + 1, "0");
  return padded.length > power + 1 ? `${padded.slice(0, power + 1)}.${padded.slice(power + 1)}` : padded;
}

// --- names

/** Splits a label as students write it into its word, the indices below it and the layer above it. */
export function labelParts(label) {
  const pattern = /^([\p{L}\p{Nl}\p{No}]+)_?([\p{L}\p{N}]*)(?:_([\p{L}\p{N}_]+))?$/u;
  const match = pattern.exec(label);
  return match ? [match[1], [match[2], match[3]].filter(Boolean)] : [label, []];
}

/** Splits a label into what stands on the line, below and above it. */
export function nameParts(label) {
  const [word, indices] = labelParts(label);
  const greek = (part) => (Object.hasOwn(GREEK, part) ? GREEK[part] : part);
  return [greek(word), indices.map(greek).join(","), ""];
}
