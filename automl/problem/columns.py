"""The columns of a search: their kinds, their encoding, and what the checks say of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from automl.core.errors import DataError
from automl.core.finding import NOTE, WARNING, Finding, worst_first
from automl.core.modality import PART, Report
from automl.core.predictions import Answer
from automl.core.table import Table
from automl.data.checks import check_frame
from automl.data.columns.outcome import Outcome
from automl.data.layout import Layout
from automl.data.modalities import kind_named
from automl.model.file_numbers import learn_file_numbers, with_file_numbers
from automl.problem.fold_columns import ask_about_parts
from automl.problem.settings import Settings
from automl.problem.source import Source
from automl.problem.target_choice import ChosenTarget

if TYPE_CHECKING:
    import pandas as pd

_NO_CONCERN = re.compile("kept as text|predictions are in")


@dataclass(frozen=True)
class ExaminedColumns:
    """The inputs: how columns are encoded, all rows with a target so encoded, and findings on them."""

    layout: Layout
    table: Table
    findings: tuple[Finding, ...]


def examine_columns(source: Source, target: ChosenTarget, report: Report) -> ExaminedColumns:
    """Choose the kind of every column, encode and check them; copies of the target are left out.

    Raises
    ------
    DataError
        When no usable feature is left.
    UsageError
        For a column that says which rows train, and that no option names.
    """
    clean, task, settings = target.clean, target.task, source.settings
    frame = clean.frame
    exclude = (PART,) if source.split_given else ()
    ask_about_parts(frame.drop(columns=list(exclude)), settings)
    outcome = Outcome.of(clean.values, classes=task.answer is Answer.CLASSES)
    layout = infer_layout(frame, settings, exclude, outcome)
    table = source.refer(layout.encode(frame).table)
    dealt = not (settings.names_folds or source.split_given)
    findings = check_frame(frame, clean.values, task, layout, table=table, dealt=dealt)
    copies = [finding.column for finding in findings if finding.code == "target_copy" and finding.column]
    if copies:
        layout = infer_layout(frame, replace(settings, drop=(*settings.drop, *copies)), exclude, outcome)
        columns = (
            replace(column, reason="a copy of the target") if column.name in copies else column
            for column in layout.columns
        )
        layout = replace(layout, columns=tuple(columns))
        table = source.refer(layout.encode(frame).table)
    if not layout.features.kinds:
        copied = f" ({', '.join(map(repr, copies[:10]))} hold copies of the target)" if copies else ""
        raise DataError(
            "No usable feature is left: every column is constant, an id, a copy of the target, or was "
            f"dropped{copied}. Next: use --keep COLUMN or --kind COLUMN=KIND to keep one."
        )
    changed = [
        Finding("target", target.name, NOTE if _NO_CONCERN.search(note) else WARNING, note)
        for note in clean.notes
    ]
    layout = replace(
        layout.with_commas(source.read.commas),
        target_numbers=clean.numbers,
        label_words=source.read.label_words,
        missing=settings.missing,
    )
    findings = worst_first([*changed, *source.findings_on(frame, clean.values), *findings])
    if table.files and len(layout.features.kinds) > 1:
        layout = replace(layout, file_numbers=learn_file_numbers(table, report))
        table = with_file_numbers(table, layout.file_numbers)
    return ExaminedColumns(layout, table, findings)


def infer_layout(
    frame: pd.DataFrame, settings: Settings, exclude: tuple[str, ...] = (), outcome: Outcome | None = None
) -> Layout:
    """The columns of the training rows, as the settings have them; ``exclude`` are not inputs either."""
    return Layout.infer(
        frame,
        target=settings.target,
        kinds={column: kind_named(kind) for column, kind in settings.kinds.items()},
        drop=settings.drop,
        keep=settings.keep,
        exclude=tuple(
            column for column in (settings.group, settings.fold_column, settings.weight, *exclude) if column
        ),
        outcome=outcome,
    )
