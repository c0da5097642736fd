"""Some predictions of the report, explained one by one."""

from __future__ import annotations

from automl.core.text import score_text, signed_text
from automl.report.facts.single_rows import SingleRow
from automl.report.facts.subject import Subject
from automl.report.figures.single_rows import contributions_plot
from automl.report.sections.markup import Markup, picture, section, table, tag


def predictions_section(subject: Subject) -> Markup:
    """Bars and numbers of the rows that were explained; nothing without any."""
    if not subject.single_rows:
        return Markup("")
    how = (
        "A column's contribution is the change of the held-out prediction when typical values of it are "
        "replaced by the row's own, averaged over random orders of the columns (Shapley values). With the "
        "prediction for typical values alone, they add up to the prediction. Blue bars raise it, orange ones "
        "lower it; the lines are two standard errors of sampling to both sides. They describe "
        "this model, not causes."
    )
    plots = [_picture(number, row) for number, row in enumerate(subject.single_rows)]
    rows = [
        (row.title if not place else "", name, cell, signed_text(value, 3), f"{error:.1g}")
        for row in subject.single_rows
        for place, (name, cell, value, error) in enumerate(
            zip(row.names, row.cells, row.contributions.values, row.contributions.errors, strict=True)
        )
    ]
    head = ("row", "column", "value", "contribution", "standard error")
    numbers = tag("details", tag("summary", "As a table"), table(head, rows, words=(0, 1, 2)))
    name = subject.name
    more = tag("p", "For rows of your own: ", tag("code", f"automl explain {name} FILE"), ".", class_="muted")
    return section(
        "predictions",
        "Single predictions",
        tag("p", how, class_="muted"),
        tag("div", *plots, class_="plots"),
        numbers,
        more,
    )


def _explained(row: SingleRow) -> str:
    """The number that the contributions add up to; says so where only a part of the ensemble predicts it."""
    made = row.contributions
    explained, typical = score_text(made.prediction, 3), score_text(made.base, 3)
    if not row.is_whole:
        return (
            f"Explained is the {row.unit} by the models of the ensemble that were kept and did not train on "
            f"this row, {explained}; for typical values it is {typical}."
        )
    if row.is_number:
        return f"For typical values the prediction is {typical}."
    return f"The {row.unit} is {explained}; for typical values it is {typical}."


def _picture(number: int, row: SingleRow) -> Markup:
    words = f"{row.title}: row {row.number:,}, true {row.truth}, predicted {row.answer}. {_explained(row)}"
    strongest = f"{row.names[0]} = {row.cells[0]}" if row.names else "nothing"
    alt = f"Bar chart of contributions. {words} The largest is that of {strongest}."
    return picture(contributions_plot(row), f"contributions-{number}", alt=alt, caption=words)
