// Shows the layers of the graph: each matrix gets its numbers, and in the backward pass its gradients, in one step.

import { line } from "./card.js";
import { make } from "./drawing.js";
import * as m from "./mathml.js";
import { written } from "./numbers.js";
import { makePicture, signed } from "./picture.js";
import { known } from "./steps.js";
import { phrase } from "./words.js";

const MOST_CELLS = 4; // of a row or a column of a matrix that shows its numbers, as in the layout
const LINE = 16; // from row to row, in units of the picture
const DIGITS = 4;

/** Makes what steps through the layers of a graph, draws them and says what a step does. */
export function makeLayers(graph) {
  const { boxes, layout } = graph.layers;
  const { parameters } = graph;
  const isSingle = ({ cells }) => cells.flat().length === 1;
  const liftOf = (box, k) => (isSingle(box) ? 0 : layout.boxes[k][3] / 2 - 32);
  const nodes = boxes.map(({ name, role = "quantity", cells }, k) => ({ name, role, lift: liftOf({ cells }, k) }));
  const drawn = { nodes, views: { layers: { shown: [...boxes.keys()] } } };
  const symbol = (k) => m.name(boxes[k].name);
  const gradient = (k) => (boxes[k].delta ? m.name(boxes[k].delta) : m.partial(symbol(boxes.length - 1), symbol(k)));

  /** Puts the names of boxes and of their gradients into a formula. */
  function named(tree) {
    if (typeof tree === "string") return tree;
    const put = { n: symbol, g: gradient }[tree[0]];
    return put ? put(Number(tree[1])) : tree.map(named);
  }

  function stepsOf(round) {
    const root = graph.nodes.length - 1;
    const of = (phase, kind) => (box) => ({ phase, kind, box, nodes: boxes[box].cells.flat() });
    const all = [...boxes.keys()];
    const update = { phase: "update", kind: "updates", nodes: parameters };
    const next = { phase: "next", kind: "next", node: root, before: round.numbers.values[root], after: round.after };
    return (round.layers ??= [
      { phase: "start", kind: "start" },
      ...all.filter((k) => boxes[k].formula).map(of("forward", "values")),
      ...all.filter((k) => boxes[k].brought).reverse().map(of("backward", "gradients")),
      ...(parameters.length ? [update, next] : []),
    ]);
  }

  /** Gives the steps of single quantities that a step stands for. */
  function single(step, { numbers: { values }, gradients, after, rate }) {
    const slope = (node) => gradients.get(node) ?? 0;
    const of = {
      values: (node) => (graph.nodes[node].parents.length ? { kind: "forward", node, value: values[node] } : []),
      gradients: (parent) => ({ kind: "backward", parent, total: slope(parent), arrived: 1, count: 1 }),
      updates: (node) => ({ kind: "update", node, value: after.values?.[node] ?? values[node] - rate * slope(node) }),
    }[step.kind];
    if (step.kind === "gradients" && boxes[step.box].arranged) return []; // what one use brings is no gradient yet
    return of ? step.nodes.flatMap(of) : step;
  }

  function picture(frame, ends, choose) {
    const inner = makePicture(frame, ends, drawn, "layers", layout, (k) => choose(boxes[k].cells[0][0]));
    const texts = boxes.map((box, k) => !isSingle(box) && cellsOf(box, frame.querySelector(`#layers_${k}`), layout.boxes[k]));
    return {
      ...inner,
      showLocals() {},
      show(state, digits) {
        const shown = ({ cells, arranged }) => ({ ...state[cells[0][0]], ...(arranged && { gradient: null }) });
        inner.show(boxes.map(shown), digits);
        boxes.forEach((box, k) => texts[k] && fill(box, texts[k], state));
      },
      light({ kind, box }) {
        if (box === undefined) return inner.light({});
        const forward = kind === "values";
        const ends = boxes.flatMap(({ from }, k) => from.map((start, j) => [start, k, `${k}_${j}`]));
        const lit = ends.filter(([start, end]) => (forward ? end : start) === box);
        const from = lit.map(([start, end]) => (forward ? start : end));
        return inner.light({ now: [box], from, edgeIds: lit.map(([, , id]) => id), backwards: !forward });
      },
    };
  }

  function said({ kind, box }, { numbers, gradients }, digits) {
    if (kind === "updates") return { heading: phrase("phase.update"), lines: [], note: [] };
    const { cells, formula, brought, arranged } = boxes[box];
    const forward = kind === "values";
    const number = (i) => m.number(written((forward ? numbers.values[i] : gradients.get(i)) ?? 0, digits));
    const right = forward ? formula : brought;
    const rows = [[forward ? symbol(box) : gradient(box), "=", named(right)]];
    const signs = JSON.stringify(right);
    const hasNumbers = forward || !arranged; // of each use alone no number of the graph tells
    if (hasNumbers && (/"[ng]"/.test(signs) || !isSingle({ cells }))) rows.push([m.row(), "=", matrix(cells, number)]);
    return {
      heading: phrase(forward ? "forward.heading" : "layers.backward", { node: m.math(symbol(box)) }),
      lines: [line("", rows)],
      note: [
        ...(signs.includes("⊙") ? phrase("layers.note", { o: m.math(m.sign("⊙")) }) : []),
        ...(arranged && forward ? phrase("layers.arranged") : []),
        ...((arranged && !forward) || signs.includes("gathered") ? phrase("layers.gathered") : []),
      ],
    };
  }

  return {
    stepsOf,
    picture,
    write(card, ...shown) {
      for (const [name, parts] of Object.entries(said(...shown))) card.querySelector(`.${name}`).replaceChildren(...parts);
    },
    /** Tells what is known of each single quantity after a step. */
    known(round, at) {
      const flat = stepsOf(round).slice(0, at + 1).flatMap((step) => single(step, round));
      return known(graph, round, flat, flat.length - 1);
    },
  };
}

/** Finds the step of another view that is about the same quantity, or else the first of the same phase. */
export function nearest(step, to) {
  const about = ({ nodes, parent, node }) => nodes ?? [parent ?? node];
  const same = (other) => other.phase === step.phase;
  const met = (other) => about(other).some((node) => about(step).includes(node));
  return Math.max(to.findLastIndex((other) => same(other) && met(other)), to.findIndex(same), 0);
}

/** Makes the texts of a matrix below its name: its shape, then rows of values and of gradients, or the range of each. */
function cellsOf({ cells, arranged }, group, [x, y, width, height]) {
  for (const unused of group.querySelectorAll(".value, .gradient")) unused.remove();
  const [rows, columns] = [cells.length, cells[0].length];
  const isSmall = Math.max(rows, columns) <= MOST_CELLS;
  let down = y - height / 2 + 18;
  const row = (count, className) => {
    down += LINE;
    const texts = Array.from({ length: count }, (_, c) => {
      return make("text", { class: className, x: x + (width - 8) * ((c + 0.5) / count - 0.5), y: down });
    });
    group.append(...texts);
    return texts;
  };
  row(1, "small")[0].textContent = `${rows} × ${columns}`;
  const grid = (className) => (isSmall ? cells.flatMap(() => row(columns, className)) : row(1, className));
  return { group, value: grid("cell"), gradient: arranged ? [] : grid("cell back") };
}

function fill({ cells, name }, texts, state) {
  const spoken = [name.join(""), `${cells.length} × ${cells[0].length}`];
  for (const what of ["value", "gradient"]) {
    const numbers = cells.flat().map((node) => state[node][what]);
    const isRange = texts[what].length < numbers.length;
    const show = (...list) => (list.includes(null) ? "" : list.map((x) => written(x, DIGITS)).join(" … "));
    texts[what].forEach((text, i) => {
      const shown = isRange ? (numbers.includes(null) ? "" : show(Math.min(...numbers), Math.max(...numbers))) : show(numbers[i]);
      const { stale } = state[cells.flat()[i]];
      text.textContent = shown && what === "gradient" ? signed(shown, false, stale) : shown;
      spoken.push(text.textContent);
    });
  }
  texts.group.setAttribute("aria-label", spoken.join(" "));
}

/** Sets a matrix, of a large one the first rows and columns; one number alone as it is. */
function matrix(cells, number) {
  if (cells.flat().length === 1) return number(cells[0][0]);
  const cut = (list, more) => (list.length > MOST_CELLS ? [...list.slice(0, MOST_CELLS), more] : list);
  const dots = ["mtd", m.sign("…")];
  const rows = cells.map((row) => ["mtr", ...cut(row.map((i) => ["mtd", number(i)]), dots)]);
  return m.row(m.sign("("), ["mtable", ...cut(rows, ["mtr", dots])], m.sign(")"));
}
