// Draws a view of a graph from its layout, as one picture whose nodes and edges are found by their ids.

const NAMESPACE = "http://www.w3.org/2000/svg";
const ARROW = 8; // from the tip of an arrow to its back, in units of the picture
const ROUNDED = 10; // the corners of a box

/**
 * Draws a view as an SVG element: node 3 has the id `view_3`, its first edge `view_3_0`. A layout lists for the nodes
 * that are shown [x, y, width, height] around the middle, and for each of their edges the points of a cubic curve, flat,
 * of which the last is the tip of the arrow.
 */
export function drawView(graph, viewName, { size, boxes, curves }) {
  const { shown } = graph.views[viewName];
  const svg = make("svg", { viewBox: `0 0 ${size[0]} ${size[1]}` });
  const group = make("g", { class: "graph" });
  shown.forEach((i, at) => group.append(...curves[at].map((numbers, k) => edgeOf(`${viewName}_${i}_${k}`, numbers))));
  shown.forEach((i, at) => group.append(nodeOf(`${viewName}_${i}`, graph.nodes[i], boxes[at])));
  svg.append(group);
  return svg;
}

function nodeOf(id, { role, number, lift }, [x, y, width, height]) {
  const group = make("g", { id, class: `node ${role}` });
  const shape = lift === undefined ? role : role === "parameter" ? role : "quantity"; // a matrix stands in a box
  group.append(shapeOf(shape, x, y, width / 2, height / 2));
  for (const line of number ? ["name"] : ["name", "value", "gradient"]) {
    group.append(make("text", { class: line, x, y }), "\n"); // read as three words
  }
  return group;
}

/** Draws the shape of a role around a middle: w and h are half its width and height. */
function shapeOf(role, x, y, w, h) {
  const polygon = (points) => make("polygon", { points: points.map(([a, b]) => `${x + a * w},${y + b * h}`).join(" ") });
  if (role === "input" || role === "number") return make("ellipse", { cx: x, cy: y, rx: w, ry: h });
  if (role === "target") return polygon([[-0.6, -1], [0.6, -1], [1, 0], [0.6, 1], [-0.6, 1], [-1, 0]]);
  if (role === "loss") {
    return polygon([[-0.5, -1], [0.5, -1], [1, -0.45], [1, 0.45], [0.5, 1], [-0.5, 1], [-1, 0.45], [-1, -0.45]]);
  }
  const box = { x: x - w, y: y - h, width: 2 * w, height: 2 * h };
  return make("rect", role === "parameter" ? box : { ...box, rx: ROUNDED });
}

/** Draws an edge, whose line ends at the back of its arrow. */
export function edgeOf(id, numbers) {
  const points = [];
  for (let i = 0; i < numbers.length; i += 2) points.push([numbers[i], numbers[i + 1]]);
  const [before, tip] = points.slice(-2);
  const length = Math.hypot(tip[0] - before[0], tip[1] - before[1]) || 1;
  const [a, b] = [(ARROW * (tip[0] - before[0])) / length, (ARROW * (tip[1] - before[1])) / length];
  const back = [tip[0] - a, tip[1] - b];
  points[points.length - 1] = back;
  const head = [tip, [back[0] - 0.35 * b, back[1] + 0.35 * a], [back[0] + 0.35 * b, back[1] - 0.35 * a]];
  const group = make("g", { id, class: "edge" });
  group.append(make("path", { d: `M${points[0]}C${points.slice(1).join(" ")}` }), make("polygon", { points: head.join(" ") }));
  return group;
}

/** Makes an element of a picture. */
export function make(tag, attributes) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
