"""What drives the champion: permutation importance with intervals, and partial dependence.

Both use held-out rows only: each row is predicted by the models of the folds that did not train on it,
so a feature that was merely memorised gets no credit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.data.table import Table
from automl.decision import apply_weights
from automl.member import read_json
from automl.metrics import Metric
from automl.predictor import Predictor
from automl.report.evidence import Evidence
from automl.wording import score_text

Array = npt.NDArray[np.float64]
Predict = Callable[[Table, npt.NDArray[np.int64]], Array]
FINALISTS = 20
_FIRST_ROWS = 250
_PERMUTATIONS = 6
_DRAWS = 120
_BLOCK_ROWS = 40_000
_TIMED_ROWS = 100
_LEAST_ROWS = 150
_GRID = 12
_LEVELS = 8
_DEPENDENCE_ROWS = 200


@dataclass(frozen=True)
class Importance:
    """How much worse the metric gets when a feature's values are shuffled; with a 95 % interval."""

    feature: str
    kind: str
    value: float
    low: float
    high: float

    @property
    def interval_words(self) -> str:
        """``0.0065 to 0.107``."""
        return f"{score_text(self.low, 3)} to {score_text(self.high, 3)}"


@dataclass(frozen=True)
class Dependence:
    """The mean prediction while one feature takes each value of a grid, the others as they are.

    Attributes
    ----------
    grid:
        Values of a number, or level names.
    mean:
        ``(grid, n_outputs)``.
    """

    feature: str
    grid: tuple[float, ...] | tuple[str, ...]
    mean: Array


@dataclass(frozen=True)
class Explanation:
    """What was found, on how many rows; ``complete`` is False where the time ended it."""

    importances: tuple[Importance, ...]
    dependences: tuple[Dependence, ...]
    rows: int
    features: int
    complete: bool = True


def explain(
    predictor: Predictor, evidence: Evidence, *, seconds: float = 20.0, top: int = 6, seed: int = 0
) -> Explanation | None:
    """Importance of the features and dependence on the ``top`` ones; None without a sample of features.

    With many features a first pass of one shuffle each picks the 20 that get intervals.
    """
    sample = evidence.sample
    if sample is None or not len(sample.places):
        return None
    ends = time.monotonic() + seconds
    predict = held_out_predictor(predictor.preload(), evidence)
    rng = np.random.default_rng(seed)
    columns = _columns(sample.table)
    places, block = _affordable(predict, sample.table, min(len(columns), FINALISTS), seconds)
    table, target = sample.table.take(places), evidence.target[sample.places[places]]
    judged = _Judge(evidence.task.metric, target, evidence.story.class_weights)
    finalists = columns
    if len(columns) > FINALISTS:
        few = np.sort(rng.choice(len(places), min(_FIRST_ROWS, len(places)), replace=False))
        part, few_places = replace(judged, target=target[few]), places[few]
        first = _shuffled(predict, table.take(few), few_places, columns, 1, rng, (ends - seconds / 2, block))
        before = part.score(predict(table.take(few), few_places))
        drops = {name: before - part.score(found[0]) for name, found in first.items()}
        finalists = sorted(drops, key=lambda column: -drops[column])[:FINALISTS]
    base = predict(table, places)
    shuffled = _shuffled(predict, table, places, finalists, _PERMUTATIONS, rng, (ends, block))
    importances = sorted(
        (judged.importance(column, table, base, found, seed) for column, found in shuffled.items()),
        key=lambda item: -item.value,
    )
    of_name = {_name(table, column): column for column in finalists}
    dependences = [
        _dependence(predict, table, places, of_name[item.feature], rng)
        for item in importances[:top]
        if item.kind != "text" and item.value > 0 and time.monotonic() < ends
    ]
    complete = len(shuffled) == len(finalists)
    return Explanation(tuple(importances), tuple(dependences), table.rows, len(columns), complete)


def _affordable(
    predict: Predict, table: Table, features: int, seconds: float
) -> tuple[npt.NDArray[np.int64], int]:
    """Which rows of the sample the time allows, and how many predictions at once take half a second."""
    few = np.arange(min(_TIMED_ROWS, table.rows))
    began = time.monotonic()
    predict(table.take(few), few)
    each = max((time.monotonic() - began) / len(few), 1e-7)
    rows = int(np.clip(0.6 * seconds / each / max(1, features * _PERMUTATIONS), _LEAST_ROWS, table.rows))
    places = np.arange(table.rows)
    if rows < table.rows:
        places = np.sort(np.random.default_rng(0).choice(table.rows, rows, replace=False))
    return places, int(min(_BLOCK_ROWS, 0.5 / each))


def held_out_predictor(predictor: Predictor, evidence: Evidence) -> Predict:
    """A function of a table and its rows' places in the sample, that predicts by models blind to them."""
    assert evidence.sample is not None
    of_sample = evidence.folds[:, evidence.sample.places]
    repeats = [int(read_json(member.folder / "member.json").get("repeat", 0)) for member in predictor.members]

    def predict(table: Table, places: npt.NDArray[np.int64]) -> Array:
        total = np.zeros((table.rows, predictor.task.n_outputs))
        weights = sum(member.weight for member in predictor.members)
        for member, repeat in zip(predictor.members, repeats, strict=True):
            folds = of_sample[min(repeat, len(of_sample) - 1), places]
            for number, fitted, log_target in zip(
                member.numbers, member.folds, member.log_targets, strict=True
            ):
                blind = np.flatnonzero(folds == number)
                if len(blind):
                    found = np.asarray(fitted.predict(table.take(blind)), dtype=np.float64)
                    found = found if log_target is None else log_target.restore(found)
                    total[blind] += found * (member.weight / weights)
        return total

    return predict


@dataclass(frozen=True)
class _Judge:
    metric: Metric
    target: npt.NDArray[Any]
    class_weights: tuple[float, ...]

    def score(self, predictions: Array, rows: npt.NDArray[np.int64] | None = None) -> float:
        """Turned so that more is better."""
        decided = apply_weights(predictions, self.class_weights)
        if rows is None:
            return -self.metric.loss(self.target, decided)
        return -self.metric.loss(self.target[rows], decided[rows])

    def importance(
        self, column: _Column, table: Table, base: Array, found: Sequence[Array], seed: int
    ) -> Importance:
        """The mean drop over shuffles; the interval is over rows drawn again and shuffles at once."""
        rng = np.random.default_rng(seed)
        before = self.score(base)
        value = float(np.mean([before - self.score(one) for one in found]))
        drops = []
        for draw in range(_DRAWS):
            rows = rng.integers(0, len(base), len(base))
            drops.append(self.score(base, rows) - self.score(found[draw % len(found)], rows))
        finite = np.array([drop for drop in drops if np.isfinite(drop)])
        low, high = np.quantile(finite, [0.025, 0.975]) if len(finite) else (value, value)
        return Importance(_name(table, column), column[0], value, float(low), float(high))


_Column = tuple[str, int]


def _columns(table: Table) -> list[_Column]:
    features = table.features
    return [
        *(("number", i) for i in range(len(features.numbers))),
        *(("category", i) for i in range(len(features.categories))),
        *(("text", i) for i in range(len(features.texts))),
    ]


def _name(table: Table, column: _Column) -> str:
    kind, place = column
    names = {
        "number": table.features.numbers,
        "category": table.features.categories,
        "text": table.features.texts,
    }
    return names[kind][place]


def _shuffled(
    predict: Predict,
    table: Table,
    places: npt.NDArray[np.int64],
    columns: Sequence[_Column],
    permutations: int,
    rng: np.random.Generator,
    limits: tuple[float, int],
) -> dict[_Column, list[Array]]:
    """Predictions with each column shuffled; several columns in one call, for models that like blocks.

    ``limits`` are when to end (monotonic seconds) and how many predictions to ask for at once.
    """
    rows, (ends, block_rows) = table.rows, limits
    jobs = [column for column in columns for _ in range(permutations)]
    at_once = max(permutations, block_rows // rows // permutations * permutations)
    found: dict[_Column, list[Array]] = {}
    for start in range(0, len(jobs), at_once):
        if start and time.monotonic() > ends:
            break
        block = jobs[start : start + at_once]
        wide = table.take(np.tile(np.arange(rows), len(block)))
        for number, column in enumerate(block):
            part = slice(number * rows, (number + 1) * rows)
            _put(wide, column, part, _values(table, column)[rng.permutation(rows)])
        predicted = predict(wide, np.tile(places, len(block)))
        for number, column in enumerate(block):
            found.setdefault(column, []).append(predicted[number * rows : (number + 1) * rows])
    return found


def _dependence(
    predict: Predict,
    table: Table,
    places: npt.NDArray[np.int64],
    column: _Column,
    rng: np.random.Generator,
) -> Dependence:
    rows = np.arange(table.rows)
    if len(rows) > _DEPENDENCE_ROWS:
        rows = np.sort(rng.choice(rows, _DEPENDENCE_ROWS, replace=False))
    grid = _grid(column, _values(table, column))
    wide = table.take(np.tile(rows, len(grid)))
    for number, value in enumerate(grid):
        _put(wide, column, slice(number * len(rows), (number + 1) * len(rows)), value)
    predicted = predict(wide, np.tile(places[rows], len(grid)))
    mean = predicted.reshape(len(grid), len(rows), -1).mean(axis=1)
    if column[0] == "category":
        levels = table.features.levels[column[1]]
        return Dependence(_name(table, column), tuple(levels[int(code)] for code in grid), mean)
    return Dependence(_name(table, column), tuple(float(value) for value in grid), mean)


def _grid(column: _Column, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Quantiles of a number from 2 % to 98 %, or the most frequent levels in their own order."""
    if column[0] == "category":
        codes, counts = np.unique(values[values >= 0], return_counts=True)
        return np.sort(codes[np.argsort(-counts, kind="stable")[:_LEVELS]])
    present = np.asarray(values, dtype=np.float64)
    present = present[np.isfinite(present)]
    if not len(present):
        return np.zeros(1)
    distinct = np.unique(present)
    if len(distinct) <= _GRID:
        return distinct
    return np.unique(np.quantile(present, np.linspace(0.02, 0.98, _GRID)))


def _values(table: Table, column: _Column) -> npt.NDArray[Any]:
    kind, place = column
    if kind == "number":
        return np.asarray(table.numbers[:, place])
    if kind == "category":
        return np.asarray(table.codes[:, place])
    return table.texts[place]


def _put(table: Table, column: _Column, part: slice, values: Any) -> None:
    """Write into a table that this module copied."""
    kind, place = column
    if kind == "number":
        table.numbers[part, place] = values
    elif kind == "category":
        table.codes[part, place] = values
    else:
        table.texts[place][part] = values
