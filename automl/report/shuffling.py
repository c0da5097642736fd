"""Shuffle columns of held-out rows, alone and in groups: which ones a model needs, within a given time.

Every column has its turn before any has a second: one by one where the time is enough for that, else in
groups, of which those that matter most are split again and again (group testing: Dorfman, The Detection of
Defective Members of Large Populations, 1943; adaptive halving: Hwang, 1972).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.data.table import Table

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Predict = Callable[[Table, Rows], Array]
Column = tuple[str, int]
Group = tuple[Column, ...]
_BLOCK_ROWS = 40_000
_BLOCK_SECONDS = 0.5
_TIMED = (10, 100, 400)
_TIMED_SHARE = 0.05


def columns_of(table: Table) -> list[Column]:
    """Kind and place of every feature that can be shuffled; images are not among them."""
    features = table.features
    return [
        *(("number", i) for i in range(len(features.numbers))),
        *(("category", i) for i in range(len(features.categories))),
        *(("text", i) for i in range(len(features.texts))),
    ]


def column_name(table: Table, column: Column) -> str:
    """As the data names it."""
    kind, place = column
    names = {
        "number": table.features.numbers,
        "category": table.features.categories,
        "text": table.features.texts,
    }
    return names[kind][place]


def column_values(table: Table, column: Column) -> npt.NDArray[Any]:
    """Numbers, codes or texts, ``(rows,)``."""
    kind, place = column
    if kind == "number":
        return np.asarray(table.numbers[:, place])
    if kind == "category":
        return np.asarray(table.codes[:, place])
    return table.texts[place]


def put_values(table: Table, column: Column, part: slice, values: Any) -> None:
    """Write into a table that the caller copied."""
    kind, place = column
    if kind == "number":
        table.numbers[part, place] = values
    elif kind == "category":
        table.codes[part, place] = values
    else:
        table.texts[place][part] = values


@dataclass
class Pace:
    """What one row's prediction takes, as last seen."""

    each: float

    @classmethod
    def measured(cls, predict: Predict, table: Table, seconds: float) -> Pace:
        """On ten rows, and on more of them where that is a small part of ``seconds``: calls cost, too."""
        pace = cls(0.0)
        for rows in _TIMED:
            few = np.arange(min(rows, table.rows))
            if pace.each * len(few) > _TIMED_SHARE * seconds:
                break
            began = time.monotonic()
            predict(table.take(few), few)
            pace.each = max((time.monotonic() - began) / len(few), 1e-7)
        return pace

    def affords(self, until: float) -> float:
        """How many rows can be predicted until then (monotonic seconds)."""
        return max(0.0, (until - time.monotonic()) / self.each)


@dataclass
class Shuffler:
    """Predictions of a table's rows with some columns' values shuffled among them.

    Attributes
    ----------
    places:
        Of the table's rows, as ``predict`` takes them.
    """

    predict: Predict
    table: Table
    places: Rows
    pace: Pace
    rng: np.random.Generator
    base: Array = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Predict the rows as they are."""
        self.base = self.predict(self.table, self.places)

    @property
    def seconds(self) -> float:
        """What one shuffle takes."""
        return self.table.rows * self.pace.each

    def affords(self, until: float) -> int:
        """How many shuffles until then (monotonic seconds), up to a million."""
        return int(min(1e6, self.pace.affords(until) / self.table.rows))

    def shuffled(self, groups: Sequence[Group], until: float) -> list[Array]:
        """Predictions with each group's columns shuffled, by one order; fewer where the time ends.

        Several groups go into one call, for models that like blocks.
        """
        rows, found = self.table.rows, list[Array]()
        while len(found) < len(groups):
            most = min(_BLOCK_ROWS // rows, int(_BLOCK_SECONDS / self.seconds))
            block = groups[len(found) : len(found) + max(1, most)]
            if self.pace.affords(until) < rows * len(block):
                break
            wide = self.table.take(np.tile(np.arange(rows), len(block)))
            for number, group in enumerate(block):
                order = self.rng.permutation(rows)
                for column in group:
                    part = slice(number * rows, (number + 1) * rows)
                    put_values(wide, column, part, column_values(self.table, column)[order])
            began = time.monotonic()
            predicted = self.predict(wide, np.tile(self.places, len(block)))
            latest = (time.monotonic() - began) / (rows * len(block))
            self.pace.each = max((self.pace.each + latest) / 2, 1e-7)
            found += [predicted[number * rows : (number + 1) * rows] for number in range(len(block))]
        return found


def screened(
    shuffler: Shuffler, columns: Sequence[Column], drop: Callable[[Array], float], until: float
) -> dict[Group, Array]:
    """Groups that are all columns together, each with the predictions when it is shuffled.

    Parameters
    ----------
    drop:
        How much worse predictions are than those of the rows as they are.

    Returns
    -------
    dict
        Empty where the time is not enough for a single group.
    """
    count = _first_groups(len(columns), shuffler.affords(until))
    order = shuffler.rng.permutation(len(columns))
    groups: list[Group] = [
        tuple(columns[place] for place in sorted(part)) for part in np.array_split(order, count)
    ]
    found = dict(zip(groups, shuffler.shuffled(groups, until), strict=False))
    if not found:
        return {}
    if len(found) < len(groups):  # slower than it seemed: the others have their turn together
        rest: Group = tuple(column for group in groups[len(found) :] for column in group)
        found[rest] = shuffler.shuffled([rest], float("inf"))[0]
    drops = {group: drop(predictions) for group, predictions in found.items()}
    while True:
        split = [group for group in sorted(drops, key=lambda group: -drops[group]) if len(group) > 1]
        split = [group for group in split if drops[group] > 0]
        left = shuffler.affords(until) // 2
        chosen = split[: max(1, min(left // 4, len(split) // 2))]
        halves = [half for group in chosen for half in _halves(group)]
        made = shuffler.shuffled(halves, until) if left else []
        if not halves or len(made) < len(halves):
            return found
        for group in chosen:
            del found[group], drops[group]
        for half, predictions in zip(halves, made, strict=True):
            found[half], drops[half] = predictions, drop(predictions)


def _halves(group: Group) -> tuple[Group, Group]:
    middle = len(group) // 2
    return group[:middle], group[middle:]


def _first_groups(columns: int, affordable: int) -> int:
    """One per column where that can be afforded, else as many as leave time to halve some to the end."""
    if affordable >= columns:
        return columns
    counts = [n for n in range(2, columns) if n + 3 * np.log2(columns / n) <= affordable]
    return max(counts, default=min(2, columns))
