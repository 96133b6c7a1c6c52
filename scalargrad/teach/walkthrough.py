"""The documents' worked example as one text: both passes, the update, the second forward pass, the slips.

Reads the examples and the reports of the passes.
"""

from textwrap import fill

from ..explain.reporting import WIDTH, backward_text, forward_text, number_text
from ..graph.tracing import trace
from .examples import DOCUMENT_FORMS, SHARED_BIAS_PATHS, SLIPS, Step, evaluate

TITLES = {
    "two-output": "Two inputs, two hidden neurons, two outputs",
    "shared-bias": "Two inputs, one hidden neuron, two outputs that share the bias b2",
}


def walkthrough(step: Step, digits: int = 8) -> str:
    """Write one complete step of an example, with `digits` decimals, at most 80 columns wide."""
    example = step.before
    record = trace(example.root, "quantities")
    loss = example.root.label
    first, second = step.first_forward[loss], step.second_forward[loss]
    parts = [
        f"{TITLES[example.name]}.\n"
        f"Sigmoid neurons, E = 1/2 (y - out)^2 for each output, learning rate {example.learning_rate:g}.",
        _headed("1. Forward pass", forward_text(record, digits)),
        _headed("2. Backward pass: upstream x local = contribution", backward_text(record, digits)),
        _headed(
            "3. Update: after = before - learning rate x gradient",
            _parameter_table(step, digits),
            fill(
                "The closed forms are the document's formulas with these numbers put in. Where it gives none, because "
                "it does not name the parameter, the same pattern holds, marked *.",
                WIDTH - 2,
                initial_indent="  ",
                subsequent_indent="  ",
            )
            if set(example.closed_forms) - set(DOCUMENT_FORMS)
            else "",
            _bias_by_path(step, digits) if example.name == "shared-bias" else "",
        ),
        _headed(
            "4. Second forward pass",
            forward_text(trace(step.after.root, "quantities"), digits),
            f"  {loss}: {number_text(first, digits)} before, {number_text(second, digits)} after one step",
        ),
        _headed(
            "5. Where the document slips",
            *(
                fill(slip.statement, WIDTH - 2, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)
                for slip in SLIPS
                if example.name in slip.networks
            ),
        ),
    ]
    return "\n\n\n".join(parts) + "\n"


def _headed(heading: str, *paragraphs: str) -> str:
    return "\n\n".join([f"{heading}\n{'-' * len(heading)}", *filter(None, paragraphs)])


def _parameter_table(step: Step, digits: int) -> str:
    example = step.before
    numbers = example.numbers()
    rows: list[tuple[str, ...]] = [("", "before", "closed form", "engine", "after")]
    for parameter in example.parameters:
        label = parameter.label
        mark = "" if label in DOCUMENT_FORMS else "*"
        closed_form = evaluate(example.closed_forms[label], numbers)
        columns = (parameter.data, closed_form, step.gradients[label], step.updated[label])
        rows.append((label + mark, *(f"{number:.{digits}f}" for number in columns)))
    widths = [max(map(len, column)) for column in zip(*rows)]
    above = f"  {'':{widths[0]}}  {'':>{widths[1]}}  {'gradient':^{widths[2] + 2 + widths[3]}}".rstrip()
    lines = ["  ".join([f"  {row[0]:{widths[0]}}", *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([above, *lines])


def _bias_by_path(step: Step, digits: int) -> str:
    """Say what each path adds to the gradient of b2, where both outputs share it."""
    numbers = step.before.numbers()
    written = {output: number_text(evaluate(form, numbers), digits) for output, form in SHARED_BIAS_PATHS.items()}
    return f"  d{step.before.root.label}/db2 = " + " + ".join(
        f"{number} (through {output})" for output, number in written.items()
    )
