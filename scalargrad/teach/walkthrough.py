"""The documents' worked example as one text: both passes, the update, the second forward pass, the slips.

Reads the examples and the reports of the passes.
"""

from ..explain.reporting import backward_text, forward_text, number_text
from ..formulas.terminal import columns, paragraph, table, widths
from ..graph.tracing import trace
from ..messages import say
from .examples import DOCUMENT_FORMS, SHARED_BIAS_PATHS, SLIPS, Step, evaluate


def walkthrough(step: Step, decimals: int = 8, lang: str = "en") -> str:
    """Write one complete step of an example, with so many decimals, at most 80 columns wide, in a language."""
    example = step.before
    record = trace(example.root, "quantities")
    loss = example.root.label
    first, second = (number_text(numbers[loss], decimals) for numbers in (step.first_forward, step.second_forward))
    has_own_names = set(example.closed_forms) - set(DOCUMENT_FORMS)
    parts = [
        say("walkthrough", example.name, lang)
        + "\n"
        + say("walkthrough", "setting", lang, rate=f"{example.learning_rate:g}"),
        _headed("forward", lang, forward_text(record, decimals)),
        _headed("backward", lang, backward_text(record, decimals, lang)),
        _headed(
            "update",
            lang,
            _parameter_table(step, decimals, lang),
            paragraph(say("walkthrough", "closed forms", lang), "  ", "  ") if has_own_names else "",
            _bias_by_path(step, decimals, lang) if example.name == "shared-bias" else "",
        ),
        _headed(
            "again",
            lang,
            forward_text(trace(step.after.root, "quantities"), decimals),
            "  " + say("walkthrough", "losses", lang, loss=loss, first=first, second=second),
        ),
        _headed(
            "slips",
            lang,
            *(paragraph(slip.statement(lang), "  - ", "    ") for slip in SLIPS if example.name in slip.networks),
        ),
    ]
    return "\n\n\n".join(parts) + "\n"


def _headed(key: str, lang: str, *paragraphs: str) -> str:
    heading = say("walkthrough", key, lang)
    return "\n\n".join([f"{heading}\n{'-' * columns(heading)}", *filter(None, paragraphs)])


def _parameter_table(step: Step, decimals: int, lang: str) -> str:
    example = step.before
    numbers = example.numbers()
    titles = [say("walkthrough", key, lang) for key in ("before", "closed form", "engine", "after")]
    rows: list[tuple[str, ...]] = [("", *titles)]
    for parameter in example.parameters:
        label = parameter.label
        mark = "" if label in DOCUMENT_FORMS else "*"
        closed_form = evaluate(example.closed_forms[label], numbers)
        shown = (parameter.data, closed_form, step.gradients[label], step.updated[label])
        rows.append((label + mark, *(f"{number:.{decimals}f}" for number in shown)))
    gradient = say("walkthrough", "gradient", lang)
    name, before, closed, engine, _ = widths(rows)
    above = " " * (name + before + 4 + (closed + 2 + engine - columns(gradient)) // 2) + gradient
    return "\n".join(f"  {line}" for line in [above, *table(rows, "<>>>>")])


def _bias_by_path(step: Step, decimals: int, lang: str) -> str:
    """Say what each path adds to the gradient of b2, where both outputs share it."""
    numbers = step.before.numbers()
    written = {output: number_text(evaluate(form, numbers), decimals) for output, form in SHARED_BIAS_PATHS.items()}
    return f"  d{step.before.root.label}/db2 = " + " + ".join(
        say("walkthrough", "through", lang, number=number, output=output) for output, number in written.items()
    )
