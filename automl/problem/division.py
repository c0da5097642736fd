"""The rows of a search: those that are learned from, with their folds, and those that are scored once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError, UsageError, did_you_mean
from automl.core.finding import Finding
from automl.core.folds import RowNumbers, Split
from automl.core.modality import Report
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights, weights_of
from automl.data.checks.drift import check_drift
from automl.data.layout import Layout
from automl.data.repeats import find_repeats
from automl.data.target import clean_target
from automl.model.file_numbers import with_file_numbers
from automl.problem.columns import ExaminedColumns
from automl.problem.fold_columns import check_classes, explained, given_parts, plan_split
from automl.problem.fold_rules import SplitPlan, hold_out_test, make_split
from automl.problem.source import Source, judged_part, open_source, read_data
from automl.problem.target_choice import ChosenTarget
from automl.problem.weight_column import counted_rows, weights_in

if TYPE_CHECKING:
    import pandas as pd

_DEALS, _DEALS_OF_MANY, _OFTEN_BELOW = 6, 2, 10_000
_DRIFT_SECONDS = 20.0  # below, the second that the comparison with --test takes is left to the models


@dataclass(frozen=True, kw_only=True)
class TestPart:
    """Rows that nothing is chosen on; they are scored once, at the end.

    Attributes
    ----------
    source:
        Where they come from, for people.
    digest:
        Of their inputs and targets; of files by their contents.
    weights:
        Of these rows, on the scale of those that learn; None where each counts once.
    """

    __test__ = False  # not a test class, whatever pytest makes of the name

    table: Table
    target: Encoded
    source: str
    digest: str
    notes: tuple[str, ...] = ()
    weights: Weights | None = None


@dataclass(frozen=True, kw_only=True)
class DividedRows:
    """Rows to learn from and rows kept apart.

    Attributes
    ----------
    table, target:
        The rows that may be trained on or validated with.
    repeats:
        Other deals of the same rows.
    kept:
        Row numbers of ``table`` among the rows with a target; None for all of them.
    findings:
        On how the rows of ``--test`` differ.
    weights:
        Of the rows to learn from, with a mean of 1; None where each counts once.
    """

    table: Table
    target: Encoded
    split: Split
    repeats: tuple[Split, ...] = ()
    test: TestPart | None = None
    kept: RowNumbers | None = None
    findings: tuple[Finding, ...] = ()
    weights: Weights | None = None


def divide_rows(
    source: Source, target: ChosenTarget, columns: ExaminedColumns, report: Report
) -> DividedRows:
    """Keep rows apart that are scored once, deal the others into folds.

    Raises
    ------
    DataError
        For groups, folds or times that cannot be read, and test rows that do not fit.
    UsageError
        When options, or an option and the data, contradict each other.
    """
    settings, frame, task, table = source.settings, target.frame, target.task, columns.table
    parts = _parts(source, frame, task, target.encoded)
    repeats = find_repeats(table, columns.layout.plans)
    plan = plan_split(frame, table, repeats, settings, parts)
    plan = replace(plan, judged=judged_part(parts), weights=target.weights)
    given, kept, test = _test_of(parts), None, None
    findings: tuple[Finding, ...] = ()
    if settings.test is not None:
        if given is not None:
            raise UsageError("The data has a test part of its own: leave --test out, or move that part away.")
        if settings.holdout is not None:
            raise UsageError("Choose one of --test and --holdout: each gives the rows to score once.")
        test = _given_test(source, columns.layout, task, report)
        if settings.seconds is None or settings.seconds >= _DRIFT_SECONDS:
            findings = tuple(check_drift(columns.layout, table, test.table, seed=settings.seed))
    elif given is not None and settings.holdout is not None:
        raise UsageError("The data has a test part of its own: leave --holdout out, or move that part away.")
    elif (held := given or hold_out_test(target.encoded, task, plan)) is not None:
        kept, apart = held
        test = _kept_apart(
            source,
            table.take(apart),
            target.encoded[apart],
            weights_of(target.weights, apart),
            given=given is not None,
            of=len(target.encoded),
        )
    learned = target.encoded
    if kept is not None:
        table, learned, plan = table.take(kept), learned[kept], plan.take(kept)
    weights = plan.weights
    if weights is not None:
        unit = float(weights.mean())
        weights = weights / unit
        if test is not None and test.weights is not None:
            test = replace(test, weights=test.weights / unit)
    split = explained(make_split(learned, task, plan), plan, repeats)
    return DividedRows(
        table=table,
        target=learned,
        split=split,
        repeats=_repeats(split, learned, task, plan),
        test=test,
        kept=kept,
        findings=findings,
        weights=weights,
    )


def _parts(source: Source, frame: pd.DataFrame, task: Task, target: Encoded) -> npt.NDArray[Any] | None:
    """``train``, ``val`` or ``test`` per row, where folders or the column of ``--fold-column`` say so."""
    parts = source.parts(frame) if source.split_given else given_parts(frame, source.settings)
    check_classes(task.labels, target, parts)
    return parts


def _repeats(split: Split, target: Encoded, task: Task, plan: SplitPlan) -> tuple[Split, ...]:
    """The same rows dealt again, for members of the ensemble where time is left.

    Beside a single holdout that was drawn here, all of them train; one that the user gave stays as it is.
    """
    if split.scheme == "holdout" and plan.judged is None:
        return (split.whole,)
    if split.scheme not in ("folds", "groups") or len(split.folds) == 1:
        return ()
    deals = _DEALS if len(target) < _OFTEN_BELOW else _DEALS_OF_MANY
    return tuple(make_split(target, task, plan, repeat=number) for number in range(1, deals + 1))


def _given_test(source: Source, layout: Layout, task: Task, report: Report) -> TestPart:
    """The rows of ``--test``."""
    settings = replace(source.settings, source=source.settings.test)
    given = open_source(
        settings,
        lambda: read_data(settings, settings.source, layout, source.read.encoding),
        like=source.files,
        report=report,
    )
    frame, name = given.read.frame, layout.target_name
    if name not in frame.columns:
        raise DataError(f"--test has no column {name!r}. {did_you_mean(name, frame.columns)}")
    weight, noted = settings.weight, given.read.notes
    if weight is not None:
        if weight not in frame.columns:
            raise DataError(
                f"--test has no column {weight!r}, by which its rows are weighted. "
                f"{did_you_mean(weight, frame.columns)} Next: add it; 1 in every row, if all count alike."
            )
        counted = counted_rows(frame, weight, least=1)
        frame, noted = counted.frame, (*noted, *([counted.note] if counted.note else []))
    clean = clean_target(frame, name, task=task.name, judging=True, numbers=layout.target_numbers)
    what = str(settings.source) if isinstance(settings.source, str | Path) else "the test frame"
    table = with_file_numbers(given.refer(layout.encode(clean.frame).table), layout.file_numbers)
    target = task.encode(clean.values)
    notes = (note for note in noted if note not in source.read.notes)
    weights = None if weight is None else weights_in(clean.frame, weight)
    return TestPart(
        table=table,
        target=target,
        source=what,
        digest=given.contents(table).digest(_bytes_of(target, weights)),
        notes=tuple(f"{given.read.name}: {note}" for note in notes),
        weights=weights,
    )


def _bytes_of(target: Encoded, weights: Weights | None) -> bytes:
    return target.tobytes() if weights is None else target.tobytes() + weights.tobytes()


def _test_of(parts: npt.NDArray[Any] | None) -> tuple[RowNumbers, RowNumbers] | None:
    """``(rest, test)`` row numbers of a split that the data brings, or None."""
    if parts is None or not (parts == "test").any():
        return None
    return np.flatnonzero(parts != "test"), np.flatnonzero(parts == "test")


def _kept_apart(
    source: Source, table: Table, target: Encoded, weights: Weights | None, *, given: bool, of: int
) -> TestPart:
    """Rows of the data itself that no trial sees."""
    tenth = "a tenth" if source.settings.holdout is None else f"{table.rows / of:.0%}"
    share = f"{tenth} of the rows ({table.rows:,}), kept apart"
    what = f"the data's own test part ({table.rows:,} rows)" if given else share
    digest = source.contents(table).digest(_bytes_of(target, weights))
    return TestPart(table=table, target=target, source=what, digest=digest, weights=weights)
