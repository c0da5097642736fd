"""A target that is computed from other columns: a sum of counts, a price times a quantity."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from automl.core.finding import WARNING, Finding
from automl.core.table import Array, Table
from automl.core.text import flag
from automl.data.layout import Layout

EXACT = 1e-9
"""Share of the target's variance that an exact composition may leave: features and targets are rounded."""
_MOST_COLUMNS = 60
_ROWS_A_COLUMN = 5
_LEAST_ROWS = 50
_PARTS = 6  # with more columns it is a model, not a composition


def composition_findings(
    table: Table, values: npt.NDArray[np.float64], layout: Layout, reported: set[str]
) -> Iterable[Finding]:
    """The target as a sum or a product of two to six number columns, to within rounding.

    Parameters
    ----------
    values:
        ``(rows,)`` numbers of the target.
    reported:
        Columns that other findings are about.
    """
    candidates = {*layout.inputs} - reported
    columns = np.asarray(table.numbers, dtype=np.float64)
    whole = np.asarray(np.isfinite(columns).all(axis=0), dtype=bool)
    places = [i for i, name in enumerate(table.features.numbers) if whole[i] and name in candidates]
    columns, names = columns[:, places], [table.features.numbers[place] for place in places]
    rows = len(values)
    if not 2 <= len(names) <= _MOST_COLUMNS or rows < max(_LEAST_ROWS, _ROWS_A_COLUMN * len(names)):
        return
    positive = (columns > 0).all(axis=0)
    parts, how = _parts(columns, values), "sum"
    if not parts and (values > 0).all() and positive.sum() > 1:
        kept = np.flatnonzero(positive)
        parts, how = [int(kept[part]) for part in _parts(np.log(columns[:, kept]), np.log(values))], "product"
    if parts:
        listed = [names[part] for part in parts]
        shown = ", ".join(map(repr, listed[:-1])) + f" and {listed[-1]!r}"
        yield Finding(
            "composition",
            listed[0],
            WARNING,
            f"The target is a {how} of {shown}, to within rounding: any model can compute it from them.",
            "If they become known only after the outcome, use "
            + " ".join(flag("drop", name) for name in listed)
            + ".",
        )


def _parts(columns: Array, values: Array) -> list[int]:
    """Places of the two to six columns whose weighted sum plus a constant is the target; else none."""
    spread, total = columns.std(axis=0), float(np.var(values))
    varied = np.flatnonzero(spread > 0)
    if len(varied) < 2 or total == 0:
        return []
    scaled = (columns[:, varied] - columns[:, varied].mean(axis=0)) / spread[varied]
    centred = values - values.mean()
    if _left(scaled, centred) > EXACT * total:
        return []
    # Equal columns share their weight; the search adds columns in the order of their weights.
    weights = np.abs(np.linalg.lstsq(scaled, centred, rcond=None)[0])
    order = np.argsort(-weights, kind="stable")
    for count in range(2, min(_PARTS, len(order)) + 1):
        chosen = order[:count]
        if _left(scaled[:, chosen], centred) <= EXACT * total:
            return sorted(int(varied[place]) for place in chosen)
    return []


def _left(columns: Array, values: Array) -> float:
    """Mean squared error of the best weighted sum."""
    weights = np.linalg.lstsq(columns, values, rcond=None)[0]
    return float(np.mean((values - columns @ weights) ** 2))
