"""The operations of an engine, one by one: which are there, their values, their local derivatives, what is wrong there.

Reads an examination, and adds to it what it finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from math import trunc
from typing import Any

from . import places, wrong_partials
from .cases import FUNCTIONS, Case, Form, agree, alone, forms, points, right
from .examination import Examination, Seen, Stop, named, plain_form, same, shown_form

EXPECTED = ("tanh", "relu", "exp", "log", "sigmoid")  # of the operations that have a name, those a class writes
_WITH_A_NUMBER = ("vn", "nv")
_HIDDEN = (AttributeError, AssertionError, NotImplementedError, TypeError)  # how an operation says that it is not there


def made(exam: Examination) -> None:
    """Find whether objects can be made, and keep what they are made with."""
    engine = exam.engine
    init = places.of_function(vars(engine.made).get("__init__"))
    try:
        leaf, other = engine.leaf(0.75), engine.leaf(0.75)
    except Exception as error:
        exam.add("class.make", "values", place=places.of_error(engine, error) or init, error=named(error))
        raise Stop from None
    for attribute in (engine.names.data, engine.names.backward):
        if not hasattr(leaf, attribute):
            exam.add("class.attribute", "values", place=init, name=attribute)
            raise Stop
    try:
        number = engine.data(leaf)
    except (TypeError, ValueError):
        exam.add("class.data", "values", place=init, got_text=repr(getattr(leaf, engine.names.data))[:60])
        raise Stop from None
    if not agree(number, 0.75):
        exam.add("class.rounds", "values", place=init, got_text=f"{number:g}")
        if number not in (trunc(0.75), round(0.75)):
            raise Stop
        engine.keeps = True
        leaf, other = engine.leaf(0.75), engine.leaf(0.75)
    if leaf is other:
        exam.add("class.shared", "graph", place=places.of_function(engine.made.__new__) or init)
        engine.cleans = exam.are_shared = True
        return
    if not hasattr(leaf, engine.names.grad):  # it may be there after backward alone
        with suppress(Exception):
            engine.backward(leaf + other)
        if not hasattr(leaf, engine.names.grad):
            exam.add("class.attribute", "values", place=init, name=engine.names.grad)
            raise Stop
        leaf, other = engine.leaf(0.75), engine.leaf(0.75)
    _shared_gradients(exam, leaf, other)
    start = getattr(leaf, engine.names.grad, None)
    if start is not None and not agree(engine.grad(leaf), 0.0):
        exam.add("class.start", "seed", place=init, got_text=f"{engine.grad(leaf):g}")
        engine.cleans = True
    if getattr(engine.made, "__hash__", None) is None:
        _without_hash(exam)


def _shared_gradients(exam: Examination, leaf: Any, other: Any) -> None:
    """Find whether a gradient that one object gets is another's as well, by writing one."""
    engine = exam.engine
    third = engine.leaf(0.25)
    before = getattr(leaf, engine.names.grad, None)
    try:
        setattr(leaf, engine.names.grad, 3.0)
        by_number, by_all = (agree(engine.grad(one), 3.0) for one in (other, third))
        setattr(leaf, engine.names.grad, before)
    except Exception:  # a gradient that cannot be written
        return
    if by_number:
        key = "graph.shared gradient" if by_all else "graph.shared by number"
        exam.add(key, "graph", place=places.of_gradient(engine))
        if not hasattr(leaf, "__dict__"):
            raise Stop
        exam.helped.enter_context(engine.gradients_of_their_own())


def _without_hash(exam: Examination) -> None:
    """Find whether the engine needs the hash that its class gave up by defining an equality."""
    engine = exam.engine
    try:
        joined = engine.leaf(0.5) + engine.leaf(0.7)
        engine.backward(joined + joined)
    except TypeError as error:
        if "unhashable" in str(error):
            equality = places.of_function(vars(engine.made).get("__eq__"))
            exam.add("graph.unhashable", "graph", place=equality, error=named(error))
            exam.helped.enter_context(engine.compared_by_identity())
    except Exception:  # what it is will be said where that operation is tried
        pass


def values(exam: Examination) -> None:
    """Try the value of every operation, in every form; keep the forms that are right."""
    for form in forms():
        if not exam.engine.has(form):
            is_expected = form.op not in FUNCTIONS or form.op in EXPECTED
            if is_expected and (form.kinds in ("v", "vv") or exam.engine.has(Form(form.op, "vv"))):
                exam.missing.append(shown_form(form))
            continue
        if not exam.engine.keeps or form.kinds not in _WITH_A_NUMBER:  # plain numbers are rounded out of our sight
            _value(exam, form)
    if not any(form.kinds == "vv" for form in exam.forms):
        exam.add("class.operations", "values", place=None)
        raise Stop


def _value(exam: Examination, form: Form) -> None:
    part = "numbers" if form.kinds in _WITH_A_NUMBER else "values"
    wrong = None
    for point in points(form):
        tried = alone(form, point)
        try:
            quantities = tried.record(exam.engine.leaf, exam.engine.functions)
        except Exception as error:
            _refused(exam, form, tried, error)
            return
        result = quantities["y"]
        if not isinstance(result, exam.engine.made):
            if form.op not in FUNCTIONS or form.kinds in ("v", "vv"):
                exam.add(
                    "value.kind", part, place=places.of_operation(exam.engine, form), form=shown_form(form),
                    kind=type(result).__name__, got=None,
                )  # fmt: skip
                exam.score(part, False)
            return
        try:
            number = exam.engine.data(result)
        except (TypeError, ValueError):  # a power of a negative number is complex
            number = float("nan")
        if not agree(number, right(tried).values["y"]):
            wrong = wrong or (tried, point, quantities)
    if wrong is None:
        exam.forms.append(form)
        exam.score(part, True)
        return
    tried, point, quantities = wrong
    if form.op in FUNCTIONS and form.op not in EXPECTED and form.op not in ("sqrt", "sin", "cos", "tan", "abs"):
        return  # another slope, or something else by this name
    exam.score(part, False)
    plain = Form(form.op, "vv")
    is_plain_wrong = plain not in exam.forms and exam.engine.has(plain)
    if _is_made_of_wrong(exam, tried, form) or (form.kinds == "vn" and is_plain_wrong):
        return
    got = {name: exam.engine.data(quantity) for name, quantity in quantities.items()}
    swapped = "nv" if form.kinds == "nv" else ""
    if len(point) == 2 and all(_gives_swapped(exam, form, at) for at in points(form)):
        key = "value.reflected" if swapped else "value.swapped"
    else:
        key = "value.wrong"
    place = places.of_operation(exam.engine, form)
    exam.add(key, part, tried, place, of_values=True, got=got, form=shown_form(form))


def _gives_swapped(exam: Examination, form: Form, point: tuple[float, ...]) -> bool:
    try:
        quantities = alone(form, point).record(exam.engine.leaf, exam.engine.functions)
        return agree(exam.engine.data(quantities["y"]), wrong_partials.rule_value(form.rule, point[::-1]))
    except Exception:
        return False


def _is_made_of_wrong(exam: Examination, tried: Case, form: Form) -> bool:
    """Tell whether the engine makes a value of other operations of its own, one of which is wrong itself."""
    for call in exam.engine.recorded(tried).calls:
        numbers = [
            exam.engine.data(operand) if isinstance(operand, exam.engine.made) else float(operand)
            for operand in call.operands
        ]
        try:
            expected = wrong_partials.rule_value(call.form.rule, tuple(numbers))
        except (ArithmeticError, TypeError, ValueError):
            continue
        if call.form != form and not agree(exam.engine.data(call.result), expected):
            return True
    return False


def _refused(exam: Examination, form: Form, tried: Case, error: Exception) -> None:
    part = "numbers" if form.kinds in _WITH_A_NUMBER else "values"
    plain = Form(form.op, "vv")
    if form.op in FUNCTIONS and form.kinds in _WITH_A_NUMBER:
        return
    if isinstance(error, NotImplementedError) or (
        form.op == "pow" and form.kinds != "vn" and isinstance(error, _HIDDEN)
    ):
        exam.missing.append(shown_form(form))
        return
    exam.score(part, False)
    place = places.of_error(exam.engine, error) or places.of_operation(exam.engine, form)
    if form.kinds == "nv" and plain in exam.forms:
        own = exam.engine.method(form)
        said = {finding.values.get("error") for finding in exam.found if finding.part == "numbers"}
        if own is None or named(error) not in said:
            exam.add("numbers.reflected", part, tried, place, form=shown_form(form), error=named(error))
    elif form.kinds == "vn" and plain in exam.forms:
        exam.add("numbers.refused", part, tried, place, form=shown_form(form), error=named(error))
    elif form.kinds == "vn" and form.op != "pow":
        return  # the form with two values was refused already
    elif form.kinds != "nv":
        exam.add("value.raises", part, tried, place, form=shown_form(form), error=named(error))


def seed(exam: Examination) -> None:
    """Find whether backward starts with 1 at the root, and help it where it does not."""
    cases = [alone(form, points(form)[0]) for form in exam.forms]
    if _nothing_arrives(exam, cases):
        errors = [seen for seen in map(exam.see, cases) if isinstance(seen, Exception)]
        if len(errors) == len(cases):
            place = places.of_error(exam.engine, errors[0]) or places.of_backward(exam.engine)
            exam.add("backward.raises", "seed", cases[0], place, error=named(errors[0]))
            raise Stop
        first = next(case for case in cases if not isinstance(exam.see(case), Exception))
        without = exam.see(first)
        assert isinstance(without, Seen)
        exam._seen.clear()
        exam.engine.seeds = True
        helped = not _nothing_arrives(exam, cases)
        key = "seed.missing" if helped else "backward.nothing"
        exam.add(key, "seed", first, places.of_backward(exam.engine), got=without.gradients)
        exam.score("seed", False)
        if not helped:
            raise Stop
        return
    starts = [(seen.values["y"], seen.gradients["y"]) for seen in map(exam.see, cases) if isinstance(seen, Seen)]
    if all(agree(start, 1.0) or agree(start, 0.0) for _, start in starts):
        exam.score("seed", True)
        return
    exam.score("seed", False)
    if all(agree(value, start) for value, start in starts):
        exam.habits = exam.habits._replace(seed=None)
        exam.add("seed.data", "seed", cases[0], places.of_backward(exam.engine))
    elif all(agree(starts[0][1], start) for _, start in starts):
        exam.habits = exam.habits._replace(seed=starts[0][1])
        exam.add("seed.other", "seed", cases[0], places.of_backward(exam.engine), start=f"{starts[0][1]:g}")


def _nothing_arrives(exam: Examination, cases: Sequence[Case]) -> bool:
    """Tell whether in most cases no gradient reaches a leaf; an operation may bring one about by a bug of its own."""
    seen = [(case, exam.see(case)) for case in cases]
    arrives = [
        any(found.gradients[name] for name, _ in case.leaves)
        for case, found in seen
        if not isinstance(found, Exception)
    ]
    return 2 * sum(arrives) <= len(arrives)


def derivatives(exam: Examination) -> None:
    """Measure each local derivative that the engine records itself, and name the slip where one is wrong."""
    wrong: list[Form] = []
    measured: list[tuple[float, float]] = []
    raised: list[Form] = []
    for form in exam.forms:
        cases = [alone(form, point) for point in points(form)]
        errors = [seen for seen in map(exam.see, cases) if isinstance(seen, Exception)]
        if errors:
            place = places.of_error(exam.engine, errors[0]) or places.of_operand(exam.engine, form, 0)
            exam.add("derivative.raises", "derivatives", cases[0], place, form=shown_form(form), error=named(errors[0]))
            exam.score("derivatives", False)
            raised.append(form)
            continue
        calls = exam.engine.recorded(cases[0]).calls
        if len(calls) == 1 and calls[0].form == form:
            exam.primitive.append(form)
            for point, case in zip(points(form), cases):
                given = exam.local(form, point)
                measured += [
                    (given[slot], right(case).gradients[name])
                    for slot, name in enumerate("ab"[: len(given)])
                    if form.kinds[slot] == "v"
                ]
            if not _locals_are_right(exam, form):
                wrong.append(form)
            exam.score("derivatives", form not in wrong)
    exam.forms = [form for form in exam.forms if form not in raised]
    if len(wrong) > 1 and all(agree(got, trunc(true)) for got, true in measured):
        shown = alone(wrong[0], points(wrong[0])[0])
        exam.add("derivative.whole", "derivatives", shown, places.of_backward(exam.engine))
        exam.habits = exam.habits._replace(whole=True)
        exam._graphs.clear()
        return
    for form in wrong:
        _name_slip(exam, form)


def _locals_are_right(exam: Examination, form: Form) -> bool:
    return all(
        agree(given, right(alone(form, point)).gradients[name])
        for point in points(form)
        for name, kind, given in zip("ab", form.kinds, exam.local(form, point))
        if kind == "v"
    )


def _name_slip(exam: Examination, form: Form) -> None:
    at = points(form)
    given = [exam.local(form, point) for point in at]
    true = [wrong_partials.rule_partials(form.rule, point) for point in at]
    shown = next(
        alone(form, point)
        for point, got, expected in zip(at, given, true)
        if not all(agree(one, other) for one, other, kind in zip(got, expected, form.kinds) if kind == "v")
    )
    own = [slot for slot, kind in enumerate(form.kinds) if kind == "v"]

    def add(key: str, slot: int, **values: str) -> None:
        place = places.of_operand(exam.engine, form, slot)
        exam.add(key, "derivatives", shown, place, form=plain_form(form), operand="ab"[slot], **values)

    if all(agree(got[slot], expected[slot] + 1) for got, expected in zip(given, true) for slot in own):
        exam.habits = exam.habits._replace(upstream={**exam.habits.upstream, form: "added"})
        add("upstream.added", own[0])
        return
    for slot in own if len(form.kinds) == 2 else ():
        if all(agree(got[slot], sum(expected)) and not got[1 - slot] for got, expected in zip(given, true)):
            values = {"form": plain_form(form), "operand": "ab"[1 - slot], "other": "ab"[slot]}
            place = places.of_receiver(exam.engine, form, slot)
            exam.add("derivative.receiver", "derivatives", shown, place, **values)
            return
    if form.kinds == "vv" and all(
        agree(got[0], expected[1]) and agree(got[1], expected[0]) for got, expected in zip(given, true)
    ):
        add("derivative.swapped", 0)
        return
    for slot in own:
        observed = [(point, got[slot]) for point, got in zip(at, given)]
        if all(agree(number, expected[slot]) for (_, number), expected in zip(observed, true)):
            continue
        formulas = {"right": wrong_partials.shown(form.op, form.rule.partials[slot], at[0])}
        slip = wrong_partials.find(form.op, slot, observed)
        if slip is None:
            add("derivative.wrong", slot, **formulas)
        else:
            add(f"derivative.{slip.kind}", slot, **formulas, fits=wrong_partials.shown(form.op, slip.formula, at[0]))


def whole_numbers(exam: Examination) -> None:
    """Find operations that go wrong with whole numbers alone."""
    for form in exam.forms:
        numbers = (3, 2)[: len(form.rule.partials)]
        shown = alone(form, tuple(map(float, numbers)))
        if not exam.is_right(shown):
            continue
        whole = Case(shown.text, tuple((name, int(number)) for name, number in shown.leaves), shown.roots)
        seen = exam.see(whole)
        if isinstance(seen, Exception):
            place = places.of_error(exam.engine, seen) or places.of_operation(exam.engine, form)
            exam.add("numbers.whole raises", "numbers", whole, place, form=shown_form(form), error=named(seen))
        elif not agree(seen.values["y"], right(shown).values["y"]):
            place = places.of_operation(exam.engine, form)
            exam.add("numbers.whole", "numbers", whole, place, of_values=True, form=shown_form(form))
        elif not same({name: right(shown).gradients[name] for name, _ in shown.leaves}, seen.gradients):
            place = places.of_operand(exam.engine, form, form.kinds.index("v"))
            exam.add("numbers.whole", "numbers", whole, place, form=shown_form(form))
        else:
            exam.score("numbers", True)
            continue
        exam.score("numbers", False)
