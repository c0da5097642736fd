"""The data doctor: what may be wrong with a data set, how bad it is, and what to do about it."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.finding import Finding, worst_first
from automl.core.table import Table
from automl.data.checks.columns import column_findings
from automl.data.checks.leaks import leak_findings
from automl.data.checks.order import order_findings
from automl.data.checks.rows import row_findings
from automl.data.checks.target import target_findings
from automl.data.layout import Layout

__all__ = ["HasLabels", "check_columns", "check_frame"]

SAMPLE = 20_000


class HasLabels(Protocol):
    """What the checks need to know of a task."""

    @property
    def labels(self) -> tuple[Any, ...]:
        """Classes; empty for numbers."""
        ...


def check_frame(
    frame: pd.DataFrame,
    values: npt.NDArray[Any],
    task: HasLabels,
    layout: Layout,
    *,
    table: Table | None = None,
    dealt: bool = True,
) -> tuple[Finding, ...]:
    """Everything worth knowing about clean training rows and their target, the worst first.

    What compares every column with the target looks at a sample of 20,000 rows.

    Parameters
    ----------
    values:
        ``(rows,)`` labels or numbers, as :func:`automl.data.target.clean_target` gives them.
    table:
        The encoded frame, where the caller has it already.
    dealt:
        Whether a search deals the rows into folds itself; else a column or the data's own parts do.
    """
    table = layout.encode(frame).table if table is None else table
    classes = bool(task.labels)
    rows = _sample(len(frame))
    found = leak_findings(frame.iloc[rows], values[rows], classes, layout, table.take(rows))
    found += target_findings(values, classes, layout.target_name, frame)
    found += row_findings(table, frame, layout.plans, values, classes=classes, dealt=dealt)
    found += column_findings(frame, layout, table, rows)
    if dealt:
        found += order_findings(frame, layout)
    return worst_first(found)


def check_columns(frame: pd.DataFrame, layout: Layout) -> tuple[Finding, ...]:
    """What can be said about the columns alone, where there is no target that could be used."""
    table = layout.encode(frame).table
    found = column_findings(frame, layout, table, _sample(len(frame)))
    return worst_first(found + row_findings(table, frame, layout.plans))


def _sample(rows: int) -> npt.NDArray[np.int64]:
    if rows <= SAMPLE:
        return np.arange(rows, dtype=np.int64)
    return np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False)).astype(np.int64)
