"""Shuffle columns of held-out rows, alone and in groups, to find those a model needs within a given time.

Every column has its turn before any has a second: one by one if there is enough time, otherwise in groups,
of which those that matter most are split again and again (group testing: Dorfman, The Detection of
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
_BLOCK_CALLS = 4.0  # a block takes at least as long as this many calls with almost no rows
_TIMED = (10, 30, 100, 400)
_TIMED_SHARE, _SECOND_SHARE = 0.05, 0.2
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True)
class ShuffledColumn:
    """A column of the user's data, with the features that were made from it."""

    name: str
    kind: str
    pieces: tuple[Piece, ...]


Group = tuple[ShuffledColumn, ...]


def columns_of(table: Table, layout: Layout) -> list[ShuffledColumn]:
    """The user's columns that can be shuffled; images cannot.

    A feature that the layout does not know, such as the difference of two dates, is a column of its own.
    """
    features, plans = table.features, layout.plans
    kinds = {column.name: str(column.kind) for column in layout.columns}
    owners: dict[str, tuple[tuple[str, ...], list[str]]] = {
        "number": (features.numbers, [plan.column for plan in plans for _ in plan.number_names]),
        "category": (features.categories, [plan.column for plan in plans for _ in plan.category_names]),
        "text": (features.texts, [plan.column for plan in plans for _ in plan.text_names]),
    }
    pieces_of: dict[tuple[str, bool], list[Piece]] = {}
    for kind, (names, columns) in owners.items():
        for place, name in enumerate(names):
            owned = place < len(columns)
            pieces_of.setdefault((columns[place] if owned else name, owned), []).append((kind, place))
    return [
        ShuffledColumn(name, kinds.get(name, pieces[0][0]) if owned else pieces[0][0], tuple(pieces))
        for (name, owned), pieces in pieces_of.items()
    ]


def piece_name(table: Table, column: ShuffledColumn, piece: Piece) -> str:
    """The column's name, with the name of the part if it has several: ``Ticket, its number part``."""
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
    """Values of a feature: numbers, codes or texts, ``(rows,)``."""
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
class PredictionPace:
    """Duration of predictions as last measured: seconds per call, and per row in it."""

    each: float
    call: float = 0.0

    @classmethod
    def measured(cls, predict: Predict, table: Table, seconds: float) -> PredictionPace:
        """Measure on ten rows, and on more if that takes a small part of ``seconds``.

        One row is predicted first and not counted: that call opens the models and imports their libraries.
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
    def _between(cls, seen: list[tuple[int, float]]) -> PredictionPace:
        """Time per row and per call; a single measurement counts entirely as time per row."""
        rows, latest = seen[-1]
        if len(seen) == 1:
            return cls(max(latest / rows, 1e-7))
        fewer, before = seen[0]
        each = max((latest - before) / (rows - fewer), 0.1 * latest / rows, 1e-7)
        return cls(each, max(0.0, latest - each * rows))

    @property
    def block(self) -> float:
        """Largest number of rows per call."""
        seconds = max(_BLOCK_SECONDS, _BLOCK_CALLS * self.call)
        return min(_BLOCK_ROWS, max(1.0, (seconds - self.call) / self.each))

    def takes(self, rows: float) -> float:
        """Seconds for this number of rows in one call."""
        return self.call + self.each * rows

    def affords(self, until: float) -> float:
        """Number of rows that can be predicted until then (monotonic seconds), in blocks."""
        left = until - time.monotonic()
        if left <= self.takes(self.block):
            return max(0.0, (left - self.call) / self.each)
        return left / (self.each + self.call / self.block)

    def saw(self, rows: int, seconds: float) -> None:
        """Update the pace halfway towards the duration of a call."""
        factor = (1.0 + seconds / self.takes(rows)) / 2
        self.each, self.call = max(self.each * factor, 1e-7), self.call * factor


@dataclass(kw_only=True)
class Shuffler:
    """Predictions of a table's rows with some columns' values shuffled among them.

    Attributes
    ----------
    places:
        Positions of the table's rows, as ``predict`` takes them.
    """

    predict: Predict
    table: Table
    places: Rows
    pace: PredictionPace
    seed: int
    base: Array = field(init=False, repr=False)
    times: Counter[Group] = field(init=False, default_factory=Counter, repr=False)

    def __post_init__(self) -> None:
        """Predict the unshuffled rows."""
        self.base = self.predict(self.table, self.places)

    def affords(self, until: float) -> int:
        """Number of shuffles that can be made until then (monotonic seconds), up to a million."""
        return int(min(1e6, self.pace.affords(until) / self.table.rows))

    def shuffled(self, groups: Sequence[Group], until: float) -> list[Array]:
        """Predictions with each group's columns shuffled, by one permutation; fewer if the time runs out.

        Several groups go into one call, for models that are faster on blocks. The permutations depend on the
        seed, the group, and how often it was shuffled, but not on other groups.
        """
        rows, predictions = self.table.rows, list[Array]()
        while len(predictions) < len(groups):
            most = int(self.pace.block / rows)
            block = groups[len(predictions) : len(predictions) + max(1, most)]
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
            predictions += [predicted[number * rows : (number + 1) * rows] for number in range(len(block))]
        return predictions

    def _order(self, group: Group) -> Rows:
        self.times[group] += 1
        pieces = repr([column.pieces for column in group])
        key = [self.seed, zlib.crc32(pieces.encode()), self.times[group]]
        return np.random.default_rng(key).permutation(self.table.rows)


def screened(
    shuffler: Shuffler, columns: Sequence[ShuffledColumn], drop: Callable[[Array], float], until: float
) -> dict[Group, Array]:
    """Groups that together contain all columns, with the predictions when each group is shuffled.

    Parameters
    ----------
    drop:
        Loss in score of predictions, compared with those of the unshuffled rows.

    Returns
    -------
    dict
        Empty if there is not enough time for a single group.
    """
    count = _first_groups(len(columns), shuffler.affords(until))
    order = np.random.default_rng(shuffler.seed).permutation(len(columns))
    groups: list[Group] = [
        tuple(columns[place] for place in sorted(part)) for part in np.array_split(order, count)
    ]
    results = dict(zip(groups, shuffler.shuffled(groups, until), strict=False))
    if not results:
        return {}
    if len(results) < len(groups):  # slower than expected: the others have their turn together
        rest: Group = tuple(column for group in groups[len(results) :] for column in group)
        results[rest] = shuffler.shuffled([rest], float("inf"))[0]
    drops = {group: drop(predictions) for group, predictions in results.items()}
    while True:
        split = [group for group in sorted(drops, key=lambda group: -drops[group]) if len(group) > 1]
        split = [group for group in split if drops[group] > 0]
        left = shuffler.affords(until) // 2
        chosen = split[: max(1, min(left // 4, len(split) // 2))]
        halves = [half for group in chosen for half in _halves(group)]
        made = shuffler.shuffled(halves, until) if left else []
        if not halves or len(made) < len(halves):
            return results
        for group in chosen:
            del results[group], drops[group]
        for half, predictions in zip(halves, made, strict=True):
            results[half], drops[half] = predictions, drop(predictions)


def _halves(group: Group) -> tuple[Group, Group]:
    middle = len(group) // 2
    return group[:middle], group[middle:]


def _first_groups(columns: int, affordable: int) -> int:
    """One group per column if affordable, else as many as leave time to halve some of them to the end."""
    if affordable >= columns:
        return columns
    counts = [n for n in range(2, columns) if n + 3 * np.log2(columns / n) <= affordable]
    return max(counts, default=min(2, columns))
