"""Checks of the target alone: shares of classes, the distribution of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.finding import NOTE, WARNING, Finding
from automl.core.table import Array
from automl.core.text import share_text
from automl.data.cells.names import listed
from automl.data.cells.row_numbers import row_number

FEW_MEMBERS = 10
MANY_CLASSES = 100
SKEWED = 2.0
FAR = 20.0  # quartile ranges beyond the quartiles
_FEW_ROWS = 100


def target_findings(values: npt.NDArray[Any], classes: bool, name: str, frame: pd.DataFrame) -> list[Finding]:
    """Findings about the labels or numbers ``(rows,)`` of the target."""
    return [*(_classes(values, name) if classes else _numbers(values.astype(np.float64), name, frame))]


def _classes(values: npt.NDArray[Any], name: str) -> Iterable[Finding]:
    codes, distinct = pd.factorize(values)
    counts = np.bincount(codes)
    shares = counts / counts.sum()
    if (shares.min() < 0.1 and len(counts) == 2) or shares.max() > 0.9:
        rarest = distinct[int(counts.argmin())]
        yield Finding(
            "imbalance",
            name or None,
            WARNING if shares.min() < 0.01 else NOTE,
            f"The classes are unbalanced: {rarest!s} has {share_text(shares.min(), 2)} of the rows "
            f"({int(counts.min()):,}).",
            "Use roc_auc, average_precision or f1 as the metric rather than accuracy.",
        )
    few = [str(distinct[i]) for i in np.argsort(counts) if counts[i] < FEW_MEMBERS]
    if few:
        yield Finding(
            "rare_classes",
            name or None,
            WARNING,
            f"{len(few)} of {len(counts)} classes occur fewer than {FEW_MEMBERS} times: {listed(few)}.",
            "Scores of these classes are mostly chance; collect more of them or merge classes.",
        )
    if len(counts) > MANY_CLASSES:
        numeric = values.dtype.kind in "iuf"
        yield Finding(
            "many_classes",
            name or None,
            WARNING,
            f"The target has {len(counts):,} classes with {len(values) / len(counts):.0f} rows on average.",
            "If it is a quantity, use --task regression."
            if numeric
            else "Merge classes, or check that this is the column to predict.",
        )


def _numbers(values: Array, name: str, frame: pd.DataFrame) -> Iterable[Finding]:
    if len(values) < _FEW_ROWS:
        return
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    spread = high - low
    if spread > 0:
        far = np.flatnonzero((values > high + FAR * spread) | (values < low - FAR * spread))
        if 0 < len(far) <= 0.01 * len(values):
            worst = far[np.argmax(np.abs(values[far] - middle))]
            yield Finding(
                "target_outliers",
                name or None,
                WARNING,
                f"{len(far)} values of the target are more than {FAR:.0f} quartile ranges away, such as "
                f"{values[worst]:,.6g} in row {row_number(frame, worst)} (the median is {middle:,.6g}).",
                "Check whether they are real. If not, remove those rows; if so, try --metric mae.",
            )
    deviation = float(values.std())
    skewness = 0.0 if deviation == 0 else float(np.mean(((values - values.mean()) / deviation) ** 3))
    if abs(skewness) > SKEWED:
        logs = bool(values.min() >= 0 and skewness > 0)
        yield Finding(
            "target_skew",
            name or None,
            NOTE,
            f"The target is skewed ({skewness:.1f}): median {middle:,.6g}, mean {values.mean():,.6g}.",
            "A search also tries its logarithm. " * logs
            + "Large values dominate rmse, but not mae or rmsle.",
        )
    yield from _spikes(values, name)


def _spikes(values: Array, name: str) -> Iterable[Finding]:
    """A finding on a value that is far more frequent than any other: zeros, or a cap."""
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < 50:
        return
    place = int(counts.argmax())
    share = counts[place] / len(values)
    typical = float(np.quantile(counts, 0.99))
    if share < 0.02 or counts[place] < 5 * typical:
        return
    at = {0: "the smallest", len(distinct) - 1: "the largest"}.get(place, "")
    capped = f", {at} value" if at else ""
    remedy = "Values may be cut off at this end of the scale." if at else "It may stand for 'unknown'."
    yield Finding(
        "target_spike",
        name or None,
        NOTE,
        f"{share_text(share, 1)} of the target is exactly {distinct[place]:,.6g}{capped}.",
        f"{remedy} Check what it means.",
    )
