// Shows one view of the graph: fills the nodes with text, lights up what a step is about, zooms and follows.

import { drawView, make } from "./drawing.js";
import { showEnds } from "./ends.js";
import { written } from "./numbers.js";

const LONGEST = 28; // signs of a label, as in the layout
const MOST_DIGITS = 4; // what a node has room for, and in large type
const MOST_DIGITS_LARGE = 3;
const FONT = 14; // of a name, in units of the picture, and in large type
const FONT_LARGE = 17;
const READABLE = 12; // pixels; below that the picture scrolls
const SMALLEST = 10; // pixels; down to that it rather shows as a whole, or both ends of an edge
const NARROWED = 0.7; // what an ellipse or a hexagon leaves of its width to its last line
const LINE = 17; // from line to line, in units of the picture
const LINE_LARGE = 18;

/**
 * Makes the picture of a view inside its scrolling frame; `choose(node)` is called for a node that is picked. Two ends
 * of an edge that are too far apart to be read together are shown in `ends`.
 */
export function makePicture(frame, ends, graph, viewName, layout, choose) {
  const svg = drawView(graph, viewName, layout);
  frame.replaceChildren(svg);
  const [width, height] = layout.size;
  const partsOf = (i, box) => nodeParts(document.getElementById(`${viewName}_${i}`), graph.nodes[i].role, box);
  const nodes = new Map(graph.views[viewName].shown.map((i, at) => [i, partsOf(i, layout.boxes[at])]));
  const edges = new Map();
  for (const edge of svg.querySelectorAll(".edge")) edges.set(edge.id, edge);
  const tag = makeTag(svg);
  const localTags = new Map();
  let zoom = null; // null: as large as it has to be
  let lit = [];
  let subject = []; // the nodes that the step is about, and those it comes from
  let chief = []; // the former alone
  let along = { text: "", classes: [] }; // of the edge between two of them

  for (const [i, parts] of nodes) {
    setName(parts.name, graph.nodes[i], viewName);
    parts.said = parts.name.textContent;
  }
  setLines();
  walkByKeys([...nodes].filter(([i]) => !graph.nodes[i].number).map(([i, { group }]) => [i, group]), choose);

  function setLines() {
    const line = isLarge() ? LINE_LARGE : LINE;
    for (const [i, parts] of nodes) {
      [parts.name, parts.value, parts.gradient].forEach((text, k) => {
        const above = graph.nodes[i].number ? 0 : (k - 1) * line - (graph.nodes[i].lift ?? 0);
        text?.setAttribute("y", parts.middle + above + (k === 0 ? 3 : 5));
      });
    }
  }

  function scale() {
    const fit = 0.985 * Math.min(frame.clientWidth / width, frame.clientHeight / height);
    if (zoom === "fit") return fit;
    const type = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;
    const font = isLarge() ? FONT_LARGE : FONT;
    const whole = fit * font >= SMALLEST * type;
    const readable = Math.min(whole ? fit : (READABLE / font) * type, 1.7 * type);
    const both = bothEnds();
    return zoom ?? (both * font < SMALLEST * type ? readable : Math.min(readable, both));
  }

  /** Gives the scale at which the nodes that a step is about fit into the frame together. */
  function bothEnds() {
    const boxes = subject.map((i) => nodes.get(i)?.box).filter(Boolean);
    if (boxes.length < 2) return Infinity;
    const span = (from, size) =>
      Math.max(...boxes.map((box) => box[from] + box[size])) - Math.min(...boxes.map((box) => box[from]));
    return 0.94 * Math.min(frame.clientWidth / span("x", "width"), frame.clientHeight / span("y", "height"));
  }

  function resize() {
    if (!frame.clientWidth) return;
    setLines();
    place(false);
  }

  /** Makes the picture as large as the step asks for, and brings what it is about into the frame. */
  function place(smoothly) {
    setScale();
    const isApart = bothEnds() < scale();
    ends.toggleAttribute("hidden", !isApart || subject.length !== 2);
    if (isApart && subject.length === 2) showEnds(ends, subject.map((i) => nodes.get(i)), along, Math.min(scale(), 1.2));
    follow(isApart ? chief : subject, smoothly);
  }

  function setScale() {
    const now = scale();
    svg.style.width = `${width * now}px`;
    svg.style.height = `${height * now}px`;
  }

  function follow(some, smoothly) {
    const boxes = some.map((i) => nodes.get(i)?.group.getBoundingClientRect()).filter(Boolean);
    if (!boxes.length) return;
    const view = frame.getBoundingClientRect();
    const middle = (from, to) =>
      (Math.min(...boxes.map((box) => box[from])) + Math.max(...boxes.map((box) => box[to]))) / 2;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    frame.scrollTo({
      left: frame.scrollLeft + middle("left", "right") - view.left - frame.clientWidth / 2,
      top: frame.scrollTop + middle("top", "bottom") - view.top - frame.clientHeight / 2,
      behavior: smoothly && !calm ? "smooth" : "auto",
    });
  }

  function show(state, digits, hidden) {
    const figures = Math.min(digits === "all" ? MOST_DIGITS : digits, isLarge() ? MOST_DIGITS_LARGE : MOST_DIGITS);
    for (const [i, parts] of nodes) {
      const { value, gradient, arrived, count, stale } = state[i];
      const ask = hidden?.node === i ? hidden.what : "";
      const valueText = ask === "value" ? "?" : value === null ? "" : written(value, figures);
      if (graph.nodes[i].number) {
        put(parts.name, valueText);
        continue;
      }
      put(parts.value, valueText, parts.room);
      const waits = arrived < count;
      const sum = gradient === null ? "" : signed(written(gradient, figures), waits, stale);
      put(parts.gradient, ask === "gradient" ? "∂ ?" : sum, parts.room);
      const reached =
        value === null ? "unknown" : gradient === null ? "known" : waits ? "waiting" : stale ? "stale" : "complete";
      if (parts.group.dataset.state !== reached) parts.group.dataset.state = reached;
      const spoken = [parts.said, valueText, ask === "gradient" ? "∂ ?" : sum].filter(Boolean).join(" ");
      if (parts.spoken !== spoken) parts.group.setAttribute("aria-label", (parts.spoken = spoken));
    }
  }

  /** Lights a step: the node it is about, those it comes from, its edge, and the edges along which more has come. */
  function light({ now = [], from = [], edgeIds = [], backwards = false, tagText = "", cameIds = [] }) {
    for (const element of lit) element.classList.remove("now", "from", "lit", "back", "came");
    lit = [];
    const mark = (element, ...classes) => element && (element.classList.add(...classes), lit.push(element));
    for (const i of now) mark(nodes.get(i)?.group, "now");
    for (const i of from) mark(nodes.get(i)?.group, "from");
    const classes = backwards ? ["lit", "back"] : ["lit"];
    for (const id of edgeIds) mark(edges.get(`${viewName}_${id}`), ...classes);
    for (const id of cameIds) mark(edges.get(`${viewName}_${id}`), "came");
    tag.show(tagText && edges.get(`${viewName}_${edgeIds[0]}`)?.querySelector("path"), tagText);
    [subject, chief, along] = [[...now, ...from], now, { text: tagText, classes }];
    requestAnimationFrame(() => frame.clientWidth && place(true)); // the browser lays the page out once, then
  }

  /** Writes on every edge the derivative along it: `localOf(id)` gives the text; without it they are taken away. */
  function showLocals(localOf) {
    for (const [id, edge] of edges) {
      if (!localTags.has(id) && localOf) localTags.set(id, makeTag(svg, "local"));
      localTags.get(id)?.show(localOf && edge.querySelector("path"), localOf?.(id.slice(viewName.length + 1)));
    }
  }

  const observer = new ResizeObserver(resize);
  observer.observe(frame);
  return {
    show,
    light,
    showLocals,
    resize,
    stop: () => observer.disconnect(),
    zoomBy(factor) {
      zoom = scale() * factor;
      resize();
    },
    toggleFit() {
      zoom = zoom === "fit" ? null : "fit";
      resize();
    },
  };
}

const isLarge = () => document.documentElement.classList.contains("large");

/** Writes what a node has of its gradient: the sum so far, the gradient, or one that is stale, each its own way. */
export function signed(number, waits, stale) {
  return waits ? `Σ ${number} …` : stale ? `(∂ ${number})` : `∂ ${number}`;
}

/** Lets the arrow keys go from node to node, one of which the Tab key reaches, and Enter choose. */
function walkByKeys(groups, choose) {
  const onto = (k) => {
    groups.forEach(([, group]) => (group.tabIndex = -1));
    groups[k][1].tabIndex = 0;
  };
  onto(0);
  groups.forEach(([i, group], k) => {
    group.setAttribute("role", "button");
    group.addEventListener("click", () => choose(i));
    group.addEventListener("keydown", (event) => {
      const to = { ArrowRight: k + 1, ArrowDown: k + 1, ArrowLeft: k - 1, ArrowUp: k - 1 }[event.key];
      if (to === undefined && event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      event.stopPropagation();
      if (to === undefined) choose(i);
      else if (groups[to]) {
        onto(to);
        groups[to][1].focus();
      }
    });
  });
}

function nodeParts(group, role, [x, y, width, height]) {
  const [name, value, gradient] = group.querySelectorAll("text");
  const box = { x: x - width / 2, y: y - height / 2, width, height };
  const room = ["input", "target"].includes(role) ? NARROWED * width : width - 8;
  return { group, name, said: "", value, gradient, box, middle: y, room };
}

/** Writes a text where it has changed, no wider than its room: nothing else in the picture is touched. */
function put(element, text, room = Infinity) {
  if (element.textContent === text) return;
  element.textContent = text;
  if (widthOf(text) * (isLarge() ? 1.2 : 1) > room) {
    element.setAttribute("textLength", room);
    element.setAttribute("lengthAdjust", "spacingAndGlyphs");
  } else if (element.hasAttribute("textLength")) {
    element.removeAttribute("textLength");
  }
}

const ruler = document.createElement("canvas").getContext("2d");
ruler.font = `700 12.5px ${getComputedStyle(document.documentElement).getPropertyValue("--picture-font")}`;

/** Measures a text without a layout of the page, which in a large picture takes longer than all else. */
function widthOf(text) {
  return ruler.measureText(text).width;
}

function setName(element, { name: [base, below, above], symbol, number }, viewName) {
  if (number) return;
  element.textContent = "";
  const add = (text, className) => {
    const part = make("tspan", { class: className });
    part.textContent = text;
    element.append(part);
    return part;
  };
  const shortened = base.replace(/\s+/g, " ").trim();
  const signs = [...shortened];
  add(signs.length > LONGEST ? `${signs.slice(0, LONGEST - 1).join("")}…` : shortened, "base");
  if (above) add(above, "small").setAttribute("dy", "-5");
  if (below) add(below, "small").setAttribute("dy", above ? "9" : "4");
  if (symbol && viewName === "operations") {
    add(`\u00a0 ${symbol}`, "symbol").setAttribute("dy", below ? "-4" : above ? "5" : "0");
  }
}

/** Makes the tag that stands on an edge and says what it multiplies by. */
function makeTag(svg, className = "") {
  const [group, back, label] = [make("g", { class: `tag ${className}` }), make("rect", {}), make("text", {})];
  const set = (element, attributes) => Object.entries(attributes).forEach(([k, v]) => element.setAttribute(k, v));
  group.append(back, label);
  svg.querySelector(".graph").append(group);
  return {
    show(path, text) {
      group.style.display = text && path ? "" : "none";
      if (!text || !path) return;
      const [x, y] = middleOf(path.getAttribute("d"));
      const width = widthOf(text) + 10;
      label.textContent = text;
      set(back, { x: x - width / 2, y: y - 9, width, height: 18, rx: 9 });
      set(label, { x, y: y + 4 });
    },
  };
}

/** Finds the middle of a path of cubic curves, M p C p p p p p p. */
function middleOf(d) {
  const numbers = d.match(/-?[\d.]+/g).map(Number);
  const point = (i) => [numbers[2 * i], numbers[2 * i + 1]];
  const curves = (numbers.length / 2 - 1) / 3;
  const start = 3 * Math.floor(curves / 2);
  if (curves % 2 === 0) return point(start);
  const [p, q, r, s] = [0, 1, 2, 3].map((i) => point(start + i));
  return [0, 1].map((i) => (p[i] + 3 * q[i] + 3 * r[i] + s[i]) / 8);
}
