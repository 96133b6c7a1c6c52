// The tab in which a formula is typed, with a number beside each of its names.

import { graphOf } from "./graphs.js";
import { layoutOf } from "./layout.js";
import { namesIn, recordExpression } from "./typed.js";
import { Refusal, text } from "./words.js";

const LARGEST = 1000; // nodes; nobody can step through more

/**
 * Makes the tab; `use(graph, layoutOf)` shows a graph, and `attempt(change)` runs what may be refused. Gives a way to
 * build from outside, and to follow when the numbers of the names change.
 */
export function makeFormula(panel, shelf, { use, attempt }) {
  const field = panel.querySelector("#formula");
  const rows = panel.querySelector("#names");
  const choice = panel.querySelector("#shelf");
  const numbers = new Map(); // what stands beside the names, as text
  let built = { formula: "", names: new Map() };

  function showNames() {
    const names = namesIn(field.value);
    if (names.join() === [...rows.children].map((row) => row.dataset.name).join()) return;
    rows.replaceChildren(...names.map((name) => rowOf(name)));
  }

  function rowOf(name) {
    const row = document.createElement("label");
    const input = document.createElement("input");
    const words = document.createElement("span");
    row.dataset.name = name;
    words.textContent = `${name} =`;
    Object.assign(input, { type: "number", step: "any", value: numbers.get(name) ?? "" });
    input.addEventListener("input", () => numbers.set(name, input.value));
    input.addEventListener("change", () => isWhole() && attempt(buildTyped));
    row.append(words, input);
    return row;
  }

  const numberIn = (row) => row.querySelector("input").valueAsNumber;
  const isWhole = () => [...rows.children].every((row) => !Number.isNaN(numberIn(row)));

  /** Builds what is typed, and where it is refused goes to the place. */
  function buildTyped() {
    const known = [...rows.children].filter((row) => !Number.isNaN(numberIn(row)));
    try {
      build(field.value, new Map(known.map((row) => [row.dataset.name, numberIn(row)])));
    } catch (error) {
      if (error.start !== undefined) mark(error);
      throw error;
    }
  }

  function build(formula, given) {
    const graph = graphOf(recordExpression(formula, given).root);
    const count = graph.nodes.length;
    if (count > LARGEST) throw new Refusal("typed.nodes", { count, limit: LARGEST });
    const places = [...given.keys()].map((name) => [name, graph.nodes.findIndex(({ label }) => label === name)]);
    built = { formula, names: new Map(places) };
    use(graph, (view) => layoutOf(graph, view));
  }

  /** Selects the place of an error. */
  function mark({ start, end }) {
    const units = (count) => [...field.value].slice(0, count).join("").length;
    field.focus();
    field.setSelectionRange(units(start), units(end));
  }

  /** Puts a formula and its numbers into the tab, and builds the graph. */
  function load(formula, pairs) {
    field.value = formula;
    numbers.clear();
    for (const [name, number] of pairs) numbers.set(name, String(number));
    rows.replaceChildren();
    showNames();
    build(formula, new Map(pairs));
  }

  field.addEventListener("input", showNames);
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) attempt(buildTyped);
  });
  panel.querySelector("#build").addEventListener("click", () => attempt(buildTyped));
  choice.addEventListener("change", () => {
    const chosen = shelf[choice.value];
    if (chosen) attempt(() => load(chosen.formula, chosen.numbers));
  });

  return {
    load,
    /** Gives what a link has to say to build the present graph with the present values of its leaves. */
    said: (values) => ({ formula: built.formula, numbers: [...built.names].map(([name, i]) => [name, values[i]]) }),
    /** Lets the numbers beside the names, and the words of the shelf, follow. */
    show(values) {
      for (const row of rows.children) {
        const input = row.querySelector("input");
        const i = built.names.get(row.dataset.name);
        if (i === undefined || input === document.activeElement || input.valueAsNumber === values[i]) continue;
        if (field.value === built.formula) input.value = String(values[i]);
      }
      const title = ({ key }) => text(`shelf.${key}`);
      choice.replaceChildren(new Option(text("shelf"), ""), ...shelf.map((entry, i) => new Option(title(entry), String(i))));
    },
  };
}
