"""Levels of categories: counted, bounded, ordered."""

from __future__ import annotations

import pyarrow.compute as pc

from automl.data.cells import NUMBER, Words
from automl.data.dates import natural_order

MAXIMUM = 2_000
KEEP_ALL = 50  # up to so many levels even those seen once are kept


def count_levels(text: Words) -> dict[str, int]:
    """Rows per distinct word, most frequent first (ties by text)."""
    counted = pc.value_counts(text.drop_null())
    words, counts = counted.field(0).to_pylist(), counted.field(1).to_pylist()
    return dict(sorted(zip(words, counts, strict=True), key=lambda item: (-item[1], item[0])))


def bounded_levels(counts: dict[str, int]) -> tuple[tuple[str, ...], bool]:
    """The levels to keep, in order, and whether rare ones were cut.

    Of more than 50 levels those seen once are cut (nothing can be learned from them), of more than
    2,000 the rarest.
    """
    kept = list(counts)
    if len(kept) > KEEP_ALL:
        kept = [level for level in kept if counts[level] > 1][:MAXIMUM]
    return ordered(kept), len(kept) < len(counts)


def ordered(levels: list[str]) -> tuple[str, ...]:
    """Months and weekdays as the calendar has them, numbers by value, all else by text."""
    natural = natural_order(levels)
    if natural is not None:
        return tuple(natural)
    if levels and all(NUMBER.match(level) for level in levels):
        return tuple(sorted(levels, key=lambda level: (float(level), level)))
    return tuple(sorted(levels))
