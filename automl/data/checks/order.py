"""Rows in the order of a date, for which random folds reveal too much."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from automl.core.finding import NOTE, Finding
from automl.core.table import Kind
from automl.core.text import flag
from automl.data.cells.dates import points_in_time
from automl.data.layout import Layout

_LEAST_DATES = 20
_IN_ORDER = 0.99  # of the steps from row to row


def order_findings(frame: pd.DataFrame, layout: Layout) -> Iterable[Finding]:
    """A finding on the first date column by which the rows are sorted, for random folds."""
    for column in layout.columns:
        if column.kind is not Kind.DATE or column.name not in layout.inputs:
            continue
        times = points_in_time(frame[column.name])
        steps = np.diff(times[np.isfinite(times)])
        if len(np.unique(times[np.isfinite(times)])) < _LEAST_DATES:
            continue
        forward, backward = float((steps >= 0).mean()), float((steps <= 0).mean())
        if max(forward, backward) >= _IN_ORDER:
            yield Finding(
                "dated",
                column.name,
                NOTE,
                f"The rows are in the order of {column.name!r}. With random folds, a model sees what "
                "happened just before and after each row that judges it.",
                f"If the model is to predict later rows, use {flag('time-column', column.name)}.",
            )
            return
