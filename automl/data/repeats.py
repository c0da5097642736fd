"""Rows with equal features: copies of one record, or combinations of values that come again by nature.

A copy tells a model what its original is, so copies are kept on one side of every fold. Where columns have
few values, equal rows are different records: a new row will mostly equal one of them, and a fold that holds
out all rows of a combination judges something else than new rows (with two binary columns, the opposite).

Three observations decide, none of which reads the target:

- In a column of many fractions, texts or images, a value that few rows have singles a record out: rows that
  agree in it too are copies. (Where they are not, rows with values nearby stand in for them.) Other rows are
  *open*.
- Combinations are common where most open rows equal another one. That share is also the chance that a new row
  equals one that is known (I. J. Good 1953, "The population frequencies of species").
- Values that combine freely make near misses: pairs of rows that agree in all columns but one are more
  frequent than pairs that agree in all, or these are as frequent as chance makes them, column by column.
  Copies make neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.table import Rows, Table
from automl.core.text import counted
from automl.data.columns.plans import Plan
from automl.data.digest import Hashes, duplicate_groups

Mask = npt.NDArray[np.bool_]

MANY_VALUES = 100
"""Fractions, texts or images with more different values than this may single a record out ..."""
ROWS_PER_VALUE = 5
"""... and so may those with fewer rows than this for each of their values."""
COMMON = 0.05
"""A value that this share of the rows has singles out none of them."""
MOSTLY = 0.5
NEAR_MISSES = 2.0
"""Per pair of equal rows: two columns with two values each make as many."""
BY_CHANCE = 0.1
"""Columns that depend on one another agree more often than chance has it, by this factor at most."""
FEW_ROWS = 10
SAMPLE_ROWS = 20_000
SAMPLE_COLUMNS = 50


@dataclass(frozen=True)
class Repeats:
    """Which rows of a table equal which.

    Attributes
    ----------
    groups:
        ``(rows,)`` numbers; rows with equal features share one.
    natural:
        ``(rows,)`` whether the row equals others as a combination of values that is common, not as a copy.
    """

    groups: Rows
    natural: Mask

    @property
    def repeated(self) -> int:
        """Number of rows that equal an earlier one."""
        return len(self.groups) - int(self.groups.max(initial=-1)) - 1

    @property
    def combinations(self) -> int:
        """Number of different rows among the natural ones."""
        return len(np.unique(self.groups[self.natural]))

    @property
    def copies(self) -> int:
        """Number of rows that equal an earlier one and are copies of it."""
        return self.repeated - (int(self.natural.sum()) - self.combinations)

    @property
    def described(self) -> str:
        """What the natural rows are, for people."""
        rows, count = int(self.natural.sum()), self.combinations
        return f"{rows:,} rows repeat {counted(count, 'combination')} of values"

    @property
    def together(self) -> Rows | None:
        """Group numbers by which to deal the rows into folds, a natural row alone; None without copies."""
        if not self.copies:
            return None
        if not self.natural.any():
            return self.groups
        alone = len(self.groups) + np.cumsum(self.natural)
        return np.asarray(pd.factorize(np.where(self.natural, alone, self.groups))[0], dtype=np.int64)


def find_repeats(table: Table, plans: Iterable[Plan] = ()) -> Repeats:
    """Equal rows of a table, and which of them are natural.

    Parameters
    ----------
    plans:
        Of the user's columns: features of one column, such as the year and the month of a date, count as one.
    """
    groups = duplicate_groups(table)
    sizes = np.bincount(groups)
    has_equal = sizes[groups] > 1
    nothing = Repeats(groups, np.zeros(len(groups), dtype=np.bool_))
    if has_equal.sum() < FEW_ROWS:
        return nothing
    is_open = _open_rows(table, has_equal)
    natural = is_open & has_equal
    if natural.sum() < FEW_ROWS or natural.sum() <= MOSTLY * is_open.sum():
        return nothing
    part = table.take(_spread(np.flatnonzero(is_open), SAMPLE_ROWS))
    return Repeats(groups, natural) if _combine_freely(_column_hashes(part, plans)) else nothing


def _open_rows(table: Table, has_equal: Mask) -> Mask:
    """Rows that no value singles out."""
    is_open = np.ones(table.rows, dtype=np.bool_)
    sample = _spread(np.arange(table.rows), SAMPLE_ROWS)
    columns = (*table.numbers.T, *table.texts, *table.images)
    for i, column in enumerate(columns):
        if not (is_open & has_equal).any():
            break
        codes, values = pd.factorize(column[sample], use_na_sentinel=False)
        if len(values) <= min(MANY_VALUES, len(sample) / ROWS_PER_VALUE):
            continue
        if i < table.numbers.shape[1] and _are_whole(values):
            continue
        counts = np.bincount(codes)
        common = values[(counts >= COMMON * len(sample)) & (counts >= FEW_ROWS)]
        is_open &= np.asarray(pd.Series(column).isin(common))
    return is_open


def _are_whole(values: npt.NDArray[np.generic]) -> bool:
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    return bool((finite == np.floor(finite)).all())


def _column_hashes(table: Table, plans: Iterable[Plan]) -> list[Hashes]:
    """Hashes of the cells of each of the user's columns, which may be added and taken away in any order."""
    source = {
        name: plan.column
        for plan in plans
        for name in (*plan.number_names, *plan.category_names, *plan.text_names, *plan.image_names)
    }
    features = table.features
    names = (*features.numbers, *features.categories, *features.texts, *features.images)
    hashes: dict[str, Hashes] = {}
    for i, column in enumerate((*table.numbers.T, *table.codes.T, *table.texts, *table.images)):
        codes = pd.factorize(column, use_na_sentinel=False)[0].astype(np.uint64)
        salt = pd.util.hash_array(np.array([i], dtype=np.uint64))
        of_column = source.get(names[i], names[i])
        hashes[of_column] = hashes.get(of_column, np.uint64(0)) + pd.util.hash_array(codes + salt)
    return list(hashes.values())


def _combine_freely(hashes: list[Hashes]) -> bool:
    """Whether equal rows are what the columns' values make of themselves."""
    rows = len(hashes[0])
    whole: Hashes = np.sum(np.stack(hashes), axis=0, dtype=np.uint64)
    equal = _pairs(whole)
    pairs = rows * (rows - 1) / 2
    expected = pairs * float(np.exp(sum(np.log(max(_pairs(column) / pairs, 1e-300)) for column in hashes)))
    if expected >= BY_CHANCE * equal:
        return True
    some = _spread(np.arange(len(hashes)), SAMPLE_COLUMNS)
    near = sum(_pairs(whole - hashes[i]) - equal for i in some) * len(hashes) / len(some)
    return bool(near >= NEAR_MISSES * equal)


def _spread(numbers: Rows, most: int) -> Rows:
    """At most that many of them, a random part, in their order."""
    if len(numbers) <= most:
        return numbers
    return np.sort(np.random.default_rng(0).choice(numbers, most, replace=False))


def _pairs(values: Hashes) -> float:
    """Number of pairs of equal values."""
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float(np.sum(counts * (counts - 1) / 2))
