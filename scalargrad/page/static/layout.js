// Lays out a view of a graph that was typed in the page, as Python's layouts are.

import { Graph, layout } from "./dagre.js";
import { operandEdges, regionsOf, shownEdges } from "./engine.js";

const INCH = 72; // units of the picture
const FONT_SIZE = 14;
const NUMBER = 1.2; // inches, for a gradient such as −0.008694 and the room around it
const LINE = 0.23; // inches
const LONGEST = 28; // signs of a label
const WIDE = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\u{1f300}-\u{3fffd}]/u; // Chinese
const MARGIN = 8;
const MANY = 100; // nodes; the order of more is found in a quicker way
const MOST_LAYERS = 600; // that edges pass, all together: the time that dagre takes grows with them

/** Lays out a view: {size, boxes, curves}. */
export function layoutOf(graph, viewName) {
  const { shown } = graph.views[viewName];
  const edges = operandEdges(graph.nodes, graph.recorded);
  const inner = viewName === "quantities" ? shownEdges(regionsOf(graph.nodes, shown), edges) : null;
  const plan = new Graph({ multigraph: true });
  plan.setGraph({ rankdir: "LR", nodesep: 10, ranksep: 44, edgesep: 6, marginx: MARGIN, marginy: MARGIN });
  for (const i of shown) plan.setNode(String(i), sizeOf(graph.nodes[i], viewName));
  const ofNode = shown.map((i) =>
    (inner ? inner.get(i) : edges[i]).map(({ parent }, k) => ({ from: String(parent), to: String(i), name: String(k) })),
  );
  const { near, far } = parted(ofNode.flat());
  for (const { from, to, name } of near) plan.setEdge(from, to, {}, name);
  layout(plan, { disableOptimalOrderHeuristic: shown.length > MANY });
  const pointsOf = ({ from, to, name }) => plan.edge(from, to, name).points;
  const wayOf = (edge) => (far.has(edge) ? straight(plan.node(edge.from), plan.node(edge.to)) : pointsOf(edge));
  const { width, height } = plan.graph();
  return {
    size: [Math.max(width, 1), Math.max(height, 1)],
    boxes: shown.map((i) => plan.node(String(i))).map(({ x, y, width, height }) => [x, y, width, height]),
    curves: ofNode.map((edges) => edges.map((edge) => curveThrough(wayOf(edge)))),
  };
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
  return { near: edges.filter((edge) => near.has(edge)), far: new Set(edges.filter((edge) => !near.has(edge))) };
}

/** Gives the points of an edge that goes its way behind all others. */
function straight(from, to) {
  const [start, end] = [from.x + from.width / 2, to.x - to.width / 2];
  return [[start, from.y], [start + 30, from.y], [end - 30, to.y], [end, to.y]].map(([x, y]) => ({ x, y }));
}

/** Gives a smooth curve through the middles of the points of an edge. */
function curveThrough(given) {
  const points = given.map(({ x, y }) => [x, y]);
  const curve = [points[0]];
  for (let i = 1; i < points.length - 1; i++) {
    const to = i === points.length - 2 ? points[i + 1] : middle(points[i], points[i + 1], 1 / 2);
    curve.push(middle(curve.at(-1), points[i], 2 / 3), middle(to, points[i], 2 / 3), to);
  }
  if (points.length === 2) curve.push(middle(...points, 1 / 3), middle(...points, 2 / 3), points[1]);
  return curve.flat();
}

const middle = ([a, b], [c, d], share) => [a + (c - a) * share, b + (d - b) * share];
