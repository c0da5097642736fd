"""From the user's data to the problem that every trial shares, in five steps: see :func:`prepare`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from automl.core.finding import Finding, worst_first
from automl.core.folds import RowNumbers
from automl.core.modality import Report
from automl.core.task_choice import TaskChoice
from automl.core.tasks import Task
from automl.data.cells.row_numbers import row_numbers
from automl.data.files.readers import ReadTable
from automl.data.layout import Layout
from automl.problem.columns import ExaminedColumns, examine_columns
from automl.problem.division import DividedRows, TestPart, divide_rows
from automl.problem.problem import Problem
from automl.problem.settings import Settings
from automl.problem.source import Source, open_source, read_data
from automl.problem.target_choice import ChosenTarget, choose_target
from automl.problem.weight_column import described

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """All that the search needs to know of the data.

    Attributes
    ----------
    notes:
        Sentences on what was found, decided and dropped, for people.
    sample:
        A few raw rows, for signatures and latency.
    log_target:
        Whether fitting on the logarithm of the target is worth a trial.
    kept:
        Row numbers, among the usable rows of the data, of the problem's table; None for all of them.
    numbers:
        Of the usable rows in the file, from 1; None for rows with labels of the user's own.
    paths:
        Of the files of the problem's table (its first column of files), as the data names them, or None.
    weighting:
        The weights of the rows that learn, in one line; empty where each counts once.
    """

    problem: Problem
    layout: Layout
    target_name: str
    choice: TaskChoice
    test: TestPart | None
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]
    sample: pd.DataFrame
    digest: str
    rows: int
    log_target: bool
    kept: RowNumbers | None = None
    numbers: RowNumbers | None = None
    paths: npt.NDArray[np.object_] | None = None
    weighting: str = ""

    @property
    def task(self) -> Task:
        """The task: the meaning of the target."""
        return self.problem.task

    def noted(self, *notes: str) -> Prepared:
        """The same, with more notes for people."""
        return replace(self, notes=(*self.notes, *notes))

    @property
    def untouched_digest(self) -> str:
        """Of the rows that are scored once; empty without such rows."""
        return "" if self.test is None else self.test.digest


def prepare(
    settings: Settings,
    *,
    read: ReadTable | None = None,
    report: Report = lambda fraction, message: None,
) -> Prepared:
    """Read and check the data, choose task, folds and column kinds.

    Parameters
    ----------
    read:
        The data, where the caller has read it already.
    report:
        Told how far opening files is.

    Raises
    ------
    DataError
        When the data cannot be used; the message says where and what to do.
    UsageError
        When a column or metric that was named does not exist.
    """
    source = open_source(
        settings, lambda: read_data(settings, settings.source) if read is None else read, report=report
    )
    target = choose_target(source)
    columns = examine_columns(source, target, report)
    rows = divide_rows(source, target, columns, report)
    return _put_together(source, target, columns, rows)


def _put_together(
    source: Source, target: ChosenTarget, columns: ExaminedColumns, rows: DividedRows
) -> Prepared:
    frame, notes = target.frame, (*source.read.notes, *target.notes)
    data_digest = source.digest(frame)
    weighting, column = "", source.settings.weight
    if rows.weights is not None and column is not None:
        weighting = described(column, rows.weights)
    problem = Problem(
        table=rows.table,
        target=rows.target,
        task=target.task,
        split=rows.split,
        device=source.settings.device,
        repeats=rows.repeats,
        untouched=None if rows.test is None else rows.test.table,
        weights=rows.weights,
    )
    identity = (data_digest + problem.judging_digest).encode()
    return Prepared(
        problem=replace(problem, digest=hashlib.sha256(identity).hexdigest()),
        layout=columns.layout,
        target_name=target.name,
        choice=target.choice,
        test=rows.test,
        notes=notes if rows.test is None else (*notes, *rows.test.notes),
        findings=worst_first([*columns.findings, *rows.findings]),
        sample=frame[list(columns.layout.inputs)].head(1000),
        digest=data_digest,
        rows=len(frame),
        log_target=target.task.is_worth_a_logarithm(rows.target),
        kept=rows.kept,
        numbers=row_numbers(frame),
        paths=source.paths(frame, rows.kept),
        weighting=weighting,
    )
