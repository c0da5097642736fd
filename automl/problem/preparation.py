"""From the user's data to the problem that every trial shares: read, check, split, encode."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError, UsageError, did_you_mean
from automl.core.finding import NOTE, WARNING, Finding, worst_first
from automl.core.folds import RowNumbers, Split
from automl.core.metrics import METRICS, Metric
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task, TaskChoice, choose_task
from automl.data.cells.missing import LabelColumn
from automl.data.cells.row_numbers import row_number
from automl.data.checks import check_frame
from automl.data.checks.drift import check_drift
from automl.data.columns.outcome import Outcome
from automl.data.digest import frame_digest
from automl.data.files.readers import ReadTable, read_table
from automl.data.images.table import PART, table_digest
from automl.data.layout import Layout
from automl.data.repeats import find_repeats
from automl.data.target import CleanTarget, clean_target
from automl.model.image_numbers import learn_image_numbers, with_image_numbers
from automl.problem.problem import Problem
from automl.problem.settings import Settings
from automl.problem.source import Report, Source, judged_part, open_source
from automl.problem.split_plan import ask_about_parts, check_classes, explained, given_parts, plan_split
from automl.problem.splits import SplitPlan, hold_out_test, make_split

if TYPE_CHECKING:
    import pandas as pd

_REPEATED_BELOW = 5_000
_NO_CONCERN = re.compile("kept as text|predictions are in")
_DRIFT_SECONDS = 20.0  # below, the second that the comparison with --test takes is left to the models


@dataclass(frozen=True)
class TestPart:
    """Rows that nothing is chosen on; they are scored once, at the end."""

    __test__ = False  # not a test class, whatever pytest makes of the name

    table: Table
    target: Encoded
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
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
    paths:
        Of the images of the problem's table (its first image column), as the data names them, or None.
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
    paths: npt.NDArray[np.object_] | None = None

    @property
    def task(self) -> Task:
        """What the target means."""
        return self.problem.task

    def noted(self, *notes: str) -> Prepared:
        """The same, with more notes for people."""
        return replace(self, notes=(*self.notes, *notes))

    @cached_property
    def untouched_digest(self) -> str:
        """Of the rows that are scored once; empty without such rows."""
        if self.test is None:
            return ""
        digest = hashlib.sha256(self.test.target.tobytes())
        digest.update(self.test.table.numbers.tobytes())
        digest.update(self.test.table.codes.tobytes())
        for column in self.test.table.texts:
            digest.update(json.dumps(list(column)).encode())
        return digest.hexdigest()


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
        Told how far decoding images is.

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
    a_folder_is_a_class = settings.task is None and source.settings.task is not None
    read, settings = source.read, source.settings
    target_name = _target_name(read.frame, settings)
    if settings.weight is not None:
        _refuse_weights(read.frame, settings.weight)
    clean = clean_target(read.frame, target_name, task=settings.task)
    frame = clean.frame
    choice = _choose(clean, settings)
    if a_folder_is_a_class:
        choice = replace(choice, reason="a folder is a class")
    task = choice.task
    target = task.encode(clean.values)
    layout, encoded, findings = _examined(clean, target_name, task, source)
    if encoded.images and layout.features.kinds != {Kind.IMAGE}:
        layout = replace(layout, image_numbers=learn_image_numbers(encoded, report))
        encoded = with_image_numbers(encoded, layout.image_numbers)
    parts = _parts(source, frame, task, target)
    repeats = find_repeats(encoded, layout.plans)
    plan = replace(plan_split(frame, encoded, repeats, settings, parts), judged=judged_part(parts))
    table, kept_target, kept_plan, test, rest = encoded, target, plan, None, None
    if settings.test is not None and _test_of(parts) is not None:
        raise UsageError("The data has a test part of its own: leave --test out, or move that part away.")
    if settings.test is not None:
        test = _given_test(source, layout, task, report)
        if settings.seconds is None or settings.seconds >= _DRIFT_SECONDS:
            findings = worst_first([*findings, *check_drift(layout, table, test.table, seed=settings.seed)])
    elif (held := _test_of(parts) or hold_out_test(target, task, plan)) is not None:
        rest, apart = held
        test = _kept_apart(table, target, apart, given=_test_of(parts) is not None)
        table, kept_target, kept_plan = table.take(rest), target[rest], plan.take(rest)
    split = explained(make_split(kept_target, task, kept_plan), kept_plan, repeats)
    data_digest = table_digest(source.images, frame, frame_digest)
    problem = Problem(
        table,
        kept_target,
        task,
        split,
        device=settings.device,
        digest=hashlib.sha256((data_digest + split.digest).encode()).hexdigest(),
        repeats=_repeats(split, kept_target, task, kept_plan),
        untouched=None if test is None else test.table,
    )
    return Prepared(
        problem,
        layout,
        target_name,
        choice,
        test,
        read.notes if test is None else (*read.notes, *test.notes),
        findings,
        frame[list(layout.inputs)].head(1000),
        data_digest,
        len(frame),
        _worth_a_log(task, kept_target),
        rest,
        source.paths(frame, rest),
    )


def _parts(source: Source, frame: pd.DataFrame, task: Task, target: Encoded) -> npt.NDArray[Any] | None:
    """``train``, ``val`` or ``test`` per row, where folders or the column of ``--fold-column`` say so."""
    parts = source.parts(frame) if source.split_given else given_parts(frame, source.settings)
    check_classes(task.labels, target, parts)
    return parts


def _repeats(split: Split, target: Encoded, task: Task, plan: SplitPlan) -> tuple[Split, ...]:
    """The same rows dealt once more, where there are few enough to tell members apart by it."""
    if split.scheme in ("folds", "groups") and len(split.folds) > 1 and len(target) < _REPEATED_BELOW:
        return (make_split(target, task, plan, repeat=1),)
    return ()


def _examined(
    clean: CleanTarget, target_name: str, task: Task, source: Source
) -> tuple[Layout, Table, tuple[Finding, ...]]:
    """The columns, their encoding and what the checks say of them; copies of the target are left out."""
    frame, settings, read = clean.frame, source.settings, source.read
    exclude = (PART,) if source.split_given else ()
    ask_about_parts(frame.drop(columns=list(exclude)), settings)
    outcome = Outcome.of(clean.values, classes=bool(task.labels))
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
        Finding("target", target_name, NOTE if _NO_CONCERN.search(note) else WARNING, note)
        for note in clean.notes
    ]
    layout = replace(
        layout.with_commas(read.commas),
        target_numbers=clean.numbers,
        label_words=read.label_words,
        missing=settings.missing,
    )
    return layout, table, worst_first([*changed, *source.findings_on(frame, clean.values), *findings])


def read_data(
    settings: Settings, source: Any, like: Layout | None = None, expected_encoding: str | None = None
) -> ReadTable:
    """The table in a file or frame, read as the settings say, and as the data with layout ``like`` was."""
    labels = None if settings.target is None else LabelColumn(settings.target)
    if like is not None:
        labels = LabelColumn(like.target_name, like.label_words)
    return read_table(
        source,
        encoding=settings.encoding,
        delimiter=settings.delimiter,
        decimal=settings.decimal,
        header=settings.header,
        skip_bad_rows=settings.skip_bad_rows,
        written=None if like is None else like.written,
        missing=settings.missing,
        labels=labels,
        expected_encoding=expected_encoding,
    )


def _target_name(frame: pd.DataFrame, settings: Settings) -> str:
    if settings.target is None:
        raise UsageError(
            f"Say which column to predict with --target. Columns: {', '.join(map(str, frame.columns[:30]))}"
            f"{', …' if len(frame.columns) > 30 else ''}."
        )
    for what, column in (
        ("--group", settings.group),
        ("--time-column", settings.time_column),
        ("--fold-column", settings.fold_column),
        ("--weight", settings.weight),
        *(("--drop", column) for column in settings.drop),
        *(("--keep", column) for column in settings.keep),
        *(("--kind", column) for column in settings.kinds),
    ):
        if column is not None and column not in frame.columns:
            raise DataError(f"{what}: there is no column {column!r}. {did_you_mean(column, frame.columns)}")
        if column is not None and column == settings.target and what not in ("--keep", "--kind"):
            raise UsageError(f"{what} {column!r}: this column is the target. Name another one.")
    return settings.target


def _choose(clean: CleanTarget, settings: Settings) -> TaskChoice:
    """The task, and the unit of its predictions beside the reason."""
    choice = _choose_task(clean.values, settings)
    unit = "" if clean.numbers is None else clean.numbers.unit
    return replace(choice, reason=f"{choice.reason}, in {unit}") if unit else choice


def _choose_task(values: npt.NDArray[Any], settings: Settings) -> TaskChoice:
    """The task; a metric that is a Python function gets labels (or values) and their predictions."""
    if settings.metric is None or isinstance(settings.metric, str):
        return choose_task(values, requested=settings.task, metric=settings.metric)
    function = settings.metric
    choice = choose_task(values, requested=settings.task)
    task = choice.task

    def call(target: npt.NDArray[Any], predictions: npt.NDArray[np.floating]) -> float:
        actual = np.eye(task.n_outputs)[target] if task.labels else np.asarray(target)[:, None]
        given = function(task.decode(actual), task.decode(predictions))
        try:
            return float(given)
        except (TypeError, ValueError):
            raise UsageError(
                f"The metric function {name} gave {repr(given)[:200]}, which is no number."
            ) from None

    name = getattr(function, "__name__", "")
    if not name.isidentifier() or name in METRICS:  # a lambda; "f1" on record means the one built in
        name = f"custom_{name}" if name in METRICS else "custom"
    better = bool(getattr(function, "greater_is_better", True))
    reads = "labels" if task.labels else "values"
    metric = Metric(name, better, reads, frozenset({task.name}), call)
    return replace(choice, task=replace(task, metric=metric), metric_reason="asked for")


def infer_layout(
    frame: pd.DataFrame, settings: Settings, exclude: tuple[str, ...] = (), outcome: Outcome | None = None
) -> Layout:
    """The columns of the training rows, as the settings have them; ``exclude`` are not inputs either."""
    unknown = [kind for kind in settings.kinds.values() if kind not in set(Kind)]
    if unknown:
        raise UsageError(f"There is no column kind {unknown[0]!r}. {did_you_mean(unknown[0], Kind)}")
    return Layout.infer(
        frame,
        target=settings.target,
        kinds={column: Kind(kind) for column, kind in settings.kinds.items()},
        drop=settings.drop,
        keep=settings.keep,
        exclude=tuple(column for column in (settings.group, settings.fold_column, *exclude) if column),
        outcome=outcome,
    )


def _refuse_weights(frame: pd.DataFrame, column: str) -> None:
    """Rows cannot be weighted in this version; what is wrong with the weights is said first."""
    import pandas as pd

    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
    if len(bad):
        raise DataError(
            f"--weight {column!r}: {len(bad)} of {len(values)} weights are negative, missing or no finite "
            f"number (first in row {row_number(frame, bad[0])}: {frame[column].iloc[int(bad[0])]}). A weight "
            "is 0 or more. "
            "Next: mend these rows."
        )
    if not values.any():
        raise DataError(
            f"--weight {column!r}: all {len(values)} weights are 0, so that no row would count. Next: name a "
            "column with weights above 0."
        )
    raise UsageError(
        f"--weight {column!r}: rows cannot be weighted in this version, every row counts once. Next: leave "
        f"--weight out, and pass --drop {column} so that no model sees the column."
    )


def _given_test(source: Source, layout: Layout, task: Task, report: Report) -> TestPart:
    """The rows of ``--test``."""
    settings = replace(source.settings, source=source.settings.test)
    given = open_source(
        settings,
        lambda: read_data(settings, settings.source, layout, source.read.encoding),
        like=source.images,
        report=report,
    )
    frame, name = given.read.frame, layout.target_name
    if name not in frame.columns:
        raise DataError(f"--test has no column {name!r}. {did_you_mean(name, frame.columns)}")
    clean = clean_target(frame, name, task=task.name, known=True, numbers=layout.target_numbers)
    what = str(settings.source) if isinstance(settings.source, str | Path) else "the test frame"
    table = with_image_numbers(given.refer(layout.encode(clean.frame).table), layout.image_numbers)
    notes = (note for note in given.read.notes if note not in source.read.notes)
    return TestPart(
        table, task.encode(clean.values), what, tuple(f"{given.read.name}: {note}" for note in notes)
    )


def _test_of(parts: npt.NDArray[Any] | None) -> tuple[RowNumbers, RowNumbers] | None:
    """``(rest, test)`` row numbers of a split that the data brings, or None."""
    if parts is None or not (parts == "test").any():
        return None
    return np.flatnonzero(parts != "test"), np.flatnonzero(parts == "test")


def _kept_apart(table: Table, target: Encoded, rows: RowNumbers, *, given: bool = False) -> TestPart:
    """Rows of the data itself that no trial sees."""
    share = f"a tenth of the rows ({len(rows):,}), kept apart"
    what = f"the data's own test part ({len(rows):,} rows)" if given else share
    return TestPart(table.take(rows), target[rows], what)


def _worth_a_log(task: Task, target: Encoded) -> bool:
    """Regression with a positive target of skewness above 1."""
    if task.labels or float(np.min(target)) < 0:
        return False
    values = np.asarray(target, dtype=np.float64)
    spread = float(values.std())
    return spread > 0 and float(np.mean(((values - values.mean()) / spread) ** 3)) > 1
