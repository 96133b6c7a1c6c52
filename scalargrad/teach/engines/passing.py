"""The backward pass of an engine: how contributions come together, in what order, and what stays from pass to pass.

Reads an examination in which the operations have been measured, and adds to it what it finds. A bug is named when a
pass that has it gives every number that the engine gave.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...engine import Value, topological_order
from ...graph.chain_rule import backward
from ..passes import EVERY_ORDER, Habits
from . import places
from .cases import DEPTH, EQUAL, STRUCTURES, TWICE, Case, Form, agree, alone, below, beside, points, right, twice
from .examination import Examination, named, plain_form, same, shown_form
from .wrong_partials import rule_partials


def _outers(exam: Examination) -> list[Form]:
    """List the operations that can stand at the root of a larger graph: both operands get something from them."""
    likely = [Form(op, "vv") for op in ("mul", "add", "div", "sub")]
    return [form for form in likely if form in exam.primitive and all(exam.local(form, (0.9, 2.5)))]


def upstream(exam: Examination) -> None:
    """Find operations that leave the upstream gradient out."""
    for form in exam.primitive:
        outer = next((outer for outer in _outers(exam) if not agree(exam.local(outer, (0.9, 2.5))[0], 1.0)), None)
        point = next((point for point in points(form) if any(exam.local(form, point))), None)
        if outer is None or point is None or form in exam.habits.upstream:
            continue
        tried = below(form, point, outer)
        missing = exam.habits._replace(upstream={**exam.habits.upstream, form: "missing"})
        if not exam.explains(exam.habits, tried) and exam.explains(missing, tried):
            exam.habits = missing
            place = places.of_operand(exam.engine, form, form.kinds.index("v"))
            exam.add("upstream.missing", "derivatives", tried, place, form=plain_form(form))


def equality(exam: Examination) -> None:
    """Find whether nodes with equal numbers count as one, where the class says that they are equal."""
    merging = exam.habits._replace(by_value=True)
    one, other = exam.engine.leaf(0.3), exam.engine.leaf(0.3)
    try:
        are_one = bool(one == other) and hash(one) == hash(other)
    except Exception:  # some other comparison, or no hash
        return
    cases = [equal for equal, _ in EQUAL]
    if are_one and all(exam.explains(merging, case) for case in cases):
        exam.habits = merging


def accumulation(exam: Examination) -> None:
    """Find where `=` stands in the place of `+=`."""
    tried: dict[tuple[Form, int], Case] = {}
    assigned = set()
    for form in exam.primitive:
        for slot in (slot for slot, kind in enumerate(form.kinds) if kind == "v"):
            habits = exam.habits._replace(assigned=frozenset({(form, slot)}))
            shown = _telling(exam, form, slot, habits)
            if shown is None:
                continue
            tried[form, slot] = shown
            is_assigned = not exam.explains(exam.habits, shown) and exam.explains(habits, shown)
            exam.score("accumulation", not is_assigned)
            if is_assigned:
                assigned.add((form, slot))
    if not assigned:
        return
    exam.habits = exam.habits._replace(assigned=frozenset(assigned))
    if assigned == tried.keys() and len({form.op for form, _ in assigned}) > 1:
        smallest = [*(twice(form, 1.5) for form, _ in tried if form.kinds == "vv"), *tried.values()]
        shown = exam.first_wrong(smallest) or smallest[0]
        exam.add("accumulation.everywhere", "accumulation", shown, places.of_assignment(exam.engine))
        return
    for form, slot in sorted(assigned, key=list(tried).index):
        place = places.of_operand(exam.engine, form, slot)
        values = {"form": plain_form(form), "operand": "ab"[slot]}
        exam.add("accumulation.one", "accumulation", tried[form, slot], place, **values)


def _telling(exam: Examination, form: Form, slot: int, assigned: Habits) -> Case | None:
    """Choose a graph that tells assignment from addition, and both from a pass that comes to the leaves first."""
    backwards = exam.habits._replace(order="not reversed")
    for outer in _outers(exam):
        for point in points(form):
            shown = beside(form, point, "ab"[slot], outer)
            given = [next(exam.predictions(shown, habits)) for habits in (assigned, exam.habits, backwards)]
            if not same(given[0], given[1]) and not same(given[0], given[2]):
                return shown
    return None


def repeats(exam: Examination) -> None:
    """Find whether an operand counts once where it stands twice."""
    for form in exam.primitive:
        if form.op not in ("mul", "add") or form.kinds != "vv" or exam.are_shared:
            continue
        tried = twice(form, 1.5)
        halves = exam.local(form, (1.5, 1.5))
        seen = exam.see(tried)
        if isinstance(seen, Exception) or exam.explains(exam.habits, tried):
            continue
        if exam.habits.assigned and any(agree(seen.gradients["a"], half) for half in halves):
            continue  # the one that came last stays
        for which in ("first", "last"):
            changed = exam.habits._replace(repeats=which)
            if exam.explains(changed, tried):
                exam.habits = changed
                own = places.is_in_operations(exam.engine, form)
                place = places.of_operand(exam.engine, form, 0) if own else places.of_backward(exam.engine)
                exam.add("graph.repeats", "graph", tried, place, form=form.written("x", "x"))
                break


def _structures(exam: Examination) -> list[Case]:
    able = {form.op for form in exam.forms if form.kinds == "vv"}
    needed = {"+": "add", "*": "mul"}
    return [case for case in STRUCTURES if all(op in able for sign, op in needed.items() if f" {sign} " in case.text)]


def _raises(exam: Examination, cases: Iterable[Case]) -> bool:
    for case in cases:
        if isinstance(error := exam.see(case), Exception):
            place = places.of_error(exam.engine, error) or places.of_backward(exam.engine)
            exam.add("backward.graph raises", "order", case, place, error=named(error))
            return True
    return False


def order(exam: Examination) -> None:
    """Find in which order the pass goes."""
    cases = _structures(exam)
    if _raises(exam, cases):
        exam.score("order", False)
        return
    if all(exam.explains(exam.habits, case) for case in cases):
        for _ in cases:
            exam.score("order", True)
        return
    for tried in EVERY_ORDER[1:]:
        changed = exam.habits._replace(order=tried)
        if all(exam.explains(changed, case) for case in cases):
            shown = _shortest(exam, Habits(order=tried), cases)
            exam.habits = changed
            # the same visits, but for which operand comes first: the numbers cannot tell, the source can
            named_order = "visited forgotten" if tried == "recursion" and places.reverses(exam.engine) else tried
            exam.add(f"order.{named_order}", "order", shown, places.of_backward(exam.engine))
            break
    for case in cases:
        exam.score("order", exam.is_right(case))


def _shortest(exam: Examination, habits: Habits, cases: Sequence[Case]) -> Case | None:
    """Give the first case on which these habits make a difference, and the engine's gradients are wrong."""
    for case in cases:
        usual = next(exam.predictions(case, Habits()))
        if not exam.is_right(case) and not all(same(given, usual) for given in exam.predictions(case, habits)):
            return case
    return exam.first_wrong(cases)


def passes(exam: Examination) -> None:
    """Find what a second pass does with what the first one left."""
    cases = [case for case in TWICE if "add" in {form.op for form in exam.forms} or "+" not in case.text]
    if _raises(exam, cases):
        return
    if all(exam.explains(exam.habits, case) for case in cases):
        for _ in cases:
            exam.score("passes", True)
    else:
        for between in ("kept", "seed added", "reset", "used up", "all used up"):
            changed = exam.habits._replace(between=between)
            if all(exam.explains(changed, case) for case in cases):
                shown = _shortest(exam, Habits(between=between), cases)
                exam.habits = changed
                kept = between == "kept"  # as in micrograd
                exam.add(
                    f"passes.{between.removeprefix('all ')}",
                    "passes",
                    shown,
                    places.of_backward(exam.engine),
                    is_limit=kept,
                )
                exam.score("passes", kept)
                break
    _numbers_stay(exam, cases)


def _numbers_stay(exam: Examination, cases: Iterable[Case]) -> None:
    """Find whether backward changes the numbers of the graph."""
    for case in cases:
        seen = exam.see(case)
        if isinstance(seen, Exception):
            continue
        if not same(seen.values, seen.values_after):
            place = places.of_backward(exam.engine)
            exam.add("graph.data", "graph", case, place, of_values=True, got=seen.values_after)
            exam.score("graph", False)
            return
    exam.score("graph", True)


def equal_numbers(exam: Examination) -> None:
    """Say of equal numbers that they make a difference, where they do."""
    if exam.are_shared:
        return
    usual = exam.habits._replace(by_value=False)
    for equal, distinct in EQUAL:
        if isinstance(error := exam.see(equal), Exception) and not isinstance(exam.see(distinct), Exception):
            exam.add("graph.equality raises", "graph", equal, places.of_error(exam.engine, error), error=named(error))
            return
        if exam.explains(usual, distinct) and not exam.explains(usual, equal):
            equality = vars(exam.engine.made).get("__eq__")
            exam.add("graph.equality", "graph", equal, places.of_function(equality) or places.of_backward(exam.engine))
            exam.score("graph", False)
            return
    exam.score("graph", True)


def rest(exam: Examination) -> None:
    """Say of every wrong number that nothing found so far explains that it is wrong."""
    for form in exam.forms:
        for point in points(form):
            tried = alone(form, point)
            if exam.is_right(tried) or isinstance(exam.see(tried), Exception):
                continue
            if form in exam.primitive or _is_explained(exam, tried):
                break
            exam.score("derivatives", False)
            place = places.of_operation(exam.engine, form)
            exam.add("derivative.composed", "derivatives", tried, place, form=shown_form(form))
            break
        else:
            if form not in exam.primitive:
                exam.score("derivatives", True)
    others = [case for case in exam._seen if len(case.statements) > 1 or len(case.leaves) < 2]
    for tried in others:
        if isinstance(exam.see(tried), Exception) or exam.is_right(tried) or _is_shown_equal(exam, tried):
            continue
        if not exam.explains(exam.habits, tried):
            exam.add("backward.wrong", "order", tried, places.of_backward(exam.engine))
            return


def _is_shown_equal(exam: Examination, tried: Case) -> bool:
    return any(finding.case == tried for finding in exam.found) or any(
        tried == equal and finding.key == "graph.equality" for equal, _ in EQUAL for finding in exam.found
    )


def _is_explained(exam: Examination, tried: Case) -> bool:
    """Tell whether the pass explains a composed operation, and right local derivatives would make it right."""
    if not exam.explains(exam.habits, tried):
        return False
    graph = exam.graph(tried)

    def edges(node: Value) -> list[tuple[Value, float]]:
        if node not in graph.forms:
            return []
        numbers = tuple(parent.data for parent in node.parents)
        return list(zip(node.parents, rule_partials(graph.forms[node].rule, numbers)))

    true = backward(topological_order(graph.nodes["y"]), edges)
    return same({name: true.get(graph.nodes[name], 0.0) for name, _ in tried.leaves}, right(tried).gradients)


def depth(exam: Examination) -> None:
    """Run backward over a chain that is deeper than recursion can go."""
    step = next((Form(op, "vv") for op in ("add", "mul") if Form(op, "vv") in exam.forms), None)
    if step is None:
        return
    start, other = exam.engine.leaf(0.5), exam.engine.leaf(1.0)
    end = start
    join: Callable[[Any, Any], Any] = (lambda a, b: a + b) if step.op == "add" else (lambda a, b: a * b)
    try:
        for _ in range(DEPTH):
            end = join(end, other)
        exam.engine.backward(end)
    except RecursionError as error:
        place = places.of_error(exam.engine, error) or places.of_backward(exam.engine)
        exam.add("depth.recursion", "depth", None, place, depth=str(DEPTH), is_limit=True)
        return
    except Exception as error:
        place = places.of_error(exam.engine, error)
        exam.add("depth.raises", "depth", None, place, depth=str(DEPTH), error=named(error))
        exam.score("depth", False)
        return
    exam.score("depth", True)
