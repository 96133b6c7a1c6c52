"""The quiz's questions on ideas: at every step of every graph exactly the right options are accepted.

What is right is worked out in Python, from the trace and by recording the graph anew with other numbers.
"""

import random
from itertools import count
from urllib.parse import quote

import pytest

from scalargrad import Value, maximum, nn, relu, sigmoid, square, tanh, topological_order, trace, write_page
from scalargrad.graph.replay import record_again
from scalargrad.graph.roles import is_number, roles
from scalargrad.graph.views import view_of
from scalargrad.page import playground
from scalargrad.teach.examples import EXAMPLES

# At each step: the options that the page offers, whether it accepts each, and what it says of it.
ASK = """() => {
  const $ = (id) => document.getElementById(id);
  const choose = (field, value, event) => (($(field).value = value), $(field).dispatchEvent(new Event(event)));
  if ($("quiz").ariaPressed === "false") $("quiz").click();
  choose("kind", "ideas", "change");
  const found = [];
  for (let step = 0; step <= Number($("slider").max); step++) {
    choose("slider", step, "input");
    const ids = $("question").hidden ? [] : [...$("options").children].map((button) => button.dataset.option);
    found.push(ids.map((id) => {
      choose("kind", "ideas", "change"); // which asks anew
      $("options").querySelector(`[data-option="${id}"]`).click();
      return [id, $("verdict").className === "good", $("verdict").textContent];
    }));
  }
  return found;
}"""


def asked(reader, view):
    if reader.page.get_attribute(f"#view-{view}", "aria-pressed") == "false":
        reader.click(f"#view-{view}")
    return reader.page.evaluate(ASK)


class Right:
    """What is right at each step, worked out from the trace and by recording the graph anew with grown leaves."""

    def __init__(self, root, view, parameters):
        self.order = topological_order(root)
        self.number = {node: str(place) for place, node in enumerate(self.order)}
        self.view = view_of(root, view)
        self.root = root
        traced = trace(root, view)
        self.gradients = trace(root, "operations").gradients
        self.visits = [step for step in traced.backward if not is_number(step.parent)]
        computed = [step.node for step in traced.forward if step.node.parents]
        self.steps = [
            *(lambda id, at=at: self.may_be_computed(id, computed[:at]) for at in range(len(computed) + 1)),
            *(lambda id, at=at: self.at_visit(id, at, parameters) for at in range(len(self.visits) + 1)),
            *(lambda id, leaf=leaf: self.effect(id, leaf) for leaf in parameters),
        ]

    def node(self, id):
        return self.order[int(id)]

    def may_be_computed(self, id, computed):
        node = self.node(id)
        known = {*computed, *(leaf for leaf in self.order if not leaf.parents)}
        return node not in known and all(parent in known for parent in self.view.parents(node))

    def at_visit(self, id, at, parameters):
        """Judge an option after `at` contributions: of the last one the factor, or what comes next."""
        done, open_ = self.visits[:at], self.visits[at:]
        if id.isdigit():
            node = self.node(id)
            return any(step.node is node for step in open_) and all(step.parent is not node for step in open_)
        last = done[-1]
        if id in ("rises", "falls", "stays"):
            assert not parameters
            return self.effect(id, last.parent)
        edges = self.view.edges(last.node)
        local = last.local
        other = {"upstream": last.upstream, "whole": self.gradients[last.parent]}
        other["inverse"] = 1 / local if local else None
        if id in other:
            assert other[id] != pytest.approx(local, rel=1e-9, abs=0)
            return False
        node, edge = map(int, id.split("_"))
        assert self.order[node] is last.node
        if edges[edge].parent is not last.parent:
            assert edges[edge].derivative != pytest.approx(local, rel=1e-9, abs=0)
        return edges[edge].parent is last.parent

    def effect(self, id, leaf):
        slopes = []
        for share in (1e-3, 1e-4):
            growth = share * max(1.0, abs(leaf.data))
            again = record_again(self.order, {leaf: leaf.data + growth})
            slopes.append((again[self.root].data - self.root.data) / growth)
        stays = self.gradients[leaf] == 0 and abs(slopes[1]) <= 0.5 * abs(slopes[0])
        return {"rises": min(slopes) > 0, "falls": max(slopes) < 0, "stays": stays}[id]


def check(found, right, at_least):
    kinds = set()
    assert len(found) >= len(right.steps)
    for options, is_right in zip(found, right.steps, strict=False):
        for id, accepted, said in options:
            assert accepted == is_right(id), (id, said)
            assert len(said) > 12
        if options:
            assert len(options) > 1
            assert any(accepted for _, accepted, _ in options)
            kinds.add("effect" if options[0][0] == "rises" else "node" if options[0][0].isdigit() else "factor")
    assert all(not options for options in found[len(right.steps) :])
    assert kinds >= at_least
    return kinds


def some_graph(seed):
    """Record a graph of some twenty operations, with numbers at which bends and flat places are met."""
    chance = random.Random(seed)
    numbers = (-1.0, 0.0, 0.5, 1.0, 2.0, -0.75)
    letters = "wx" if seed % 3 else "x"  # without parameters the questions come at the leaves
    leaves = [Value(chance.choice(numbers), label=f"{chance.choice(letters)}{k}") for k in range(5)]
    nodes = list(leaves)
    names = map("q{}".format, count(1))
    while len(nodes) < 18:
        a, b = chance.sample(nodes, 2) if chance.random() < 0.9 else [chance.choice(nodes)] * 2
        if chance.random() < 0.6:
            made = chance.choice([a + b, a * b, a - b, maximum(a, b), a * chance.choice(numbers[2:5])])
        else:
            made = chance.choice((relu, tanh, sigmoid, abs, square))(a)
        made.label = next(names) if chance.random() < 0.5 else ""
        nodes.append(made)
    used = {parent for node in nodes for parent in node.parents}
    tops = [node for node in nodes if node.parents and node not in used]
    total = tops[0]
    for top in tops[1:]:
        total = total + top
    root = tanh(0.125 * total)
    root.label = "E"
    return root


@pytest.mark.parametrize("seed", [0, *(pytest.param(s, marks=pytest.mark.thorough) for s in range(1, 20))])
def test_exactly_the_right_options_are_accepted(read, tmp_path, seed):
    root = some_graph(seed)
    parameters = [node for node, role in roles(root).items() if role == "parameter"]
    reader = read(write_page(root, tmp_path / "page.html"))
    for view in ("quantities", "operations"):
        check(asked(reader, view), Right(root, view, parameters), {"node"})


@pytest.mark.thorough
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_documents_networks_are_asked_about_in_every_way(read, tmp_path, lang):
    example = EXAMPLES["two-output"]()
    reader = read(write_page(example.root, tmp_path / "page.html", lang=lang))
    for view in ("quantities", "operations"):
        order = topological_order(example.root)
        parameters = sorted(example.parameters, key=order.index)
        check(asked(reader, view), Right(example.root, view, parameters), {"node", "factor", "effect"})


KINKS = [
    ("relu(w)", 0.0, {"rises": "kink"}),
    ("relu(-w)", 0.0, {"stays": "0"}),
    ("abs(w)", 0.0, {"rises": "kink"}),
    ("-abs(w)", 0.0, {"falls": "kink"}),
    ("w*w", 0.0, {"rises": "closely", "stays": "closely"}),
    ("-(w*w)", 0.0, {"falls": "closely", "stays": "closely"}),
    ("w*w*w", 0.0, {"rises": "closely", "stays": "closely"}),
    ("0*w", 1.5, {"stays": "does not change"}),
    ("relu(w - 3)", 1.0, {"stays": "does not change"}),
    ("maximum(w, 0.5)", 0.5, {"rises": "kink"}),
    ("1/w", 4.0, {"falls": "negative, −0.0625"}),
    ("exp(w)", -30.0, {"rises": "positive"}),
]


def test_at_a_kink_and_where_the_gradient_is_0_the_truth_is_said(read, tmp_path):
    reader = read(playground("E = w*w", {"w": 1.0}).write(tmp_path / "page.html"))
    for formula, number, expected in KINKS:
        text = f"E = {formula}"
        reader.page.evaluate("(hash) => (location.hash = hash)", f"formula={quote(text)}&numbers=w={number}")
        reader.page.wait_for_function("(text) => document.querySelector('#formula').value === text", arg=text)
        options = asked(reader, "operations")[-2]
        accepted = {id: said for id, right, said in options if right}
        assert accepted.keys() == expected.keys(), formula
        assert all(word in accepted[id] for id, word in expected.items()), accepted
        assert all(right or said.startswith("Not so.") for _, right, said in options), options


def test_the_questions_on_ideas_go_by_the_keyboard(read, tmp_path):
    reader = read(write_page(EXAMPLES["shared-bias"]().root, tmp_path / "page.html"), "#step=1")
    reader.click("#quiz")
    reader.page.select_option("#kind", "ideas")
    focused = "document.activeElement.dataset.option"
    offered = reader.page.eval_on_selector_all("#options button", "all => all.map((button) => button.dataset.option)")
    reader.page.focus("#options button")
    for option in offered:
        assert reader.page.evaluate(focused) == option
        reader.press("Enter")
        if reader.page.evaluate("document.activeElement.id") == "next":
            break
        assert reader.page.inner_text("#verdict").startswith("Not so. ")
        assert reader.page.evaluate(focused) == option  # where it was, for whoever cannot see
        reader.press("Tab")
    assert reader.page.inner_text("#verdict").startswith("Right. Everything that ")
    assert not reader.page.is_visible("#question")
    reader.press("ArrowRight")
    assert reader.page.evaluate("document.activeElement.parentElement.id") == "options"
    reader.click("#give-up")
    assert reader.page.inner_text("#verdict").startswith("The answer: ")
    assert "of 2" in reader.page.inner_text("#score")


@pytest.mark.thorough
def test_a_wide_network_is_asked_about(read, tmp_path):
    x = [Value(0.5, label="x1"), Value(-1.0, label="x2")]
    root = nn.MLP(2, [4, 1])(x) - 1.0
    loss = square(root)
    reader = read(write_page(loss, tmp_path / "page.html"))
    parameters = [node for node, role in roles(loss).items() if role == "parameter"]
    check(asked(reader, "operations"), Right(loss, "operations", parameters), {"node", "factor", "effect"})
