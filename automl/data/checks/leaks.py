"""Checks of columns against the target: copies, near copies, and features that predict it too well."""

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
from automl.core.text import flag, share_text
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
    """The sampled target: labels or numbers, and whether they are classes."""

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
    """Findings about features that give the target away; all arguments have the same rows in one order."""
    target = _Target(values, classes)
    if len(values) < _FEW_ROWS or target.distinct < 2:
        return []
    copies = set(_copies(frame, target, layout))
    findings = [_copy(name) for name in layout.inputs if name in copies]
    for check in (_missing_tells, _near_copies):
        reported = {str(finding.column) for finding in findings}
        findings += check(frame, target, layout, reported)
    findings += _leaks(table, target, {str(finding.column) for finding in findings})
    if not classes:
        reported = {str(finding.column) for finding in findings}
        findings += composition_findings(table, np.asarray(values, dtype=np.float64), layout, reported)
    return findings


def _copy(name: str) -> Finding:
    return Finding(
        "target_copy",
        name,
        WARNING,
        f"Column {name!r} is the target under another name: it was left out.",
        "Remove it from the data: it will not be known when predicting.",
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
        # if the target hardly repeats, any column of distinct numbers corresponds to it
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


def _near_copies(
    frame: pd.DataFrame, target: _Target, layout: Layout, reported: set[str]
) -> Iterable[Finding]:
    """Columns that equal the target except in a few rows."""
    for name in layout.inputs:
        if name in reported:
            continue
        column = frame[name]
        if target.classes:
            share = _agreement(column, target)
            similarity = f"gives the class of {share_text(share, 1)} of the rows" if share else ""
        else:
            share = _equal_share(column, target)
            similarity = f"equals the target in {share_text(share, 1)} of the rows" if share else ""
        if similarity:
            yield Finding(
                "near_copy",
                name,
                WARNING,
                f"Column {name!r} {similarity}: a copy of the target with a few changes.",
                f"If it becomes known only after the outcome, use {flag('drop', name)}.",
            )


def _agreement(column: pd.Series[Any], target: _Target) -> float:
    """Share of the rows whose class follows from the column's level, for a near copy; else 0."""
    codes = target.codes
    head = distinct_codes(column.head(_HEAD))
    if not 1 <= head.max(initial=-1) <= target.distinct:
        return 0.0
    level = distinct_codes(column) + 1
    if level.max() > target.distinct + 1:  # one additional level is allowed
        return 0.0
    table = np.bincount(level * target.distinct + codes, minlength=(int(level.max()) + 1) * target.distinct)
    table = table.reshape(-1, target.distinct)
    predicted = table.argmax(axis=1)[level]
    agreed = float((predicted == codes).mean())
    shares = np.bincount(codes, minlength=target.distinct) / len(codes)
    by_chance = float((shares * np.bincount(predicted, minlength=target.distinct) / len(codes)).sum())
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


def _leaks(table: Table, target: _Target, reported: set[str]) -> Iterable[Finding]:
    """Features that predict the target almost perfectly on their own."""
    codes, scores, classes = target.codes, target.scores, target.classes
    metric = "AUC" if classes else "R²"
    for i, name in enumerate(table.features.numbers):
        column = table.numbers[:, i]
        present = ~np.isnan(column)
        if present.sum() < _FEW_ROWS or name in reported:
            continue
        if not present.all():
            score = (
                _auc(column[present], codes[present]) if classes else _r2(column[present], scores[present])
            )
        else:
            score = _auc(column, codes) if classes else _r2(column, scores)
        if score > ALARM:
            yield _leak(name, metric, score)
    for i, name in enumerate(table.features.categories):
        if name in reported or len(table.features.levels[i]) > len(codes) / 10:
            continue
        column = _level_scores(table.codes[:, i], target)
        score = _auc(column, codes) if classes else _r2(column, scores)
        if score > ALARM:
            yield _leak(name, metric, score)


def _leak(name: str, metric: str, score: float) -> Finding:
    return Finding(
        "leak",
        name,
        WARNING,
        f"{name!r} alone predicts the target almost perfectly ({metric} {score:.4f}).",
        f"If it becomes known only after the outcome, use {flag('drop', name)}.",
    )


def _missing_tells(
    frame: pd.DataFrame, target: _Target, layout: Layout, reported: set[str]
) -> Iterable[Finding]:
    """Columns whose missing values depend on the class."""
    if not target.classes:
        return
    for name in layout.inputs:
        missing = frame[name].isna().to_numpy()
        if name in reported or not missing.any():
            continue
        score = _auc(missing.astype(np.float64), target.codes)
        if score > ALARM:
            yield Finding(
                "missing_tells",
                name,
                WARNING,
                f"Whether {name!r} is filled in predicts the target almost perfectly (AUC {score:.4f}).",
                f"If it is filled in only after the outcome, use {flag('drop', name)}.",
            )


def _auc(column: Array, codes: Codes) -> float:
    """The worst one-against-rest area over the frequent classes, in either direction."""
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
    # with several classes, the column must separate all of them from the rest
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
