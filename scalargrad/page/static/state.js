// What a link says: the formula, the numbers, the view, the step, the language, the digits.

import { Refusal } from "./words.js";

const LONGEST = 30_000; // signs of a link
const KEYS = ["step", "view", "lang", "digits", "rate", "formula", "numbers"];

/**
 * Reads the address into {step, view, lang, digits, rate, formula, numbers}; what it does not say is undefined, and
 * what it says wrongly is left out and stands as a sentence in `problems`.
 */
export function readState(hash, { views, digits, formulas }) {
  const problems = [];
  const refuse = (key, fill) => void problems.push(new Refusal(`link.${key}`, fill));
  if (hash.length > LONGEST) {
    refuse("long", { count: hash.length, limit: LONGEST });
    return { problems };
  }
  const said = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  const take = (key, allowed, read = (text) => text) => {
    const text = said.get(key);
    if (text === null) return undefined;
    const value = allowed(text) ? read(text) : undefined;
    return value ?? refuse("wrong", { key, value: short(text) });
  };
  for (const key of new Set(said.keys())) if (!KEYS.includes(key)) refuse("unknown", { key: short(key) });
  const isNumber = (text) => /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) && Number.isFinite(Number(text));
  return {
    problems,
    step: take("step", (text) => /^\d{1,9}$/.test(text), Number),
    view: take("view", (text) => views.includes(text)),
    lang: take("lang", (text) => ["en", "zh"].includes(text)),
    digits: take("digits", (text) => digits.includes(text), (text) => (text === "all" ? text : Number(text))),
    rate: take("rate", (text) => isNumber(text) && Number(text) >= 0, Number),
    formula: take("formula", () => formulas),
    numbers: take("numbers", () => true, (text) => readPairs(text, isNumber)),
  };
}

/** Reads `w=0.6,x=-1.5` into pairs; undefined for what is none. */
function readPairs(text, isNumber) {
  const pairs = (text ? text.split(",") : []).map((pair) => pair.split("="));
  const isRight = pairs.every(([name, number, ...more]) => name && number !== undefined && !more.length && isNumber(number));
  return isRight ? pairs.map(([name, number]) => [name, Number(number)]) : undefined;
}

const short = (text) => ([...text].length > 40 ? `${[...text].slice(0, 37).join("")}...` : text);

/** Writes a state as the address that `readState` reads; what is undefined is left out. */
export function writtenState(state) {
  const said = KEYS.filter((key) => state[key] !== undefined).map((key) => {
    const value = key === "numbers" ? state.numbers.map((pair) => pair.join("=")).join(",") : state[key];
    return `${key}=${encodeURIComponent(value).replace(/%2C/g, ",").replace(/%3D/g, "=").replace(/%20/g, " ")}`;
  });
  return `#${said.join("&")}`.replaceAll(" ", "%20");
}
