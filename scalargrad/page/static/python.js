// Python's arithmetic in JavaScript: the same functions, which fail where Python's fail, and the same text of a number.

export class DomainError extends Error {}
export class TooLarge extends Error {}

function within(allowed, reason = "math domain error") {
  if (!allowed) throw new DomainError(reason);
}

/** Divides, but not by zero. */
export function div(a, b) {
  within(b !== 0, "float division by zero");
  return a / b;
}

/** Raises to a power, but not zero to a negative one, and a negative number to whole powers only. */
export function pow(a, b) {
  within(!(a === 0 && b < 0) && !(a < 0 && Number.isFinite(b) && !Number.isInteger(b)));
  return notTooLarge(Math.pow(a, b), a, b);
}

/** Makes a function of `Math` fail where Python's does: outside its domain, at a pole, and beyond the largest float. */
export function strict(f) {
  return (a) => {
    const result = f(a);
    within(!Number.isNaN(result) || Number.isNaN(a));
    within(Number.isFinite(result) || !(Math.abs(a) <= 1)); // infinite so near to 0: a pole, as of log
    return notTooLarge(result, a);
  };
}

function notTooLarge(result, ...given) {
  if (!Number.isFinite(result) && given.every(Number.isFinite)) throw new TooLarge("math range error");
  return result;
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
