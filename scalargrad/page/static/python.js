// Python's arithmetic in JavaScript: the same functions, which fail where Python's fail, and the same text of a number.

export class DomainError extends Error {}
export class TooLarge extends Error {}

function within(allowed, reason = "math domain error") {
  if (!allowed) throw new DomainError(reason);
}

function notTooLarge(result, ...given) {
  if (!Number.isFinite(result) && given.every(Number.isFinite)) throw new TooLarge("math range error");
  return result;
}

export const python = {
  div(a, b) {
    within(b !== 0, "float division by zero");
    return a / b;
  },
  log(a) {
    within(!(a <= 0));
    return Math.log(a);
  },
  log1p(a) {
    within(!(a <= -1));
    return Math.log1p(a);
  },
  sqrt(a) {
    within(!(a < 0));
    return Math.sqrt(a);
  },
  pow(a, b) {
    within(!(a === 0 && b < 0) && !(a < 0 && Number.isFinite(b) && !Number.isInteger(b)));
    return notTooLarge(Math.pow(a, b), a, b);
  },
  sin: (a) => periodic(Math.sin, a),
  cos: (a) => periodic(Math.cos, a),
  tan: (a) => periodic(Math.tan, a),
  exp: (a) => notTooLarge(Math.exp(a), a),
  expm1: (a) => notTooLarge(Math.expm1(a), a),
  tanh: Math.tanh,
  abs: Math.abs,
};

function periodic(f, a) {
  within(a !== Infinity && a !== -Infinity);
  return f(a);
}

/** Writes a number as Python does: 1.0, 1e-07, 1e+16, inf. */
export function repr(x) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
  const sign = x < 0 || Object.is(x, -0) ? "-" : "";
  const [digits, exponent] = Math.abs(x).toExponential().split("e");
  if (exponent >= -4 && exponent < 16) {
    const plain = String(Math.abs(x));
    return sign + (plain.includes(".") ? plain : `${plain}.0`);
  }
  return `${sign}${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}
