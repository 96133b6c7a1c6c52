// Writes numbers for people: so many significant digits, a true minus sign, a power of ten where there is need.

import { repr } from "./python.js";

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** Writes a number; `digits` is a count of significant digits or "all". */
export function written(x, digits) {
  if (digits === "all") return repr(x).replace(/^-/, "−").replace(/\.0$/, "");
  if (x === 0) return "0";
  const [figures, exponent] = x.toExponential(digits - 1).split("e");
  const shortened = figures.includes(".") ? figures.replace(/\.?0+$/, "") : figures;
  const power = Number(exponent);
  const text =
    power < -4 || power >= Math.max(digits, 6)
      ? `${shortened}·10${[...String(power)].map((sign) => RAISED[sign]).join("")}`
      : String(Number(`${figures}e${exponent}`));
  return text.replace(/^-/, "−");
}
