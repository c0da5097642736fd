"""Checks of columns against the target: copies of it, near copies, and what predicts it too well."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.finding import WARNING, Finding
from automl.core.table import Array, Table
from automl.core.text import share_text
from automl.data.cells.plain import distinct_codes, words
from automl.data.checks.composition import composition_findings
from automl.data.layout import Layout

ALARM = 0.995  # AUC or R² of a single column
AGREEMENT = 0.98  # Cohen's kappa of a near copy of the classes
EQUAL_SHARE = 0.9  # of the rows in a near copy of numbers
_FEW_ROWS = 30
_HEAD = 2_000

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Target:
    """The sampled target: labels or numbers, codes of the distinct values, and whether they are classes."""

    values: npt.NDArray[Any]
    classes: bool

    @cached_property
    def codes(self) -> Codes:
        return np.asarray(pd.factorize(self.values)[0], dtype=np.int64)

    @cached_property
    def scores(self) -> Array:
        return self.codes.astype(np.float64) if self.classes else np.asarray(self.values, dtype=np.float64)

    @cached_property
    def distinct(self) -> int:
        return int(self.codes.max()) + 1


def leak_findings(
    frame: pd.DataFrame, values: npt.NDArray[Any], classes: bool, layout: Layout, table: Table
) -> list[Finding]:
    """Findings about rows, their target and their encoded features, all in one order."""
    target = _Target(values, classes)
    if len(values) < _FEW_ROWS or target.distinct < 2:
        return []
    copies = set(_copies(frame, target, layout))
    found = [_copy(name) for name in layout.inputs if name in copies]
    for more in (_missing_tells, _near_copies):
        told = {str(finding.column) for finding in found}
        found += more(frame, target, layout, told)
    found += _leaks(table, target, {str(finding.column) for finding in found})
    if not classes:
        told = {str(finding.column) for finding in found}
        found += composition_findings(table, np.asarray(values, dtype=np.float64), layout, told)
    return found


def _copy(name: str) -> Finding:
    return Finding(
        "target_copy",
        name,
        WARNING,
        f"Column {name!r} is the target under another name: it was left out.",
        "Take it out of the data: it will not be known when predicting.",
    )


def _copies(frame: pd.DataFrame, target: _Target, layout: Layout) -> Iterable[str]:
    """Input columns whose values correspond one to one to the target's."""
    codes = target.codes
    for name in layout.inputs:
        head = distinct_codes(frame[name].head(_HEAD))
        if not _one_to_one(head, codes[:_HEAD]):
            continue
        inside = pd.factorize(pd.Series(words(frame[name]).to_numpy(zero_copy_only=False), dtype="object"))[0]
        if inside.min() < 0 or not _one_to_one(inside, codes):
            continue
        # where the target hardly repeats any column of different numbers corresponds to it
        if target.distinct > 0.5 * len(codes) and not _same_numbers(frame[name], target.values):
            continue
        yield name


def _one_to_one(first: Codes, second: Codes) -> bool:
    if first.min(initial=0) < 0:
        return False
    pairs = len(np.unique(first * (int(second.max()) + 1) + second))
    return pairs == len(np.unique(first)) == len(np.unique(second))


def _same_numbers(column: pd.Series[Any], values: npt.NDArray[Any]) -> bool:
    if not pd.api.types.is_numeric_dtype(column.dtype) or values.dtype.kind not in "iuf":
        return bool((column.astype(str).to_numpy() == values.astype(str)).all())
    left = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return bool(np.isfinite(left).all()) and _r2(left, values.astype(np.float64)) > 1 - 1e-9


def _near_copies(frame: pd.DataFrame, target: _Target, layout: Layout, told: set[str]) -> Iterable[Finding]:
    """Columns that repeat the target but for a few rows."""
    for name in layout.inputs:
        if name in told:
            continue
        column = frame[name]
        if target.classes:
            share = _agreement(column, target)
            seen = f"tells the class of {share_text(share, 1)} of the rows" if share else ""
        else:
            share = _equal_share(column, target)
            seen = f"equals the target in {share_text(share, 1)} of the rows" if share else ""
        if seen:
            yield Finding(
                "near_copy",
                name,
                WARNING,
                f"Column {name!r} {seen}: a copy of the target with a few changes.",
                f"If it is known only after the outcome, use --drop {name}.",
            )


def _agreement(column: pd.Series[Any], target: _Target) -> float:
    """Share of the rows whose class the column's level tells, for a near copy; else 0."""
    codes = target.codes
    head = distinct_codes(column.head(_HEAD))
    if not 1 <= head.max(initial=-1) <= target.distinct:
        return 0.0
    level = distinct_codes(column) + 1
    if level.max() > target.distinct + 1:  # a level of its own for something new is allowed
        return 0.0
    table = np.bincount(level * target.distinct + codes, minlength=(int(level.max()) + 1) * target.distinct)
    table = table.reshape(-1, target.distinct)
    told = table.argmax(axis=1)[level]
    agreed = float((told == codes).mean())
    shares = np.bincount(codes, minlength=target.distinct) / len(codes)
    by_chance = float((shares * np.bincount(told, minlength=target.distinct) / len(codes)).sum())
    kappa = (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0
    return agreed if kappa >= AGREEMENT else 0.0


def _equal_share(column: pd.Series[Any], target: _Target) -> float:
    """Share of the rows where the column has the target's number, for a near copy; else 0."""
    if not pd.api.types.is_numeric_dtype(column.dtype) or target.distinct < 20:
        return 0.0
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if float(np.mean(values[:100] == target.scores[:100])) < 0.5:
        return 0.0
    share = float(np.mean(values == target.scores))
    most_frequent = np.bincount(target.codes).max() / len(values)
    return share if share >= EQUAL_SHARE and most_frequent < 0.5 else 0.0


def _leaks(table: Table, target: _Target, told: set[str]) -> Iterable[Finding]:
    """Single features that alone predict nearly perfectly."""
    codes, scores, classes = target.codes, target.scores, target.classes
    what = "AUC" if classes else "R²"
    for i, name in enumerate(table.features.numbers):
        column = table.numbers[:, i]
        known = ~np.isnan(column)
        if known.sum() < _FEW_ROWS or name in told:
            continue
        if not known.all():
            score = _auc(column[known], codes[known]) if classes else _r2(column[known], scores[known])
        else:
            score = _auc(column, codes) if classes else _r2(column, scores)
        if score > ALARM:
            yield _leak(name, what, score)
    for i, name in enumerate(table.features.categories):
        if name in told or len(table.features.levels[i]) > len(codes) / 10:
            continue
        column = _level_scores(table.codes[:, i], target)
        score = _auc(column, codes) if classes else _r2(column, scores)
        if score > ALARM:
            yield _leak(name, what, score)


def _leak(name: str, what: str, score: float) -> Finding:
    return Finding(
        "leak",
        name,
        WARNING,
        f"{name!r} alone predicts the target almost perfectly ({what} {score:.4f}).",
        f"If it is known only after the outcome, use --drop {name}.",
    )


def _missing_tells(frame: pd.DataFrame, target: _Target, layout: Layout, told: set[str]) -> Iterable[Finding]:
    """Columns that are filled in, or not, depending on the class."""
    if not target.classes:
        return
    for name in layout.inputs:
        missing = frame[name].isna().to_numpy()
        if name in told or not missing.any():
            continue
        score = _auc(missing.astype(np.float64), target.codes)
        if score > ALARM:
            yield Finding(
                "missing_tells",
                name,
                WARNING,
                f"Whether {name!r} is filled in tells the target almost perfectly (AUC {score:.4f}).",
                f"If it is filled in only after the outcome, use --drop {name}.",
            )


def _auc(column: Array, codes: Codes) -> float:
    """The best one-against-rest area over the frequent classes, whichever the direction."""
    _, inverse, repeats = np.unique(column, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(repeats) - (repeats - 1) / 2)[inverse]  # equal values share their mean rank
    counts = np.bincount(codes)
    frequent = np.argsort(-counts)[:10] if len(counts) > 2 else np.array([0])
    areas = []
    for code in frequent:
        inside = codes == code
        positive, negative = int(inside.sum()), int((~inside).sum())
        if positive < 5 or negative < 5:
            continue
        area = (ranks[inside].sum() - positive * (positive + 1) / 2) / (positive * negative)
        areas.append(max(area, 1 - area))
    # several classes: the column must tell all of them apart from the rest
    return float(min(areas)) if areas else 0.5


def _r2(column: Array, scores: Array) -> float:
    """Squared correlation."""
    if np.ptp(column) == 0 or np.ptp(scores) == 0:
        return 0.0
    return float(np.corrcoef(column, scores)[0, 1] ** 2)


def _level_scores(column: npt.NDArray[np.int32], target: _Target) -> Array:
    """Each row's level as the mean target of that level (the share of the most frequent class)."""
    codes = target.codes
    values = (codes == np.bincount(codes).argmax()).astype(np.float64) if target.classes else target.scores
    level = column.astype(np.int64) + 1
    sums = np.bincount(level, weights=values)
    return np.asarray((sums / np.maximum(np.bincount(level), 1))[level], dtype=np.float64)
