"""The champion's score by group: the metric on the rows of each value of a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import UsageError, did_you_mean
from automl.core.score_intervals import score_interval
from automl.core.text import score_text
from automl.core.weights import weights_of
from automl.report.facts.evidence import Evidence

if TYPE_CHECKING:
    import pandas as pd

LEAST_ROWS = 20
_MOST_VALUES = 20
_PARTS = 5
_DRAWS = 400


@dataclass(frozen=True, kw_only=True)
class Group:
    """One group: its score with a 95 % interval, NaN if it has too few rows or only one class.

    Attributes
    ----------
    differs:
        ``better`` or ``worse`` if the interval excludes the score of all rows, else empty.
    """

    label: str
    rows: int
    score: float
    low: float
    high: float
    differs: str = ""


@dataclass(frozen=True)
class Slice:
    """A column's groups: ranges in their order, values with the most frequent first."""

    column: str
    overall: float
    groups: tuple[Group, ...]


def slice_by(evidence: Evidence, frame: pd.DataFrame, column: str) -> Slice:
    """Scores by the values of a column, or by fifths of a number's range with many values.

    Parameters
    ----------
    frame:
        The judged rows as they were read, in the order of the evidence.

    Raises
    ------
    UsageError
        If there is no such column.
    """
    if column not in frame.columns:
        raise UsageError(f"--slice: there is no column {column!r}. {did_you_mean(column, frame.columns)}")
    metric = evidence.task.metric
    predictions = evidence.judged(metric)
    overall = metric.score(evidence.target, predictions, evidence.weights)
    groups = []
    for label, rows in _parts(frame[column]):
        score = low = high = float("nan")
        if len(rows) >= LEAST_ROWS:
            interval = score_interval(
                metric,
                evidence.target[rows],
                predictions[rows],
                draws=_DRAWS,
                weights=weights_of(evidence.weights, rows),
            )
            score, low, high = interval.value, interval.low, interval.high
        differs = ""
        if np.isfinite(score) and not low <= overall <= high:
            differs = "better" if metric.is_better(score, overall) else "worse"
        groups.append(Group(label=label, rows=len(rows), score=score, low=low, high=high, differs=differs))
    return Slice(column, overall, tuple(groups))


def _parts(values: pd.Series[Any]) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """Row numbers by label; missing values form a group, and so does everything but the 20 largest."""
    import pandas as pd

    missing = values.isna().to_numpy()
    absent = [("missing", np.flatnonzero(missing))] if missing.any() else []
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > _MOST_VALUES:
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        missing = ~np.isfinite(numbers)  # infinite numbers count as missing in a search, too
        absent = [("missing", np.flatnonzero(missing))] if missing.any() else []
        present = np.flatnonzero(~missing)
        if not len(present):
            return absent
        cuts = np.unique(np.quantile(numbers[present], np.linspace(0, 1, _PARTS + 1)))
        places = np.clip(np.searchsorted(cuts, numbers[present], "right") - 1, 0, len(cuts) - 2)
        ranges = [
            (f"{score_text(cuts[part], 4)} to {score_text(cuts[part + 1], 4)}", present[places == part])
            for part in range(len(cuts) - 1)
        ]
        return [*ranges, *absent]
    texts = values.astype(str).to_numpy(dtype=object)
    texts[missing] = None
    counts = pd.Series(texts).value_counts()
    parts = [(str(name), np.flatnonzero(texts == name)) for name in counts.index[:_MOST_VALUES]]
    rest = set(counts.index[_MOST_VALUES:])
    if rest:
        parts.append((f"{len(rest)} others", np.flatnonzero([text in rest for text in texts])))
    return [*parts, *absent]
