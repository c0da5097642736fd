"""check(): everything that a search would find out about the data before its first trial, as a report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from automl.core.errors import DataError
from automl.core.finding import ERROR, SEVERITIES, WARNING, Finding, refusal, worst_first
from automl.core.table import Column
from automl.data.checks import check_columns
from automl.problem.columns import infer_layout
from automl.problem.preparation import Prepared, prepare
from automl.problem.settings import Settings
from automl.problem.source import read_data

if TYPE_CHECKING:
    import pandas as pd

    Data = pd.DataFrame | str | os.PathLike[str]

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Task and metric of a search of this data, with their reasons, and the rows that would judge trials."""

    task: str
    task_reason: str
    metric: str
    metric_reason: str
    split: str
    test: str


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """The findings of the data doctor.

    Attributes
    ----------
    name:
        The file's name without its ending, or ``frame``.
    rows:
        With a target.
    columns:
        Every input column with its kind and the reason for it.
    choice:
        None where the target cannot be used, or none was named.
    notes:
        What was detected when the file was read.
    findings:
        The worst first.
    """

    name: str
    rows: int
    columns: tuple[Column, ...]
    target: str | None
    choice: Choice | None
    notes: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True where a search would accept the data."""
        return not self.count(ERROR)

    def count(self, severity: str) -> int:
        """Number of findings that are ``error``, ``warning`` or ``note``."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """The object of ``automl check --json``."""
        return {
            "schema_version": SCHEMA_VERSION,
            "name": self.name,
            "ok": self.ok,
            "rows": self.rows,
            "target": self.target,
            "choice": None if self.choice is None else asdict(self.choice),
            "columns": [
                {"name": column.name, "kind": str(column.kind), "reason": column.reason}
                for column in self.columns
            ],
            "notes": list(self.notes),
            "counts": {severity: self.count(severity) for severity in SEVERITIES},
            "findings": [asdict(finding) for finding in self.findings],
        }


def check(
    data: Data,
    *,
    target: str | None = None,
    test: Data | None = None,
    task: str | None = None,
    metric: str | None = None,
    cost: str | os.PathLike[str] | Mapping[Any, float] | None = None,
    group: str | None = None,
    time_column: str | None = None,
    fold_column: str | None = None,
    weight: str | None = None,
    kinds: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    header: int | None = None,
    skip_bad_rows: bool = False,
    missing: Sequence[str] | None = None,
) -> CheckReport:
    """Check a table before anything is trained on it; a search runs the same checks.

    Parameters
    ----------
    data, target, test, task, metric, cost, group, time_column, fold_column, weight, kinds, drop, keep:
        As in :func:`automl.search`. Without a target only the columns are checked; with ``test`` its rows
        are compared with those of the data.
    encoding, delimiter, decimal, header, skip_bad_rows, missing:
        How a table is written: as in :func:`automl.search`.

    Raises
    ------
    DataError
        For a file that cannot be read, or a column that does not exist. What a search would refuse beyond
        that is a finding of the severity ``error``.
    UsageError
        For choices that contradict each other.
    """
    settings = replace(Settings.from_choices(locals()), seconds=None, trials=1)
    if isinstance(data, str | os.PathLike) and os.path.isdir(data):
        return _report(settings, prepare(settings))
    read = read_data(settings, data)
    if target is None:
        unnamed = Finding(
            "no_target",
            None,
            WARNING,
            "No target was named: only the columns were checked.",
            "Name it with --target.",
        )
        return _columns_only(settings, read.frame, read.notes, unnamed)
    try:
        prepared = prepare(settings, read=read)
    except DataError as error:
        columns = (target, group, time_column, fold_column, weight)
        named = (*columns, *settings.kinds, *settings.drop, *settings.keep)
        if not {name for name in named if name} <= set(read.frame.columns):
            raise
        return _columns_only(settings, read.frame, read.notes, refusal(error))
    return _report(settings, prepared)


def _report(settings: Settings, prepared: Prepared) -> CheckReport:
    split, honest = prepared.problem.split, prepared.test
    choice = Choice(
        task=prepared.task.name,
        task_reason=prepared.choice.reason,
        metric=prepared.task.metric.name,
        metric_reason=prepared.choice.metric_reason,
        split=split.reason,
        test="" if honest is None else honest.source,
    )
    return CheckReport(
        name=settings.name,
        rows=prepared.rows,
        columns=prepared.layout.columns,
        target=prepared.target_name,
        choice=choice,
        notes=(*prepared.notes, *([f"rows {prepared.weighting}"] if prepared.weighting else [])),
        findings=prepared.findings,
    )


def _columns_only(
    settings: Settings, frame: pd.DataFrame, notes: tuple[str, ...], first: Finding
) -> CheckReport:
    """The report on data that has no target to learn."""
    refused = [first]
    try:
        layout = infer_layout(frame, settings)
    except DataError as error:  # a kind that a column cannot have
        layout = infer_layout(frame, replace(settings, kinds={}))
        refused += [finding for finding in (refusal(error),) if finding != first]
    findings = worst_first([*refused, *check_columns(frame, layout)])
    return CheckReport(
        name=settings.name,
        rows=len(frame),
        columns=layout.columns,
        target=settings.target,
        choice=None,
        notes=notes,
        findings=findings,
    )
