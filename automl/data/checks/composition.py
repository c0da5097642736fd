"""A target that is made of columns of its own table: a sum of counts, a price times a quantity."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from automl.core.finding import WARNING, Finding
from automl.core.table import Array, Table
from automl.data.layout import Layout

EXACT = 1e-9
"""Of the target's variance, what an exact composition leaves: features and targets are rounded."""
_MOST_COLUMNS = 60
_ROWS_A_COLUMN = 5
_LEAST_ROWS = 50
_PARTS = 6  # more columns than these are a model, not a composition


def composition_findings(
    table: Table, values: npt.NDArray[np.float64], layout: Layout, told: set[str]
) -> Iterable[Finding]:
    """The target as a sum or a product of two to six number columns, to within rounding.

    Parameters
    ----------
    values:
        ``(rows,)`` numbers of the target.
    told:
        Columns that other findings are about.
    """
    known = {*layout.inputs} - told
    columns = np.asarray(table.numbers, dtype=np.float64)
    whole = np.asarray(np.isfinite(columns).all(axis=0), dtype=bool)
    places = [i for i, name in enumerate(table.features.numbers) if whole[i] and name in known]
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
        told_names = ", ".join(map(repr, listed[:-1])) + f" and {listed[-1]!r}"
        yield Finding(
            "composition",
            listed[0],
            WARNING,
            f"The target is a {how} of {told_names}, to within rounding: any model can read it off them.",
            "If they are known only after the outcome, use "
            + " ".join(f"--drop {shlex.quote(name)}" for name in listed)
            + ".",
        )


def _parts(columns: Array, values: Array) -> list[int]:
    """Places of the two to six columns whose weighted sum, and a constant, the values are; else none."""
    spread, total = columns.std(axis=0), float(np.var(values))
    varied = np.flatnonzero(spread > 0)
    if len(varied) < 2 or total == 0:
        return []
    scaled = (columns[:, varied] - columns[:, varied].mean(axis=0)) / spread[varied]
    centred = values - values.mean()
    if _left(scaled, centred) > EXACT * total:
        return []
    # Equal columns share a weight between them; the smallest set that does it is looked for from the largest.
    weights = np.abs(np.linalg.lstsq(scaled, centred, rcond=None)[0])
    order = np.argsort(-weights, kind="stable")
    for count in range(2, min(_PARTS, len(order)) + 1):
        chosen = order[:count]
        if _left(scaled[:, chosen], centred) <= EXACT * total:
            return sorted(int(varied[place]) for place in chosen)
    return []


def _left(columns: Array, values: Array) -> float:
    """Mean square that the best weighted sum leaves."""
    weights = np.linalg.lstsq(columns, values, rcond=None)[0]
    return float(np.mean((values - columns @ weights) ** 2))
