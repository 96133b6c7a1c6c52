// Lays out a view of a graph as a picture, with the ids, classes and shapes that Python's pictures have.

import { Graph, layout } from "./dagre.js";
import { operandEdges, regionsOf, shownEdges } from "./engine.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
const INCH = 72; // units of the picture
const FONT_SIZE = 14;
const NUMBER = 1.2; // inches, for a gradient such as −0.008694 and the room around it
const LINE = 0.23; // inches
const LONGEST = 28; // signs of a label
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{3fffd}]/u; // Chinese
const MARGIN = 8;
const ARROW = 8;
const MANY = 100; // nodes; the order of more is found in a quicker way
const MOST_LAYERS = 600; // that edges pass, all together: the time that dagre takes grows with them

/** Draws a view as an SVG element: node 3 has the id `view_3`, its first edge `view_3_0`. */
export function drawView(graph, viewName) {
  const { shown } = graph.views[viewName];
  const edges = operandEdges(graph.nodes, graph.recorded);
  const inner = viewName === "quantities" ? shownEdges(regionsOf(graph.nodes, shown), edges) : null;
  const plan = new Graph({ multigraph: true });
  plan.setGraph({ rankdir: "LR", nodesep: 10, ranksep: 44, edgesep: 6, marginx: MARGIN, marginy: MARGIN });
  for (const i of shown) plan.setNode(String(i), sizeOf(graph.nodes[i], viewName));
  const all = shown.flatMap((i) =>
    (inner ? inner.get(i) : edges[i]).map(({ parent }, k) => ({ from: parent, to: i, name: `${i}_${k}` })),
  );
  const { near, far } = parted(all);
  for (const { from, to, name } of near) plan.setEdge(String(from), String(to), {}, name);
  layout(plan, { disableOptimalOrderHeuristic: shown.length > MANY });
  const { width, height } = plan.graph();
  const svg = make("svg", { viewBox: `0 0 ${Math.max(width, 1)} ${Math.max(height, 1)}` });
  const group = make("g", { class: "graph" });
  for (const edge of plan.edges()) group.append(edgeOf(`${viewName}_${edge.name}`, plan.edge(edge).points));
  for (const { from, to, name } of far) group.append(edgeOf(`${viewName}_${name}`, straight(plan.node(from), plan.node(to))));
  for (const i of shown) group.append(nodeOf(`${viewName}_${i}`, graph.nodes[i], plan.node(String(i))));
  svg.append(group);
  return svg;
}

function sizeOf({ name, role, symbol, number }, viewName) {
  const title = `${short(name.join(""))}${symbol && viewName === "operations" ? `  ${symbol}` : ""}`;
  const room = number ? inches(title) : Math.max(NUMBER, inches(title));
  const height = (number ? 1 : 3) * LINE + 0.12;
  const slack = ["input", "target", "loss"].includes(role) ? 1.25 : 1; // shapes that narrow towards top and bottom
  return { width: slack * room * INCH, height: slack * height * INCH };
}

function short(label) {
  const signs = [...label];
  return signs.length <= LONGEST ? label : `${signs.slice(0, LONGEST - 1).join("")}…`;
}

function inches(text) {
  const signs = [...text];
  const wide = signs.filter((sign) => WIDE.test(sign)).length;
  return ((wide * 1.05 + (signs.length - wide) * 0.6) * FONT_SIZE) / INCH + 0.25;
}

function nodeOf(id, { role, number }, { x, y, width, height }) {
  const group = make("g", { id, class: `node ${role}` });
  group.append(shapeOf(role, x, y, width / 2, height / 2));
  for (const line of number ? ["name"] : ["name", "value", "gradient"]) {
    const text = make("text", { "text-anchor": "middle", x, y });
    text.textContent = line;
    group.append(text, "\n"); // read as three words
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
  if (role === "parameter") return polygon([[-1, -1], [1, -1], [1, 1], [-1, 1]]);
  const r = 10;
  return make("path", {
    d: `M${x - w + r},${y - h}C${x - w + r},${y - h} ${x + w - r},${y - h} ${x + w - r},${y - h}`
      + `C${x + w - r / 2},${y - h} ${x + w},${y - h + r / 2} ${x + w},${y - h + r}`
      + `C${x + w},${y - h + r} ${x + w},${y + h - r} ${x + w},${y + h - r}`
      + `C${x + w},${y + h - r / 2} ${x + w - r / 2},${y + h} ${x + w - r},${y + h}`
      + `C${x + w - r},${y + h} ${x - w + r},${y + h} ${x - w + r},${y + h}`
      + `C${x - w + r / 2},${y + h} ${x - w},${y + h - r / 2} ${x - w},${y + h - r}`
      + `C${x - w},${y + h - r} ${x - w},${y - h + r} ${x - w},${y - h + r}`
      + `C${x - w},${y - h + r / 2} ${x - w + r / 2},${y - h} ${x - w + r},${y - h}Z`,
  });
}

/** Parts the edges into those that dagre lays out, and the longest ones where all together they pass too many layers. */
function parted(edges) {
  const depth = new Map(); // of a node: how far from the leaves; of a leaf: just before the first that needs it
  for (const { from, to } of edges) depth.set(to, Math.max(depth.get(to) ?? 0, (depth.get(from) ?? 0) + 1));
  const computed = new Set(edges.map(({ to }) => to));
  for (const { from, to } of edges) {
    if (!computed.has(from)) depth.set(from, Math.min(depth.get(from) ?? Infinity, depth.get(to) - 1));
  }
  const passed = ({ from, to }) => depth.get(to) - depth.get(from) - 1;
  let room = MOST_LAYERS;
  const near = new Set([...edges].sort((a, b) => passed(a) - passed(b)).filter((edge) => (room -= passed(edge)) >= 0));
  return { near: edges.filter((edge) => near.has(edge)), far: edges.filter((edge) => !near.has(edge)) };
}

/** Gives the points of an edge that goes its way behind all others. */
function straight(from, to) {
  const [start, end] = [from.x + from.width / 2, to.x - to.width / 2];
  return [[start, from.y], [start + 30, from.y], [end - 30, to.y], [end, to.y]].map(([x, y]) => ({ x, y }));
}

/** Draws an edge as a smooth curve through the middles of its points, and its arrow head. */
function edgeOf(id, given) {
  const points = given.map(({ x, y }) => [x, y]);
  const [before, end] = points.slice(-2);
  const length = Math.hypot(end[0] - before[0], end[1] - before[1]) || 1;
  const along = [(end[0] - before[0]) / length, (end[1] - before[1]) / length];
  const tip = points.at(-1);
  points[points.length - 1] = [tip[0] - ARROW * along[0], tip[1] - ARROW * along[1]];
  let d = `M${points[0]}`;
  let from = points[0];
  for (let i = 1; i < points.length - 1; i++) {
    const to = i === points.length - 2 ? points[i + 1] : middle(points[i], points[i + 1], 1 / 2);
    d += `C${middle(from, points[i], 2 / 3)} ${middle(to, points[i], 2 / 3)} ${to}`;
    from = to;
  }
  if (points.length === 2) d += `C${middle(...points, 1 / 3)} ${middle(...points, 2 / 3)} ${points[1]}`;
  const side = [-along[1] * ARROW * 0.35, along[0] * ARROW * 0.35];
  const back = points.at(-1);
  const head = [tip, [back[0] + side[0], back[1] + side[1]], [back[0] - side[0], back[1] - side[1]]];
  const group = make("g", { id, class: "edge" });
  group.append(make("path", { d }), make("polygon", { points: head.join(" ") }));
  return group;
}

const middle = ([a, b], [c, d], share) => [a + (c - a) * share, b + (d - b) * share];

function make(tag, attributes) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
