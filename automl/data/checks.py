"""The data doctor: what may be wrong with a data set, how bad it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.data.cells import words
from automl.data.digest import duplicate_groups
from automl.data.layout import Layout
from automl.data.names import listed
from automl.data.table import Array, Kind, Table

SAMPLE = 20_000
ALARM = 0.995
_FEW_ROWS = 30


@dataclass(frozen=True)
class Finding:
    """One thing to know about the data.

    Attributes
    ----------
    code:
        ``constant``, ``id``, ``target_copy``, ``leak``, ``duplicates``, ``imbalance``, ``rare_classes``,
        ``mixed_types``, ``missing``.
    column:
        The column it is about, if it is about one.
    severity:
        ``note`` or ``warning``.
    evidence, remedy:
        What was seen, and what to do; sentences for people.
    """

    code: str
    column: str | None
    severity: str
    evidence: str
    remedy: str = ""


class HasLabels(Protocol):
    """What the checks need to know of a task."""

    @property
    def labels(self) -> tuple[Any, ...]:
        """Classes; empty for numbers."""
        ...


def check_frame(
    frame: pd.DataFrame, values: npt.NDArray[Any], task: HasLabels, layout: Layout
) -> tuple[Finding, ...]:
    """Everything worth knowing about clean training rows and their target, warnings first.

    Large data is sampled (20,000 rows).

    Parameters
    ----------
    values:
        ``(rows,)`` labels or numbers, as :func:`automl.data.target.clean_target` gives them.
    """
    codes, scores = _target_numbers(values, bool(task.labels))
    findings = [*_left_out(layout), *_classes(values, bool(task.labels)), *_missing(frame, layout)]
    rows = np.arange(len(frame))
    if len(rows) > SAMPLE:
        rows = np.sort(np.random.default_rng(0).choice(rows, SAMPLE, replace=False))
    sample = frame.iloc[rows]
    copies = set(_copies(sample, codes[rows], layout, values[rows]))
    findings += [
        Finding(
            "target_copy",
            name,
            "warning",
            f"Column {name!r} is the target under another name: it was left out.",
            "Take it out of the data: it will not be known when predicting.",
        )
        for name in copies
    ]
    table = layout.encode(sample).table
    findings += _leaks(table, codes[rows], scores[rows], bool(task.labels), copies)
    findings += _duplicates(layout.encode(frame).table if len(rows) < len(frame) else table)
    findings += _mixed_types(layout)
    return tuple(sorted(findings, key=lambda finding: finding.severity != "warning"))


def _target_numbers(values: npt.NDArray[Any], classes: bool) -> tuple[npt.NDArray[np.int64], Array]:
    """Codes of the distinct values, and the values as numbers (codes for classes)."""
    codes = np.asarray(pd.factorize(values)[0], dtype=np.int64)
    scores = codes.astype(np.float64) if classes else np.asarray(values, dtype=np.float64)
    return codes, scores


def _left_out(layout: Layout) -> Iterable[Finding]:
    for kind, what in ((Kind.CONSTANT, "tell nothing apart"), (Kind.ID, "only name rows")):
        for column in layout.columns:
            if column.kind is kind and column.reason not in ("left out on request", "asked for"):
                yield Finding(
                    str(kind),
                    column.name,
                    "note",
                    f"Column {column.name!r} is left out ({column.reason}).",
                    f"Columns that {what} are not used; --keep {column.name} keeps it.",
                )


def _classes(values: npt.NDArray[Any], classes: bool) -> Iterable[Finding]:
    if not classes:
        return
    codes, distinct = pd.factorize(values)
    counts = np.bincount(codes)
    shares = counts / counts.sum()
    if (shares.min() < 0.1 and len(counts) == 2) or shares.max() > 0.9:
        rarest = distinct[int(counts.argmin())]
        yield Finding(
            "imbalance",
            None,
            "warning" if shares.min() < 0.01 else "note",
            f"The classes are far from equal: {rarest!s} holds {shares.min():.2%} of the rows.",
            "Judge by roc_auc, average_precision or f1 rather than accuracy.",
        )
    few = [str(distinct[i]) for i in np.argsort(counts) if counts[i] < 10]
    if few:
        yield Finding(
            "rare_classes",
            None,
            "warning",
            f"{len(few)} of {len(counts)} classes have fewer than 10 rows: {listed(few)}.",
            "Scores of these classes are mostly luck; collect more rows or join classes.",
        )


def _missing(frame: pd.DataFrame, layout: Layout) -> Iterable[Finding]:
    shares = frame[list(layout.inputs)].isna().mean()
    for name, share in shares[shares > 0.5].items():
        yield Finding(
            "missing",
            str(name),
            "note",
            f"Column {name!r} is missing in {share:.0%} of the rows.",
            "Check that it is filled the same way when predicting.",
        )


def _copies(
    frame: pd.DataFrame, codes: npt.NDArray[np.int64], layout: Layout, values: npt.NDArray[Any]
) -> Iterable[str]:
    """Input columns whose values correspond one to one to the target's."""
    distinct = int(codes.max()) + 1
    if len(codes) < _FEW_ROWS or distinct < 2:
        return
    for name in layout.inputs:
        head = pd.factorize(frame[name].head(2000))[0]
        if not _one_to_one(head, codes[:2000]):
            continue
        inside = pd.factorize(pd.Series(words(frame[name]).to_numpy(zero_copy_only=False), dtype="object"))[0]
        if inside.min() < 0 or not _one_to_one(inside, codes):
            continue
        # where the target hardly repeats any column of different numbers corresponds to it
        if distinct > 0.5 * len(codes) and not _same_numbers(frame[name], values):
            continue
        yield name


def _one_to_one(first: npt.NDArray[np.intp], second: npt.NDArray[np.int64]) -> bool:
    if first.min(initial=0) < 0:
        return False
    pairs = len(np.unique(first.astype(np.int64) * (int(second.max()) + 1) + second))
    return pairs == len(np.unique(first)) == len(np.unique(second))


def _same_numbers(column: pd.Series[Any], values: npt.NDArray[Any]) -> bool:
    if not pd.api.types.is_numeric_dtype(column.dtype) or values.dtype.kind not in "iuf":
        return bool((column.astype(str).to_numpy() == values.astype(str)).all())
    left = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return bool(abs(np.corrcoef(left, values.astype(np.float64))[0, 1]) > 1 - 1e-9)


def _leaks(
    table: Table, codes: npt.NDArray[np.int64], scores: Array, classes: bool, copies: set[str]
) -> Iterable[Finding]:
    """Single features that alone predict nearly perfectly."""
    if len(codes) < _FEW_ROWS:
        return
    what = "AUC" if classes else "R²"
    for i, name in enumerate(table.features.numbers):
        column = table.numbers[:, i]
        known = ~np.isnan(column)
        if known.sum() < _FEW_ROWS or name in copies:
            continue
        score = _auc(column[known], codes[known]) if classes else _r2(column[known], scores[known])
        if score > ALARM:
            yield _leak(name, what, score)
    for i, name in enumerate(table.features.categories):
        if name in copies or len(table.features.levels[i]) > len(codes) / 10:
            continue
        column = _level_scores(table.codes[:, i], codes, scores, classes)
        score = _auc(column, codes) if classes else _r2(column, scores)
        if score > ALARM:
            yield _leak(name, what, score)


def _leak(name: str, what: str, score: float) -> Finding:
    return Finding(
        "leak",
        name,
        "warning",
        f"{name!r} alone predicts the target almost perfectly ({what} {score:.4f}).",
        f"If it is known only after the outcome, use --drop {name}.",
    )


def _auc(column: Array, codes: npt.NDArray[np.int64]) -> float:
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


def _level_scores(
    column: npt.NDArray[np.int32], codes: npt.NDArray[np.int64], scores: Array, classes: bool
) -> Array:
    """Each row's level as the mean target of that level (the share of the most frequent class)."""
    target = (codes == np.bincount(codes).argmax()).astype(np.float64) if classes else scores
    level = column.astype(np.int64) + 1
    sums = np.bincount(level, weights=target)
    return np.asarray((sums / np.maximum(np.bincount(level), 1))[level], dtype=np.float64)


def _duplicates(table: Table) -> Iterable[Finding]:
    groups = duplicate_groups(table)
    repeated = len(groups) - len(np.unique(groups))
    if repeated:
        yield Finding(
            "duplicates",
            None,
            "warning" if repeated > 0.05 * len(groups) else "note",
            f"{repeated} of {len(groups)} rows ({repeated / len(groups):.1%}) repeat the inputs of another.",
            "They stay in one fold, so that no row is judged by its own copy.",
        )


def _mixed_types(layout: Layout) -> Iterable[Finding]:
    for column in layout.columns:
        if "mixed types" in column.reason:
            yield Finding(
                "mixed_types",
                column.name,
                "warning",
                f"Column {column.name!r} holds several types ({column.reason}).",
                f"Clean it, or use --kind {column.name}=number to count what is no number as missing.",
            )
