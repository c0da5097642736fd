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

import numpy as np

from automl.core.table import Table
from automl.model.prediction_pace import Array, Predict, PredictionPace, Rows
from automl.model.source_columns import SourceColumn, piece_values, put_values

Group = tuple[SourceColumn, ...]


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
    shuffler: Shuffler, columns: Sequence[SourceColumn], drop: Callable[[Array], float], until: float
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
