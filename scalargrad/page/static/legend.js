// Says what the shapes and the signs of a picture stand for.

import { text } from "./words.js";

export function drawLegend(list, graph, view) {
  const roles = ["input", "parameter", "target", view === "operations" ? "operation" : "quantity", "loss"];
  const present = new Set(graph.views[view].shown.map((i) => graph.nodes[i].role));
  const wordOf = (role) => (role === "loss" && !graph.parameters.length ? "role.result" : `role.${role}`);
  const entries = [
    ...roles.filter((role) => present.has(role)).map((role) => [role, wordOf(role)]),
    ["waiting", "legend.waiting"],
    ["complete", "legend.complete"],
    ...(graph.parameters.length ? [["stale", "legend.stale"]] : []),
  ];
  list.replaceChildren(
    ...entries.map(([className, key]) => {
      const item = document.createElement("li");
      item.className = className;
      item.textContent = text(key);
      return item;
    }),
  );
}
