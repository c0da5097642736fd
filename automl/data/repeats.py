"""Rows with equal features: duplicates of a record, or combinations of values that recur naturally.

A duplicate reveals the target of its original, so duplicates are kept on the same side of every fold. If
columns have few values, equal rows are different records: a new row will usually equal one of them, and a
fold that holds out all rows of a combination judges something else than new rows (with two binary columns,
the opposite).

Three observations decide, without the target:

- In a column of many fractions, texts or images, a value that few rows have identifies a record: equal rows
  with such a value are duplicates. (If they are not, rows with similar values take their place.) Other rows
  are *open*.
- Combinations are common if most open rows equal another one. That share is also the chance that a new row
  equals a known one (I. J. Good 1953, "The population frequencies of species").
- Values that combine freely produce near misses: pairs of rows that agree in all columns except one are more
  frequent than pairs that agree in all, or the latter are as frequent as by chance, column by column.
  Duplicates produce neither.
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
"""Fractions, texts or images with more distinct values than this may identify a record ..."""
ROWS_PER_VALUE = 5
"""... and so may those with fewer rows per value than this."""
COMMON = 0.05
"""A value that this share of the rows has does not identify a record."""
MOSTLY = 0.5
NEAR_MISSES = 2.0
"""Per pair of equal rows; two columns with two values each have as many."""
BY_CHANCE = 0.1
"""Columns that depend on one another agree more often than by chance, by this factor at most."""
FEW_ROWS = 10
SAMPLE_ROWS = 20_000
SAMPLE_COLUMNS = 50


@dataclass(frozen=True)
class Repeats:
    """Groups of equal rows of a table.

    Attributes
    ----------
    groups:
        ``(rows,)`` numbers; rows with equal features share one.
    natural:
        ``(rows,)`` whether a row equals others as a common combination of values, not as a duplicate.
    """

    groups: Rows
    natural: Mask

    @property
    def repeated(self) -> int:
        """Number of rows that equal an earlier one."""
        return len(self.groups) - int(self.groups.max(initial=-1)) - 1

    @property
    def combinations(self) -> int:
        """Number of distinct rows among the natural ones."""
        return len(np.unique(self.groups[self.natural]))

    @property
    def copies(self) -> int:
        """Number of rows that are duplicates of an earlier one."""
        return self.repeated - (int(self.natural.sum()) - self.combinations)

    @property
    def described(self) -> str:
        """A description of the natural rows, for people."""
        rows, count = int(self.natural.sum()), self.combinations
        return f"{rows:,} rows repeat {counted(count, 'combination')} of values"

    @property
    def together(self) -> Rows | None:
        """Groups of rows to keep in one fold, with natural rows alone; None without duplicates."""
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
        Plans of the columns: features of one column, such as year and month of a date, count as one.
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
    """Mask of the rows without a value that identifies a record."""
    is_open = np.ones(table.rows, dtype=np.bool_)
    sample = _spread(np.arange(table.rows), SAMPLE_ROWS)
    columns = (*table.numbers.T, *table.words)
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
    """Hashes of the cells of each column, which can be added and subtracted in any order."""
    source = {name: plan.column for plan in plans for name in plan.names}
    names = table.features.names
    hashes: dict[str, Hashes] = {}
    for i, column in enumerate(table.columns):
        codes = pd.factorize(column, use_na_sentinel=False)[0].astype(np.uint64)
        salt = pd.util.hash_array(np.array([i], dtype=np.uint64))
        of_column = source.get(names[i], names[i])
        hashes[of_column] = hashes.get(of_column, np.uint64(0)) + pd.util.hash_array(codes + salt)
    return list(hashes.values())


def _combine_freely(hashes: list[Hashes]) -> bool:
    """Return whether equal rows arise from freely combining values."""
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
    """A random choice of at most ``most`` numbers, in their order."""
    if len(numbers) <= most:
        return numbers
    return np.sort(np.random.default_rng(0).choice(numbers, most, replace=False))


def _pairs(values: Hashes) -> float:
    """Number of pairs of equal values."""
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float(np.sum(counts * (counts - 1) / 2))
