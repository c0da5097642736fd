"""Levels of categories: counting, limiting, ordering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from automl.data.cells.dates import natural_order
from automl.data.cells.plain import NUMBER, Words

MAXIMUM = 2_000
KEEP_ALL = 50  # with so many levels or fewer, even those that occur once are kept


@dataclass(frozen=True)
class Counted:
    """Distinct words in order of first appearance, and the number of rows of each."""

    words: Words
    rows: npt.NDArray[np.int64]

    @property
    def distinct(self) -> int:
        """Number of different words."""
        return len(self.rows)

    @property
    def total(self) -> int:
        """Number of words that are not missing."""
        return int(self.rows.sum())

    def covered(self, levels: tuple[str, ...]) -> float:
        """Share of the words that are among these levels."""
        inside = pc.is_in(self.words, value_set=pa.array(levels, self.words.type))
        return float(self.rows[inside.to_numpy(zero_copy_only=False)].sum()) / max(1, self.total)


def count_levels(text: Words) -> Counted:
    """Count the rows of each distinct word; nulls are not counted."""
    counted = pc.value_counts(text.drop_null())
    return Counted(counted.field(0), counted.field(1).to_numpy().astype(np.int64))


def bounded_levels(counts: Counted) -> tuple[tuple[str, ...], bool]:
    """The levels to keep, in order, and whether rare ones were cut.

    With more than 50 levels, those that occur once are cut (nothing can be learned from them); with more
    than 2,000, the rarest.
    """
    places = np.arange(counts.distinct)
    if len(places) > KEEP_ALL:
        places = np.argsort(-counts.rows, kind="stable")[:MAXIMUM]
        places = places[counts.rows[places] > 1]
    return ordered(counts.words.take(pa.array(places)).to_pylist()), len(places) < counts.distinct


def ordered(levels: list[str]) -> tuple[str, ...]:
    """Levels in order: months and weekdays by the calendar, numbers by value, others by their text."""
    natural = natural_order(levels)
    if natural is not None:
        return tuple(natural)
    if levels and all(NUMBER.match(level) for level in levels):
        return tuple(sorted(levels, key=lambda level: (float(level), level)))
    return tuple(sorted(levels))
