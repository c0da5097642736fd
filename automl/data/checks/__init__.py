"""The data doctor: problems of a data set, how serious they are, and what to do about them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.finding import Finding, worst_first
from automl.core.predictions import Answer
from automl.core.table import Table
from automl.core.tasks import Task
from automl.data.checks.columns import column_findings
from automl.data.checks.leaks import leak_findings
from automl.data.checks.order import order_findings
from automl.data.checks.rows import row_findings
from automl.data.checks.target import target_findings
from automl.data.layout import Layout

__all__ = ["check_columns", "check_frame"]

SAMPLE = 20_000


def check_frame(
    frame: pd.DataFrame,
    values: npt.NDArray[Any],
    task: Task,
    layout: Layout,
    *,
    table: Table | None = None,
    dealt: bool = True,
) -> tuple[Finding, ...]:
    """Findings about clean training rows and their target, the worst first.

    Checks that compare every column with the target use a sample of 20,000 rows.

    Parameters
    ----------
    values:
        ``(rows,)`` labels or numbers, as :func:`automl.data.target.clean_target` gives them.
    table:
        The encoded frame, if the caller has it already.
    dealt:
        Whether the search assigns the rows to folds itself, rather than a column or given parts.
    """
    table = layout.encode(frame).table if table is None else table
    classes = task.answer is Answer.CLASSES
    rows = _sample(len(frame))
    findings = leak_findings(frame.iloc[rows], values[rows], classes, layout, table.take(rows))
    findings += target_findings(values, classes, layout.target_name, frame)
    findings += row_findings(table, frame, layout.plans, values, classes=classes, dealt=dealt)
    findings += column_findings(frame, layout, table, rows)
    if dealt:
        findings += order_findings(frame, layout)
    return worst_first(findings)


def check_columns(frame: pd.DataFrame, layout: Layout) -> tuple[Finding, ...]:
    """Findings about the columns alone, for data without a usable target."""
    table = layout.encode(frame).table
    findings = column_findings(frame, layout, table, _sample(len(frame)))
    return worst_first(findings + row_findings(table, frame, layout.plans))


def _sample(rows: int) -> npt.NDArray[np.int64]:
    if rows <= SAMPLE:
        return np.arange(rows, dtype=np.int64)
    return np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False)).astype(np.int64)
