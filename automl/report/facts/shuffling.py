"""Shuffle columns of held-out rows, alone and in groups: which ones a model needs, within a given time.

Every column has its turn before any has a second: one by one where the time is enough for that, else in
groups, of which those that matter most are split again and again (group testing: Dorfman, The Detection of
Defective Members of Large Populations, 1943; adaptive halving: Hwang, 1972).
"""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.table import Table
from automl.data.layout import Layout

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
Predict = Callable[[Table, Rows], Array]
Piece = tuple[str, int]
"""Kind and place of a feature of a table."""
_BLOCK_ROWS = 40_000
_BLOCK_SECONDS = 0.5
_BLOCK_CALLS = 4.0  # a block takes as long as so many calls of next to no rows, or longer
_TIMED = (10, 30, 100, 400)
_TIMED_SHARE, _SECOND_SHARE = 0.05, 0.2
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True)
class Column:
    """A column of the user's data, with the features that were made of it."""

    name: str
    kind: str
    pieces: tuple[Piece, ...]


Group = tuple[Column, ...]


def columns_of(table: Table, layout: Layout) -> list[Column]:
    """The user's columns that can be shuffled; images are not among them.

    What the layout does not know, such as the difference of two dates, is a column of its own.
    """
    features, plans = table.features, layout.plans
    kinds = {column.name: str(column.kind) for column in layout.columns}
    owners: dict[str, tuple[tuple[str, ...], list[str]]] = {
        "number": (features.numbers, [plan.column for plan in plans for _ in plan.number_names]),
        "category": (features.categories, [plan.column for plan in plans for _ in plan.category_names]),
        "text": (features.texts, [plan.column for plan in plans for _ in plan.text_names]),
    }
    found: dict[tuple[str, bool], list[Piece]] = {}
    for kind, (names, known) in owners.items():
        for place, name in enumerate(names):
            owned = place < len(known)
            found.setdefault((known[place] if owned else name, owned), []).append((kind, place))
    return [
        Column(name, kinds.get(name, pieces[0][0]) if owned else pieces[0][0], tuple(pieces))
        for (name, owned), pieces in found.items()
    ]


def piece_name(table: Table, column: Column, piece: Piece) -> str:
    """The column's name, and which part of it this is where it has several: ``Ticket, its number part``."""
    if len(column.pieces) == 1:
        return column.name
    kind, place = piece
    features = table.features
    own = {"number": features.numbers, "category": features.categories, "text": features.texts}[kind][place]
    if column.kind == "date":
        return own
    alike = [other for other in column.pieces if other[0] == kind]
    number = f"{_ORDINALS[alike.index(piece)]} " if 1 < len(alike) <= len(_ORDINALS) else ""
    return f"{column.name}, its {number}{kind} part"


def piece_values(table: Table, piece: Piece) -> npt.NDArray[Any]:
    """Numbers, codes or texts, ``(rows,)``."""
    kind, place = piece
    if kind == "number":
        return np.asarray(table.numbers[:, place])
    if kind == "category":
        return np.asarray(table.codes[:, place])
    return table.texts[place]


def put_values(table: Table, piece: Piece, part: slice, values: Any) -> None:
    """Write into a table that the caller copied."""
    kind, place = piece
    if kind == "number":
        table.numbers[part, place] = values
    elif kind == "category":
        table.codes[part, place] = values
    else:
        table.texts[place][part] = values


@dataclass
class Pace:
    """What predictions take, as last seen: seconds of every call, and of every row in it."""

    each: float
    call: float = 0.0

    @classmethod
    def measured(cls, predict: Predict, table: Table, seconds: float) -> Pace:
        """On ten rows, and on more of them where that is a small part of ``seconds``.

        A row before that is not counted: the first call opens the models and imports their libraries.
        """
        predict(table.take(np.arange(1)), np.arange(1))
        seen: list[tuple[int, float]] = []
        pace = cls(0.0)
        for count in _TIMED:
            few = np.arange(min(count, table.rows))
            share = _SECOND_SHARE if len(seen) == 1 else _TIMED_SHARE
            if seen and (len(few) == seen[-1][0] or pace.takes(len(few)) > share * seconds):
                break
            began = time.monotonic()
            predict(table.take(few), few)
            seen.append((len(few), time.monotonic() - began))
            pace = cls._between(seen[-2:])
        return pace

    @classmethod
    def _between(cls, seen: list[tuple[int, float]]) -> Pace:
        """Of one measurement all is the rows'; of two, what grew with them."""
        rows, latest = seen[-1]
        if len(seen) == 1:
            return cls(max(latest / rows, 1e-7))
        fewer, before = seen[0]
        each = max((latest - before) / (rows - fewer), 0.1 * latest / rows, 1e-7)
        return cls(each, max(0.0, latest - each * rows))

    @property
    def block(self) -> float:
        """How many rows a call is given at most."""
        seconds = max(_BLOCK_SECONDS, _BLOCK_CALLS * self.call)
        return min(_BLOCK_ROWS, max(1.0, (seconds - self.call) / self.each))

    def takes(self, rows: float) -> float:
        """Seconds for so many rows in one call."""
        return self.call + self.each * rows

    def affords(self, until: float) -> float:
        """How many rows can be predicted until then (monotonic seconds), in blocks."""
        left = until - time.monotonic()
        if left <= self.takes(self.block):
            return max(0.0, (left - self.call) / self.each)
        return left / (self.each + self.call / self.block)

    def saw(self, rows: int, seconds: float) -> None:
        """Take in what a call took, half."""
        factor = (1.0 + seconds / self.takes(rows)) / 2
        self.each, self.call = max(self.each * factor, 1e-7), self.call * factor


@dataclass(kw_only=True)
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
    seed: int
    base: Array = field(init=False, repr=False)
    times: Counter[Group] = field(init=False, default_factory=Counter, repr=False)

    def __post_init__(self) -> None:
        """Predict the rows as they are."""
        self.base = self.predict(self.table, self.places)

    def affords(self, until: float) -> int:
        """How many shuffles until then (monotonic seconds), up to a million."""
        return int(min(1e6, self.pace.affords(until) / self.table.rows))

    def shuffled(self, groups: Sequence[Group], until: float) -> list[Array]:
        """Predictions with each group's columns shuffled, by one order; fewer where the time ends.

        Several groups go into one call, for models that like blocks. The orders depend on the seed, the
        group, and how often it was shuffled, not on what else was.
        """
        rows, found = self.table.rows, list[Array]()
        while len(found) < len(groups):
            most = int(self.pace.block / rows)
            block = groups[len(found) : len(found) + max(1, most)]
            if self.pace.affords(until) < rows * len(block):
                break
            wide = self.table.take(np.tile(np.arange(rows), len(block)))
            for number, group in enumerate(block):
                order = self._order(group)
                part = slice(number * rows, (number + 1) * rows)
                for piece in (piece for column in group for piece in column.pieces):
                    put_values(wide, piece, part, piece_values(self.table, piece)[order])
            began = time.monotonic()
            predicted = self.predict(wide, np.tile(self.places, len(block)))
            self.pace.saw(rows * len(block), time.monotonic() - began)
            found += [predicted[number * rows : (number + 1) * rows] for number in range(len(block))]
        return found

    def _order(self, group: Group) -> Rows:
        self.times[group] += 1
        pieces = repr([column.pieces for column in group])
        key = [self.seed, zlib.crc32(pieces.encode()), self.times[group]]
        return np.random.default_rng(key).permutation(self.table.rows)


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
    order = np.random.default_rng(shuffler.seed).permutation(len(columns))
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
