// Reads formulas typed as text, `z = w*x + b; y = sigmoid(z)`, and records them: the grammar of `scalargrad explain`.

import { compute } from "./engine.js";
import { nearest } from "./near.js";
import { FUNCTIONS, ROWS } from "./rows.js";
import { RULES } from "./rules.js";
import { Refusal, Said } from "./words.js";

const LONGEST = 10_000; // characters of text
const DEEPEST = 100; // operators and brackets that wait for what stands inside them
const LONGEST_SHOWN = 40; // characters of one word in a message
const MOST_NAMES = 8; // in a message
const AROUND = 20; // characters before and after the place that is marked

const SPACE = "[^\\S\\n\\ufeff]|[\\x1c-\\x1f\\x85]"; // as Python has it
const NUMBER = "(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:[eE][+-]?[0-9]+)?";
const NAME = "[\\p{L}\\p{Nl}\\p{No}_][\\p{L}\\p{N}_]*";
const TOKEN = new RegExp(`(?:${SPACE})*(?:(${NUMBER})|(${NAME})|(\\*\\*|[-+*/(),=;\\n])|([^]))`, "uy");
const KINDS = ["number", "name", "sign", "other"];
const INSTEAD = { "^": "**", "×": "*", "·": "*", "÷": "/", "−": "-", "{": "(", "[": "(", "}": ")", "]": ")" };

const BINARY = { "+": ["add", 1], "-": ["sub", 1], "*": ["mul", 2], "/": ["div", 2], "**": ["pow", 4] };
const NEGATIVE = 3; // between a product and a power: -x**2 is -(x**2)

/** Makes a node: a leaf, a plain number, or the result of an operation. */
const makeNode = (value, { label = "", rule = null, parents = [], partials = [], number = false } = {}) => ({
  value, label, rule, parents, partials, number,
});
const isNode = (operand) => typeof operand === "object";

/**
 * Records the formulas of a text with the numbers given for its names, a Map; gives the root, and the names with their
 * nodes. Throws a Refusal, with the place marked, for all that Python refuses.
 */
export function recordExpression(text, numbers) {
  const signs = [...text];
  if (signs.length > LONGEST) throw new Refusal("typed.long", { count: signs.length, limit: LONGEST });
  return new Reader(signs, numbers).read();
}

/** Lists the names of a text that need a number, in the order in which they come; for a text that cannot be read, []. */
export function namesIn(text) {
  try {
    const reader = new Reader([...text].slice(0, LONGEST), null);
    return reader.free();
  } catch (error) {
    if (error instanceof Refusal) return [];
    throw error;
  }
}

class Reader {
  constructor(signs, numbers) {
    this.signs = signs;
    this.names = new Map();
    this.statements = [...this.parted()].filter((tokens) => tokens.length > 1);
    if (!this.statements.length) throw new Refusal("typed.nothing");
    if (numbers) this.take(numbers);
  }

  read() {
    const results = this.statements.map((tokens) => this.statement(tokens));
    const used = new Set(topologicalOrder(results.at(-1)));
    this.statements.forEach((tokens, i) => {
      if (!used.has(results[i])) this.refuse(tokens[0], "unused", { name: quoted(tokens[0].text) });
    });
    return { root: results.at(-1), names: this.names };
  }

  /** Throws a refusal with the text around the token, and the token marked. */
  refuse(token, key, fill = {}) {
    const end = token.start + [...token.text].length;
    const slice = (from, to) => plain(this.signs.slice(Math.max(0, from), to).join(""));
    const lines = this.signs.slice(0, token.start).join("").split("\n");
    const at = { line: lines.length, column: [...lines.at(-1)].length + 1 };
    const place = new Said(this.signs.includes("\n") ? "typed.at_line" : "typed.at_column", at);
    const marked = `${slice(token.start - AROUND, token.start)}>>>${plain(token.text)}<<<${slice(end, end + AROUND)}`;
    const reason = key instanceof Error ? key : new Said(`typed.${key}`, fill);
    const refusal = new Refusal("typed.refused", { reason, place, marked });
    throw Object.assign(refusal, { start: token.start, end });
  }

  *tokens() {
    const text = this.signs.join("");
    const places = new Map(); // from the units in which JavaScript counts to the characters in which Python does
    let unit = 0;
    this.signs.forEach((sign, i) => (places.set(unit, i), (unit += sign.length)));
    TOKEN.lastIndex = 0;
    for (let match; (match = TOKEN.exec(text)); ) {
      const kind = KINDS[match.slice(1).findIndex((part) => part !== undefined)];
      const found = match[1] ?? match[2] ?? match[3] ?? match[4];
      if (kind === "other" && isSpace(found)) continue;
      yield { kind, text: found, start: places.get(TOKEN.lastIndex - found.length) };
    }
  }

  *parted() {
    let statement = [];
    let depth = 0;
    for (const token of this.tokens()) {
      if (token.kind === "other") {
        const instead = INSTEAD[token.text] ?? token.text.normalize("NFKC");
        const hint = isToken(instead) && instead !== token.text ? new Said("typed.instead", { instead }) : "";
        this.refuse(token, "unread", { what: quoted(token.text), hint });
      }
      depth += { "(": 1, ")": -1 }[token.text] ?? 0;
      if (token.text === ";" || (token.text === "\n" && depth <= 0)) {
        yield [...statement, { ...token, kind: "end" }];
        [statement, depth] = [[], 0];
      } else if (token.text !== "\n") {
        statement.push(token);
      }
    }
    yield [...statement, { kind: "end", text: "", start: this.signs.length }];
  }

  /** Lists the names that are used and not assigned. */
  free() {
    const assigned = new Set();
    const names = new Set();
    for (const tokens of this.statements) {
      const [target, body] = partedStatement(tokens);
      for (const [token, following] of pairs(body)) {
        if (token.kind === "name" && following.text !== "(" && !assigned.has(token.text)) names.add(token.text);
      }
      if (target) assigned.add(target.text);
    }
    return [...names];
  }

  /** Makes the leaves, once every name is known to have one number or one formula. */
  take(numbers) {
    const assigned = new Set();
    const missing = new Map();
    for (const tokens of this.statements) {
      const [target, body] = partedStatement(tokens);
      for (const [token, following] of pairs(body)) {
        const known = assigned.has(token.text) || numbers.has(token.text);
        if (token.kind === "name" && following.text === "(" && known) {
          this.refuse(token, "no_function", { name: plain(token.text) });
        }
        if (token.kind === "name" && following.text !== "(" && !known && !missing.has(token.text)) {
          missing.set(token.text, token);
        }
        if (numbers.has(token.text) && !this.names.has(token.text)) {
          this.names.set(token.text, makeNode(numbers.get(token.text), { label: token.text }));
        }
      }
      if (target && missing.has(target.text)) {
        this.refuse(missing.get(target.text), "early", { name: quoted(target.text) });
      }
      if (target && (assigned.has(target.text) || numbers.has(target.text))) {
        this.refuse(target, "taken", { name: quoted(target.text) });
      }
      if (target) assigned.add(target.text);
    }
    if (missing.size) {
      const near = nearest([...missing.keys()][0], [...numbers.keys(), ...assigned]);
      const names = [...missing.keys()].slice(0, MOST_NAMES);
      const add = names.map((name) => `${plain(name)}=NUMBER`).join(" ") + (missing.size > names.length ? " ..." : "");
      const instead = near === null ? "" : new Said("typed.or_write", { near });
      this.refuse(missing.values().next().value, "missing", { names: names.map(quoted).join(", "), add, instead });
    }
    const unused = [...numbers.keys()].filter((name) => !this.names.has(name));
    if (unused.length) {
      throw new Refusal("typed.strange", { names: unused.slice(0, MOST_NAMES).map(plain).join(", ") });
    }
  }

  statement(tokens) {
    const [target, body] = partedStatement(tokens);
    let result = this.formula(body);
    if (!isNode(result)) {
      if (!target) this.refuse(body[0], "numbers");
      result = makeNode(result);
    }
    if (target) {
      result.label ||= target.text;
      this.names.set(target.text, result);
    }
    return result;
  }

  /** Reads one formula: operands on one stack, and on another what waits for its second operand. */
  formula(tokens) {
    const operands = [];
    const waiting = [];
    let called = null; // the function whose bracket comes next
    let complete = false; // whether an operand stands just before

    const apply = (least) => {
      while (waiting.length && waiting.at(-1).precedence >= least) {
        const { token, rule } = waiting.pop();
        this.apply(token, rule, operands, operandsOf(rule));
      }
    };
    const wait = (token, rule, precedence) => waiting.push({ token, rule, precedence, operands: operands.length });

    for (const [token, following] of pairs([...tokens, tokens.at(-1)])) {
      const what = token.kind === "end" ? new Said("typed.end") : quoted(token.text);
      if (!complete && token.kind === "number") {
        operands.push(this.number(token));
        complete = true;
      } else if (!complete && token.kind === "name" && following.text === "(") {
        called = this.function(token);
      } else if (!complete && token.kind === "name") {
        operands.push(this.names.get(token.text));
        complete = true;
      } else if (!complete && token.text === "(") {
        wait(called ?? token, called?.text ?? "", 0);
        called = null;
      } else if (!complete && token.text === "-") {
        wait(token, "neg", NEGATIVE);
      } else if (!complete && token.text !== "+") {
        this.refuse(token, "before", { what });
      } else if (complete && Object.hasOwn(BINARY, token.text)) {
        const [rule, precedence] = BINARY[token.text];
        apply(precedence + (rule === "pow")); // a power groups to the right
        wait(token, rule, precedence);
        complete = false;
      } else if (complete && (token.text === "," || token.text === ")")) {
        apply(1);
        if (!waiting.length || (token.text === "," && !waiting.at(-1).rule)) {
          this.refuse(token, token.text === "," ? "no_function_bracket" : "no_bracket", { what });
        }
        complete = token.text === ")";
        const bracket = complete ? waiting.pop() : null;
        if (bracket?.rule) this.apply(bracket.token, bracket.rule, operands, operands.length - bracket.operands);
      } else if (complete && token.kind !== "end") {
        this.refuse(token, "operator", { what });
      }
      if (waiting.length > DEEPEST) this.refuse(token, "deep", { deepest: DEEPEST });
    }
    apply(1);
    if (waiting.length) this.refuse(waiting.at(-1).token, "open");
    return operands.pop();
  }

  number(token) {
    const number = Number(token.text);
    if (!Number.isFinite(number)) this.refuse(token, "float");
    return number;
  }

  function(token) {
    if (!FUNCTIONS.includes(token.text)) {
      const near = nearest(token.text, FUNCTIONS);
      const known = new Said(near ? "typed.nearest" : "typed.known", { near, names: FUNCTIONS.join(", ") });
      this.refuse(token, "unknown", { name: quoted(token.text), known });
    }
    return token;
  }

  /** Replaces the last operands by the result of the operation: a node, or of numbers alone a number. */
  apply(token, rule, operands, count) {
    const wanted = operandsOf(rule);
    if (count !== wanted) this.refuse(token, "operands", { rule, wanted, count });
    const taken = operands.splice(-count);
    const values = taken.map((operand) => (isNode(operand) ? operand.value : operand));
    const own = rule === "pow" ? powerOf(taken.map(isPlain)) : rule;
    try {
      const { y, partials } = compute(RULES[ROWS[own].row], values);
      const parents = taken.map((operand) => (isNode(operand) ? operand : makeNode(operand, { number: true })));
      operands.push(taken.some(isNode) ? makeNode(y, { rule: own, parents, partials }) : y);
    } catch (error) {
      this.refuse(token, error);
    }
  }
}

const isPlain = (operand) => !isNode(operand) || operand.number;

/** Tells the row of a power: one has it where its exponent, another where its base is a plain number. */
const powerOf = ([base, exponent]) => (exponent ? "pow.b" : base ? "pow.a" : "pow");

const operandsOf = (rule) => ROWS[rule].partials.length;
const isSpace = (text) => new RegExp(`^(?:${SPACE})$`, "u").test(text);
const isToken = (text) => !isSpace(text) && new RegExp(`^(?:${NUMBER}|${NAME}|\\*\\*|[^])$`, "u").test(text);

function* pairs(items) {
  for (let i = 0; i + 1 < items.length; i++) yield [items[i], items[i + 1]];
}

/** Parts a statement into the name that it assigns, if any, and its formula. */
function partedStatement(tokens) {
  return tokens[0].kind === "name" && tokens[1].text === "=" ? [tokens[0], tokens.slice(2)] : [null, tokens];
}

/** Writes a piece of the text so that it stays short, on one line, and can be printed anywhere. */
function plain(text) {
  const signs = [...text];
  const shown = signs.length <= LONGEST_SHOWN ? signs : [...signs.slice(0, LONGEST_SHOWN - 3), ..."..."];
  return shown.map((sign) => (sign !== " " && /[\p{C}\p{Z}]/u.test(sign) ? escaped(sign) : sign)).join("");
}

function escaped(sign) {
  const short = { "\n": "\\n", "\r": "\\r", "\t": "\\t" }[sign];
  const code = sign.codePointAt(0).toString(16);
  return short ?? (code.length < 3 ? `\\x${code.padStart(2, "0")}` : code.length < 5 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`);
}

/** Quotes a piece of the text; signs that only look like those of the keyboard are named. */
function quoted(text) {
  const strange = [...text].slice(0, MOST_NAMES).filter((sign) => sign > "\x7f");
  const codes = strange.map((sign) => `U+${sign.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);
  return `'${plain(text)}'${codes.length ? ` (${codes.join(" ")})` : ""}`;
}

/** Lists every node under a root, parents first, in the order in which Python lists them. */
export function topologicalOrder(root) {
  const order = [];
  const entered = new Set([root]);
  const waiting = [];
  for (let node = root; ; ) {
    const parent = node.parents.find((other) => !entered.has(other));
    if (parent) {
      entered.add(parent);
      waiting.push(node);
      node = parent;
    } else {
      order.push(node);
      if (!waiting.length) return order;
      node = waiting.pop();
    }
  }
}
