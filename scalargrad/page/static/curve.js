// Draws the curve of the loss over the training steps.

import { make } from "./drawing.js";
import { written } from "./numbers.js";

const WIDTH = 360;
const HEIGHT = 150;
const LEFT = 62;
const BOTTOM = 22;
const TOP = 10;

export function drawCurve(svg, losses) {
  const low = Math.min(0, ...losses);
  const high = Math.max(...losses);
  const span = high / 2 - low / 2 || 1; // halves, as the difference itself may be too large for a float
  const x = (step) => LEFT + ((WIDTH - LEFT - 12) * step) / Math.max(1, losses.length - 1);
  const y = (loss) => TOP + (HEIGHT - TOP - BOTTOM) * ((high / 2 - loss / 2) / span);
  const line = losses.map((loss, step) => `${step ? "L" : "M"}${x(step).toFixed(1)} ${y(loss).toFixed(1)}`).join("");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.replaceChildren(
    make("path", { class: "axis", d: `M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - 8}` }),
    ...[low, high].map((loss) => label(written(loss, 3), LEFT - 6, y(loss) + 4, "end")),
    label("0", x(0), HEIGHT - 6, "middle"),
    ...(losses.length > 1 ? [label(String(losses.length - 1), x(losses.length - 1), HEIGHT - 6, "middle")] : []),
    make("path", { class: "curve", d: line }),
    make("circle", { class: "end", cx: x(losses.length - 1), cy: y(losses.at(-1)), r: 4 }),
  );
}

function label(text, x, y, anchor) {
  const element = make("text", { x, y, "text-anchor": anchor });
  element.textContent = text;
  return element;
}
