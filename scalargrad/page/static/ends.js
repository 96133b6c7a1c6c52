// Shows both ends of an edge side by side, where the picture is too large for both to be read in it.

import { edgeOf, make } from "./drawing.js";

const BETWEEN = 84; // units of the picture
const AROUND = 4;

/** Puts two nodes, as they stand in the picture, into `place`, with the edge between them as `classes` light it. */
export function showEnds(place, nodes, { text, classes }, scale) {
  const [from, to] = [...nodes].sort((a, b) => a.box.x - b.box.x);
  const width = from.box.width + BETWEEN + to.box.width;
  const height = Math.max(from.box.height, to.box.height);
  const middle = height / 2;
  const [start, end] = [from.box.width, from.box.width + BETWEEN];
  const edge = edgeOf("", [start, middle, start + 20, middle, end - 20, middle, end, middle]);
  edge.classList.add(...classes);
  const label = make("text", { x: (start + end) / 2, y: middle - 8 });
  label.textContent = text;
  place.setAttribute("viewBox", `${-AROUND} ${-AROUND} ${width + 2 * AROUND} ${height + 2 * AROUND}`);
  place.style.width = `${(width + 2 * AROUND) * scale}px`;
  place.replaceChildren(edge, copied(from, from.box.width / 2, middle), copied(to, end + to.box.width / 2, middle), label);
}

/** Copies a node to another place; nobody chooses the copy. */
function copied({ group, box }, x, y) {
  const copy = group.cloneNode(true);
  for (const name of ["id", "role", "tabindex", "aria-label"]) copy.removeAttribute(name);
  copy.setAttribute("transform", `translate(${x - box.x - box.width / 2} ${y - box.y - box.height / 2})`);
  return copy;
}
