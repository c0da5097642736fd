"""Checks of one part of the data against another: do they have the same distribution?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.finding import NOTE, WARNING, Finding, worst_first
from automl.core.table import Array, Features, Table
from automl.core.text import flag, quoted, share_text
from automl.data.checks.near_copies import near_copies_between
from automl.data.columns.structured import DatePlan
from automl.data.layout import Layout
from automl.data.repeats import find_repeats

SAMPLE = 5_000  # rows of each part
NOTED, ALARM = 0.6, 0.7
_MOST_COLUMNS = 50  # importance is measured for at most so many
_SHOWN = 5
_FEW_ROWS = 40


@dataclass(frozen=True)
class _Parts:
    """Both parts stacked in one matrix; ``late`` marks the rows of the second."""

    features: Features
    matrix: Array
    late: npt.NDArray[np.bool_]

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.features.numbers, *self.features.categories)


def check_drift(layout: Layout, table: Table, test: Table, *, seed: int = 0) -> tuple[Finding, ...]:
    """Findings on differences between ``table`` and ``test``, and on rows that are in both.

    Returns
    -------
    tuple of Finding
        ``drift`` with the area under the curve of a small model that tells the parts apart (0.5 is chance)
        from 0.6 on; one ``drift`` per column that matters, ``overlap`` for rows that are in both parts, and
        ``near_copies`` for those with nearly the same text.
    """
    findings = [*_overlap(layout, table, test), *near_copies_between(table, test)]
    if min(table.rows, test.rows) < _FEW_ROWS:
        return worst_first(findings)
    parts = _parts(table, test, np.random.default_rng(seed))
    if parts.matrix.shape[1]:
        findings += _drift(layout, parts, seed)
    return worst_first(findings)


def _parts(table: Table, test: Table, random: np.random.Generator) -> _Parts:
    rows = min(SAMPLE, max(table.rows, test.rows))
    first, second = (
        part.take(np.sort(random.choice(part.rows, min(rows, part.rows), replace=False)))
        for part in (table, test)
    )
    return _Parts(
        table.features,
        np.concatenate([_matrix(first), _matrix(second)]),
        np.arange(first.rows + second.rows) >= first.rows,
    )


def _matrix(table: Table) -> Array:
    codes = table.codes.astype(np.float64)
    codes[codes < 0] = np.nan
    return np.concatenate([np.asarray(table.numbers, dtype=np.float64), codes], axis=1)


def _drift(layout: Layout, parts: _Parts, seed: int) -> Iterable[Finding]:
    alone = np.array([_told_apart(column, parts.late) for column in parts.matrix.T])
    judged = np.argsort(-alone, kind="stable")[:_MOST_COLUMNS]
    area, drops = _adversary(parts.matrix[:, judged], parts.late, seed)
    few = 1 / np.sqrt(3 * min(int(parts.late.sum()), int((~parts.late).sum())))  # about a standard error
    if area < max(NOTED, 0.5 + 3 * few):
        return
    carrying = [i for i in np.argsort(-drops) if drops[i] >= 0.01 or alone[judged[i]] >= ALARM]
    if not carrying:
        carrying = [int(np.argmax(drops))]
    names = list(dict.fromkeys(_column_of(layout, parts.names[judged[i]]) for i in carrying))
    yield Finding(
        "drift",
        None,
        WARNING if area >= ALARM else NOTE,
        f"A small model can tell the rows of the test part from the others (AUC {area:.2f}; 0.50 would be "
        f"chance), by {_joined(names)}.",
        "Scores on folds of the data will not hold there. Validate in the way that the test part differs "
        "(--time-column, --group), and leave out columns that only say when or where a row was recorded.",
    )
    for name in names[:_SHOWN]:
        at = next(judged[i] for i in carrying if _column_of(layout, parts.names[judged[i]]) == name)
        yield Finding(
            "drift",
            name,
            WARNING if alone[at] >= ALARM else NOTE,
            f"{parts.names[at]!r} differs between the parts (alone AUC {alone[at]:.2f}): "
            f"{_change(parts, int(at), is_date=parts.names[at] in _date_features(layout))}.",
            f"If it says nothing about the target, use {flag('drop', name)}.",
        )


def _joined(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _column_of(layout: Layout, feature: str) -> str:
    """The user's column from which a feature is derived."""
    for plan in layout.plans:
        if feature in (*plan.number_names, *plan.category_names):
            return plan.column
    for difference in layout.differences:
        if feature == difference.name:
            return difference.later
    return feature


def _told_apart(column: Array, late: npt.NDArray[np.bool_]) -> float:
    """Area under the curve of one column in either direction; missing is the lowest value."""
    filled = np.where(np.isnan(column), -np.inf, column)
    _, inverse, repeats = np.unique(filled, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(repeats) - (repeats - 1) / 2)[inverse]
    return _area(ranks, late, both=True)


def _area(ranks: Array, late: npt.NDArray[np.bool_], *, both: bool = False) -> float:
    positive = int(late.sum())
    negative = len(late) - positive
    area = (float(ranks[late].sum()) - positive * (positive + 1) / 2) / (positive * negative)
    return max(area, 1 - area) if both else area


def _adversary(matrix: Array, late: npt.NDArray[np.bool_], seed: int) -> tuple[float, Array]:
    """Held-out area under the curve of boosted trees, and what it loses without each column."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    random = np.random.default_rng(seed)
    half = random.permutation(len(late)) % 2 == 0
    areas, drops = [], np.zeros(matrix.shape[1])
    with threadpool_limits(
        1, user_api="openmp"
    ):  # threads waiting for one another would take five times as long
        for judge in (half, ~half):
            model = HistGradientBoostingClassifier(max_iter=40, max_leaf_nodes=15, random_state=seed)
            model.fit(matrix[~judge], late[~judge])
            rows = matrix[judge]
            areas.append(_model_area(model, rows, late[judge]))
            for i in range(matrix.shape[1]):
                shuffled = rows.copy()
                shuffled[:, i] = random.permutation(shuffled[:, i])
                drops[i] += (areas[-1] - _model_area(model, shuffled, late[judge])) / 2
    return float(np.mean(areas)), drops


def _model_area(model: Any, rows: Array, late: npt.NDArray[np.bool_]) -> float:
    ranks = pd.Series(model.predict_proba(rows)[:, 1]).rank()
    return _area(np.asarray(ranks, dtype=np.float64), late)


def _date_features(layout: Layout) -> set[str]:
    """Features that count days since 1970."""
    dates = (plan for plan in layout.plans if isinstance(plan, DatePlan))
    return {
        name for plan in dates for name, item in zip(plan.names, plan.fields, strict=True) if item == "days"
    }


def _change(parts: _Parts, at: int, *, is_date: bool) -> str:
    """The change of a column, in words."""
    before, after = parts.matrix[~parts.late, at], parts.matrix[parts.late, at]
    gone = float(np.isnan(before).mean()), float(np.isnan(after).mean())
    if abs(gone[0] - gone[1]) > 0.1 or 1.0 in gone:
        return f"missing in {share_text(gone[0])} of the rows, in the test part in {share_text(gone[1])}"
    numbers = len(parts.features.numbers)
    if at < numbers:
        left, right = (np.nanquantile(part, [0.1, 0.5, 0.9]) for part in (before, after))
        a, b, c, d, e, f = (_shown(value, is_date) for value in (*left, *right))
        return f"median {b} (10 to 90 %: {a} to {c}), in the test part {e} ({d} to {f})"
    levels = parts.features.levels[at - numbers]
    shares = [
        np.bincount(part[~np.isnan(part)].astype(np.int64), minlength=len(levels)) / max(1, len(part))
        for part in (before, after)
    ]
    most = int(np.argmax(np.abs(shares[1] - shares[0])))
    before_share, after_share = (share_text(share[most]) for share in shares)
    return f"{quoted(levels[most])} in {before_share} of the rows, in the test part in {after_share}"


def _shown(value: float, is_date: bool) -> str:
    return str(np.datetime64(int(value), "D")) if is_date else f"{value:,.5g}"


def _overlap(layout: Layout, table: Table, test: Table) -> Iterable[Finding]:
    """Rows of the test part whose inputs also occur in the data; duplicates may be the same rows."""
    if not table.features.kinds:
        return
    both = table.followed_by(test)
    repeats = find_repeats(both, layout.plans)
    overlapping = np.isin(repeats.groups[table.rows :], repeats.groups[: table.rows])
    count = int(overlapping.sum())
    if count:
        share = count / test.rows
        natural = overlapping & repeats.natural[table.rows :]
        copies = (count - int(natural.sum())) / test.rows
        nature = ", as is usual with few distinct values" if natural.any() else ""
        yield Finding(
            "overlap",
            None,
            WARNING if copies > 0.01 else NOTE,
            f"{count} of {test.rows} rows of the test part ({share_text(share, 1)}) have the inputs of a "
            f"row in the data (the first is row {int(overlapping.argmax()) + 1}){nature}.",
            "If they are the same rows, the score on the test part is too good: remove them from one part.",
        )
