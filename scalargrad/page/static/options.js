// Shows the options of a question that no number answers, and says why one is right or wrong.

import * as m from "./mathml.js";
import { phrase, text } from "./words.js";

/** Sets what an option shows or a sentence names: ["node", 3], ["local", edge], or the key of a sentence alone. */
function set([kind, what], { symbol, gradient, local, via, show }) {
  if (what === undefined) return document.createTextNode(text(kind));
  const trees = {
    node: symbol,
    gradient,
    local,
    number: (x) => m.number(show(x)),
    inverse: ({ node, parent }) => m.partial(symbol(parent), symbol(node)),
    product: (step) => {
      const { node, parent, count } = step;
      const left = count > 1 ? m.marked(gradient(parent), via(step)) : gradient(parent);
      return m.row(left, m.sign("="), gradient(node), m.sign("⋅"), m.sign("?"));
    },
  };
  return m.math(trees[kind](what));
}

const wordOf = ({ label, name }) => label || name.join("");

/** Says a derivative in a line of plain signs, for who hears it. */
export const saidFraction = ({ nodes }, of, by) => `∂${wordOf(nodes[of])} / ∂${wordOf(nodes[by])}`;

function said([kind, what], { graph }) {
  if (what === undefined) return text(kind);
  if (kind === "node") return wordOf(graph.nodes[what]);
  if (kind === "gradient") return saidFraction(graph, graph.nodes.length - 1, what);
  return kind === "local" ? saidFraction(graph, what.node, what.parent) : saidFraction(graph, what.parent, what.node);
}

/** Gives the parts of a sentence with all that it names. */
export function sentence(key, fill, tools) {
  return phrase(key, Object.fromEntries(Object.entries(fill).map(([name, what]) => [name, set(what, tools)])));
}

/** Gives what is said of an option: what it is, where that was asked for, and why it is right or wrong. */
export function reasonOf(option, tools, isAsked = false) {
  const why = document.createDocumentFragment();
  why.append(...sentence(option.why, option.fill, tools));
  const answer = set(option.content, tools);
  return phrase(isAsked ? "idea.shown" : option.right ? "idea.right" : "idea.wrong", { answer, why });
}

/** Writes the options as buttons; `ruledOut` holds the ids of those that have been found wrong. */
export function showOptions(group, options, ruledOut, tools, choose) {
  const focused = group.contains(document.activeElement) && document.activeElement.dataset.option;
  group.replaceChildren(
    ...options.map((option) => {
      const button = document.createElement("button");
      Object.assign(button, { type: "button" }).dataset.option = option.id;
      if (ruledOut.has(option.id)) button.setAttribute("aria-disabled", "true");
      else button.addEventListener("click", () => choose(option));
      button.append(set(option.content, tools));
      button.title = said(option.content, tools);
      return button;
    }),
  );
  if (focused) group.querySelector(`[data-option="${focused}"]`)?.focus({ preventScroll: true });
}
