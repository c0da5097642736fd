"""Intervals and sets around predictions that hold the truth at a level, from errors on held-out rows.

Every held-out row was predicted by models that had not seen it, so its error is one that a new row may have.
The ranks of these errors say how far an answer has to reach (cross-conformal prediction: Vovk, Annals of
Mathematics and Artificial Intelligence 74, 2015; CV+: Barber, Candès, Ramdas and Tibshirani, Annals of
Statistics 49, 2021). What is deployed averages the models of several folds, which is steadier than the single
ones whose errors were ranked: coverage is rather above the level than below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import numpy.typing as npt

from automl.core.errors import UsageError
from automl.core.folds import Split
from automl.core.predictions import Answer, Predictions
from automl.core.table import Table
from automl.core.tasks import Encoded
from automl.core.weights import Weights, effective_rows, mean_of, weights_of
from automl.families.preprocess.saved import Saved, like
from automl.model.difficulty import Difficulty

LEVELS = (0.8, 0.9, 0.95)
"""Levels at which what is kept is compared, and coverage is measured."""
_POINTS = 1001
_CLEAR_Z = 2.0

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def checked_level(level: Any) -> float:
    """The level as a number between 0 and 1.

    Raises
    ------
    UsageError
        For anything else.
    """
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise UsageError(
            f"{level!r} is not a level: the share of rows whose truth is to be inside, between 0 and 1, "
            "such as 0.9."
        )
    return float(level)


@final
@dataclass(frozen=True)
class Ranks(Saved):
    """Ascending scores of held-out rows with their ranks, thinned to 1,001.

    A row with a weight counts as its share of the effective number of rows (:func:`effective_rows`), so that
    ranks need not be whole; a new row counts 1.

    Attributes
    ----------
    values:
        ``(kept,)`` ascending.
    ranks:
        ``(kept,)`` of each among all ``rows``, from 1: what it and those below count.
    ranks_below:
        ``(kept,)`` what those below it count, and 1: the ranks again where no row has a weight.
    """

    values: Array
    ranks: npt.NDArray[Any]
    ranks_below: npt.NDArray[Any] = field(metadata=like("ranks"))
    rows: float

    @classmethod
    def of(cls, scores: npt.NDArray[np.floating], weights: Weights | None = None) -> Self:
        """The ranks of these scores ``(rows,)``, which may have weights."""
        rows = len(scores)
        kept = np.unique(np.linspace(1, rows, min(rows, _POINTS)).round().astype(np.int64)) - 1
        values = np.asarray(scores, dtype=np.float64)
        if weights is None:
            return cls(np.sort(values)[kept], kept + 1, kept + 1, float(rows))
        order = np.argsort(values, kind="stable")
        number = effective_rows(rows, weights)
        shares = weights[order] * (number / float(weights.sum()))
        ranks = np.cumsum(shares)
        return cls(values[order][kept], ranks[kept], (ranks - shares)[kept] + 1.0, number)

    def reached_by(self, share: float) -> float:
        """The value that the score of a new row passes with a probability of ``1 - share`` at most.

        The ``ceil((rows + 1) * share)``-th smallest score, or the next greater one that is kept; infinite
        where there are too few rows.
        """
        place = int(np.searchsorted(self.ranks, (self.rows + 1) * share - 1e-9))
        return float(self.values[place]) if place < len(self.ranks) else math.inf

    def missed_by(self, share: float) -> float:
        """The value below which the score of a new row is with a probability of ``share`` at most.

        The ``floor((rows + 1) * share)``-th smallest score, or the next smaller one that is kept; minus
        infinity where there are too few rows.
        """
        rank = (self.rows + 1) * share + 1e-9
        place = int(np.searchsorted(self.ranks_below, rank, side="right")) - 1
        return float(self.values[place]) if place >= 0 else -math.inf


@dataclass(frozen=True, kw_only=True)
class LevelCoverage:
    """The intervals or sets of some rows at a level.

    Attributes
    ----------
    size:
        Mean width of the intervals, or mean number of classes in the sets.
    inside:
        Rows whose truth is inside.
    rows:
        All of them; of weighted rows their effective number, of which ``inside`` is the weighted share.
    """

    level: float
    size: float
    inside: float
    rows: float


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """The intervals or sets of a model as measured at the end of a search.

    Attributes
    ----------
    untouched:
        Whether on untouched rows; else on the held-out rows that they were fitted on, where coverage says
        nothing and the size is what new rows can expect.
    """

    measured: tuple[LevelCoverage, ...]
    untouched: bool
    holds_for: str


@final
@dataclass(frozen=True, kw_only=True)
class Bounds(Saved):
    """Intervals of numbers: equal shares of the rows are missed below and above.

    Errors keep their sign, so that an interval reaches further to the side to which the target is skewed.

    Attributes
    ----------
    errors:
        Ranks of ``truth - prediction``, in units of the difficulty where there is one.
    difficulty:
        Expected size of a row's error, or None where intervals of equal width are as good.
    never_negative:
        Whether no training value was below 0: then no interval reaches below it.
    holds_for:
        The rows that the level is about, in words.
    """

    errors: Ranks
    difficulty: Difficulty | None
    never_negative: bool
    holds_for: str

    @classmethod
    def fitted(
        cls,
        table: Table,
        target: Encoded,
        predictions: Predictions,
        split: Split,
        *,
        weights: Weights | None = None,
        seed: int = 0,
        equal: bool = False,
    ) -> Self:
        """From the held-out predictions of a search.

        Parameters
        ----------
        table, target:
            All rows of the search.
        predictions:
            ``(rows scored, 1)``, in the order of ``split.scored``.
        weights:
            Of all rows, ``(rows,)``; None where each counts once.
        equal:
            Whether all intervals are to be of one width; else wider where errors are larger.
        """
        rows = split.scored
        errors = np.asarray(target, dtype=np.float64)[rows] - predictions[:, 0]
        scored, own = table.take(rows), weights_of(weights, rows)
        difficulty = None
        if not equal:
            parts = _parts(split, rows, seed)
            cross = Difficulty.cross_fitted(scored, predictions, errors, parts, weights=own, seed=seed)
            if cross is not None and _is_narrower(errors, cross, own):
                difficulty = Difficulty.fitted(scored, predictions, errors, weights=own, seed=seed)
                errors = errors / cross
        return cls(
            errors=Ranks.of(errors, own),
            difficulty=difficulty,
            never_negative=bool(np.min(target) >= 0),
            holds_for=holds_for(split),
        )

    def reaches(self, level: float) -> bool:
        """True where there are held-out rows enough for the level."""
        return math.isfinite(self.errors.missed_by((1 - level) / 2)) and math.isfinite(
            self.errors.reached_by((1 + level) / 2)
        )

    def ends(self, table: Table, predictions: Predictions, level: float) -> Array:
        """Lower and upper ends ``(rows, 2)`` of the intervals of encoded rows.

        Raises
        ------
        UsageError
            Where there are too few held-out rows for the level.
        """
        below, above = self.errors.missed_by((1 - level) / 2), self.errors.reached_by((1 + level) / 2)
        if math.isinf(below) or math.isinf(above):
            raise _too_few(level, self.errors.rows, math.ceil(2 / (1 - level) - 1 - 1e-9))
        middle = np.asarray(predictions[:, 0], dtype=np.float64)
        scale = 1.0 if self.difficulty is None else self.difficulty.of(table, predictions)
        lowest = np.minimum(0.0 if self.never_negative else -math.inf, middle)
        return np.stack([np.maximum(middle + below * scale, lowest), middle + above * scale], axis=1)


@final
@dataclass(frozen=True, kw_only=True)
class ClassSets(Saved):
    """Sets of classes: all whose probability is at least a bound (least ambiguous sets).

    At a level these are the smallest on average (Sadinle, Lei and Wasserman, Journal of the American
    Statistical Association 114, 2019). The answer itself is always in the set, so that where the answers
    alone are right more often than the level asks, coverage is their accuracy.

    Attributes
    ----------
    doubts:
        Ranks of 1 minus the probability of the true class.
    holds_for:
        The rows that the level is about, in words.
    """

    doubts: Ranks
    holds_for: str

    @classmethod
    def fitted(
        cls, target: Encoded, probabilities: Predictions, split: Split, *, weights: Weights | None = None
    ) -> Self:
        """From the held-out probabilities of a search.

        Parameters
        ----------
        target:
            Class codes of all rows, ``(rows,)``.
        probabilities:
            ``(rows scored, classes)``, in the order of ``split.scored``.
        weights:
            Of all rows, ``(rows,)``; None where each counts once.
        """
        truth = np.asarray(target, dtype=np.int64)[split.scored]
        doubts = 1.0 - np.asarray(probabilities, dtype=np.float64)[np.arange(len(truth)), truth]
        return cls(doubts=Ranks.of(doubts, weights_of(weights, split.scored)), holds_for=holds_for(split))

    def reaches(self, level: float) -> bool:
        """True where there are held-out rows enough for the level."""
        return math.isfinite(self.doubts.reached_by(level))

    def members(self, probabilities: Predictions, answers: Codes, level: float) -> npt.NDArray[np.bool_]:
        """``(rows, classes)`` bool: which classes are in each row's set.

        Parameters
        ----------
        answers:
            ``(rows,)`` codes of the classes that are predicted.

        Raises
        ------
        UsageError
            Where there are too few held-out rows for the level.
        """
        doubt = self.doubts.reached_by(level)
        if math.isinf(doubt):
            raise _too_few(level, self.doubts.rows, math.ceil(level / (1 - level) - 1e-9))
        inside = 1.0 - np.asarray(probabilities, dtype=np.float64) <= doubt + 1e-12
        inside[np.arange(len(inside)), answers] = True
        return np.asarray(inside, dtype=np.bool_)


def load_conformal(folder: Path, answer: Answer) -> Bounds | ClassSets:
    """The intervals or sets that :meth:`Bounds.save` or :meth:`ClassSets.save` wrote.

    Raises
    ------
    ModelFileError
        Where its trees lead out of their arrays.
    """
    if answer is Answer.CLASSES:
        return ClassSets.load(folder)
    conformal = Bounds.load(folder)
    if conformal.difficulty is not None:
        conformal.difficulty.forest.check(folder)
    return conformal


def holds_for(split: Split) -> str:
    """The rows that a level is about: those that are to the training rows as the held-out ones were."""
    return _HOLDS_FOR.get(split.scheme, "rows like those of the data")


_HOLDS_FOR = {
    "groups": "rows of groups that training did not have",
    "time": "rows that follow the training rows in time, at most as far as the judged ones did",
    "column": "rows of folds that training did not have",
}


def _parts(split: Split, rows: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """``(rows scored,)`` parts to fit the difficulty on and to judge it by: the folds, if there are some."""
    if len(split.folds) < 3:
        return np.random.default_rng(seed).permutation(len(rows)) % 5
    parts = np.empty(len(rows), dtype=np.int64)
    for number, fold in enumerate(split.folds):
        parts[np.searchsorted(rows, fold.valid)] = number % 5
    return parts


def _is_narrower(errors: Array, scale: Array, weights: Weights | None) -> bool:
    """Tell whether scaled intervals are better by more than noise.

    By the interval score (Gneiting and Raftery, Journal of the American Statistical Association 102, 2007):
    the width, plus for a truth outside its distance, times 2 / (1 - level). It is least for the narrowest
    intervals with the right coverage, and comparable row by row.
    """
    plain, scaled = Ranks.of(errors, weights), Ranks.of(errors / scale, weights)
    saved = np.zeros(len(errors))
    for level in LEVELS:
        for ranks, unit, sign in ((plain, 1.0, 1.0), (scaled, scale, -1.0)):
            ends = ranks.missed_by((1 - level) / 2), ranks.reached_by((1 + level) / 2)
            if math.isinf(ends[0]) or math.isinf(ends[1]):
                continue
            low, high = ends[0] * unit, ends[1] * unit
            outside = np.maximum(low - errors, 0) + np.maximum(errors - high, 0)
            saved += sign * (high - low + 2 / (1 - level) * outside)
    gain = mean_of(saved, weights)
    if weights is None:
        error = float(saved.std(ddof=1)) / math.sqrt(len(saved))
    else:
        error = math.sqrt(float((weights**2) @ (saved - gain) ** 2)) / float(weights.sum())
    return gain > _CLEAR_Z * error > 0


def _too_few(level: float, rows: float, needed: int) -> UsageError:
    return UsageError(
        f"A level of {level:g} needs {needed:,} held-out rows or more, and this model was judged on "
        f"{rows:,.0f}: an honest interval would be infinite. Next: ask for a lower level, or train on more "
        "rows."
    )
