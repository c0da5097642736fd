"""Shapley values of one prediction by sampling: each column's share of its distance from a typical one.

A walk begins at a typical row and puts in the explained row's columns one by one, in a random order; a
column's contribution is the mean change when it is put in (Štrumbelj and Kononenko 2014,
doi 10.1007/s10115-013-0679-x). Each order is walked forwards and backwards, which cancels much of the noise
(antithetic sampling; Mitchell, Cooper, Frank and Holmes 2022, arXiv 2104.12199). The changes of a walk add up
to the distance between its two ends, so only the mean of the typical rows that were used differs from the
mean of all: that rest is shared out in proportion to the variances of the contributions, which is the least
change in units of their errors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from automl.core.table import Strings, Table
from automl.model.prediction_pace import Array, PredictionPace
from automl.model.source_columns import Piece, SharedPiece, SourceColumn

PAIRS_EACH = 2
"""Pairs of walks from one typical row; from two rows, they tell the error of sampling."""
LEAST_PAIRS = 2 * PAIRS_EACH
_SURE_AFTER = 10 * PAIRS_EACH
_PRECISION = 0.01  # of the sum of the contributions' sizes
_CELLS = 2_000_000  # of a table that is built at a time

Scores = Callable[[Table], Array]
"""One number per row of a table, ``(rows,)``: the prediction that is explained."""


@dataclass(frozen=True, kw_only=True)
class Contributions:
    """The explanation of one row.

    Attributes
    ----------
    values:
        ``(columns,)``; with ``base`` they add up to ``prediction``.
    errors:
        ``(columns,)``: standard errors of sampling; 0 for exact values.
    pairs:
        Pairs of walks; 0 for exact values.
    """

    values: Array
    errors: Array
    base: float
    prediction: float
    pairs: int


@dataclass(frozen=True)
class Game:
    """A model with typical rows: the part that all rows of an explanation share.

    Attributes
    ----------
    scores:
        The model.
    columns:
        The columns that contributions are stated for, each with its features.
    typical:
        Rows whose mean prediction is the base.
    shared:
        Features of several columns: the row's own once all of these are, and typical until then.
    """

    scores: Scores
    columns: Sequence[SourceColumn]
    typical: Table
    shared: Sequence[SharedPiece] = ()

    def rows_per_pair(self) -> int:
        """Rows that a pair of walks predicts."""
        return max(1, 2 * len(self.columns) - 1)


def sampled(
    game: Game, row: Table, base: float, *, until: float, pace: PredictionPace, seed: int = 0
) -> Contributions:
    """The contributions of one row's columns.

    Parameters
    ----------
    row:
        A table of one row.
    base:
        The mean prediction of the typical rows.
    until:
        Moment (:func:`time.monotonic`) to end at; :data:`LEAST_PAIRS` pairs are walked whatever it takes.
    pace:
        Pace of the predictions; what is observed here is noted in it.
    """
    walks = _Walks(game, row, pace, np.random.default_rng(seed))
    changes = np.empty((0, PAIRS_EACH, len(game.columns)))
    while True:
        count = walks.starts_at_once(len(changes), until)
        changes = np.concatenate([changes, walks.changes(len(changes), count)])
        made = _balanced(changes, base, walks.prediction, game.typical.rows)
        if not count or (made.pairs >= _SURE_AFTER and _is_precise(made)):
            return made


class _Walks:
    """Pairs of walks from typical rows to one row."""

    def __init__(self, game: Game, row: Table, pace: PredictionPace, rng: np.random.Generator) -> None:
        self.game, self.row, self.pace, self.rng = game, row, pace, rng
        self.prediction = float(game.scores(row)[0])
        self.starts = rng.permutation(game.typical.rows)
        self.features = row.numbers.shape[1] + row.codes.shape[1] + len(row.words)

    def starts_at_once(self, done: int, until: float) -> int:
        """Typical rows to start from in the next call: as many as the time, a block and the memory allow.

        Parameters
        ----------
        done:
            Those that walks started from already.
        """
        rows = PAIRS_EACH * self.game.rows_per_pair()
        block = min(self.pace.block, _CELLS / max(self.features, 1))
        least, sure = LEAST_PAIRS // PAIRS_EACH, _SURE_AFTER // PAIRS_EACH
        wanted = next((stage for stage in (least, sure) if done < stage), 2 * done) - done
        count = int(min(len(self.starts) - done, wanted, max(1, block // rows)))
        return count if done < least else int(min(count, self.pace.affords(until) / rows))

    def changes(self, done: int, count: int) -> Array:
        """Mean changes by each column over both directions, ``(starts, PAIRS_EACH, columns)``."""
        columns = len(self.game.columns)
        orders = [self.rng.permutation(columns) for _ in range(count * PAIRS_EACH)]
        if not orders:
            return np.empty((0, PAIRS_EACH, columns))
        places = np.repeat(self.starts[done : done + count], PAIRS_EACH * self.game.rows_per_pair())
        own = np.concatenate([_steps(order) for order in orders])
        table = _mixed(self.row, self.game.typical.take(places), self.game, own)
        began = time.monotonic()
        scores = self.game.scores(table).reshape(len(orders), -1)
        self.pace.saw(table.rows, time.monotonic() - began)
        made = [self._changes_of(order, part) for order, part in zip(orders, scores, strict=True)]
        return np.array(made).reshape(count, PAIRS_EACH, columns)

    def _changes_of(self, order: npt.NDArray[np.int64], scores: Array) -> Array:
        steps, changes = len(order) - 1, np.empty(len(order))
        forwards = np.concatenate([scores[: steps + 1], [self.prediction]])
        backwards = np.concatenate([scores[:1], scores[steps + 1 :], [self.prediction]])
        changes[order] = np.diff(forwards)
        changes[order[::-1]] += np.diff(backwards)
        return changes / 2


def _steps(order: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """``(2 · columns - 1, columns)``: the columns that are the row's own, at every step but the last.

    First at the start of both walks, then forwards, then backwards.
    """
    columns = len(order)
    rank = np.empty(columns, dtype=np.int64)
    rank[order] = np.arange(columns)
    taken = np.arange(columns)[:, None]
    return np.concatenate([taken > rank, taken[1:] > columns - 1 - rank])


def _mixed(row: Table, typical: Table, game: Game, own: npt.NDArray[np.bool_]) -> Table:
    """Typical rows with the row's own cells where ``own`` ``(rows, columns)`` says so."""
    numbers, codes = typical.numbers.copy(), typical.codes.copy()
    texts = [column.copy() for column in typical.texts]
    files = {kind: [column.copy() for column in held] for kind, held in typical.files.items()}
    parts: list[tuple[tuple[int, ...], tuple[Piece, ...]]] = [
        *(((place,), column.pieces) for place, column in enumerate(game.columns)),
        *((shared.owners, (shared.piece,)) for shared in game.shared),
    ]
    for owners, pieces in parts:
        rows = np.flatnonzero(own[:, list(owners)].all(axis=1))
        for kind, feature in pieces:
            if kind == "number":
                numbers[rows, feature] = row.numbers[0, feature]
            elif kind == "category":
                codes[rows, feature] = row.codes[0, feature]
            else:
                held, given = (texts, row.texts) if kind == "text" else (files[kind], row.files[kind])
                _put(held[feature], rows, given[feature][0])
    return replace(
        typical,
        numbers=numbers,
        codes=codes,
        texts=tuple(texts),
        files={kind: tuple(held) for kind, held in files.items()},
    )


def _put(column: Strings, rows: npt.NDArray[np.int64], cell: object) -> None:
    for row in rows:  # one by one: a cell may be an array
        column[row] = cell


def _is_precise(made: Contributions) -> bool:
    return bool(made.errors.max(initial=0.0) <= _PRECISION * float(np.abs(made.values).sum()))


def _balanced(changes: Array, base: float, prediction: float, starts: int) -> Contributions:
    """The means of ``(starts used, PAIRS_EACH, columns)``, changed such that they add up; with errors.

    Parameters
    ----------
    starts:
        Typical rows that there are.
    """
    total = prediction - base
    variances = _variances(changes, starts)
    even = np.full(changes.shape[2], 1.0 / max(changes.shape[2], 1))
    shares = variances / variances.sum() if variances.sum() > 0 else even
    adjusted = changes + (total - changes.sum(axis=2, keepdims=True)) * shares
    return Contributions(
        values=add_up(changes.mean(axis=(0, 1)), total, variances),
        errors=np.sqrt(_variances(adjusted, starts)),
        base=base,
        prediction=prediction,
        pairs=changes.shape[0] * changes.shape[1],
    )


def _variances(changes: Array, starts: int) -> Array:
    """Variances of the means of a two-stage sample: starts without replacement, then orders.

    Cochran 1977, Sampling Techniques, equation 10.15: once every start was used, only the orders are random.
    """
    used = len(changes)
    between = changes.mean(axis=1).var(axis=0, ddof=1) if used > 1 else np.zeros(changes.shape[2])
    within = changes.var(axis=1, ddof=1).mean(axis=0)
    share = used / starts
    return np.asarray((1 - share) * between / used + share * within / (used * PAIRS_EACH))


def add_up(values: Array, total: float, variances: Array) -> Array:
    """Values with this sum: the rest is shared out by their variances, or by their sizes where all are 0."""
    rest = total - float(values.sum())
    for shares in (variances, np.abs(values), np.ones(len(values))):
        whole = float(shares.sum())
        if whole > 0:
            return np.asarray(values + rest * shares / whole)
    return values
