"""Loss of the champion's score when columns are shuffled, its uncertainty, and the leading columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.metrics import Metric
from automl.core.score_intervals import unseen_share
from automl.core.text import range_text
from automl.core.weights import Weights, weights_of
from automl.model.decision import Decision
from automl.model.prediction_pace import Array
from automl.model.source_columns import SourceColumn
from automl.report.facts.shuffling import Group

_DRAWS = 120
_FEW_DRAWS = (12, 60)
_ALL_FEW_DRAWS = 4000
_LEADERS = 3


@dataclass(frozen=True)
class Importance:
    """Loss in the metric when a feature's values are shuffled, with a 95 % interval."""

    feature: str
    kind: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class GroupImportance:
    """Loss in the metric when several features are shuffled together, by one permutation."""

    features: tuple[str, ...]
    value: float
    low: float
    high: float


def interval_words(item: Importance | GroupImportance) -> str:
    """``0.0065 to 0.107``."""
    return range_text(item.low, item.high, 3)


@dataclass(frozen=True)
class Judge:
    """Scorer of the predictions of some rows."""

    metric: Metric
    target: npt.NDArray[Any]
    decision: Decision
    weights: Weights | None = None

    def score(self, predictions: Array) -> float:
        """Score with the sign such that more is better."""
        return -self.metric.loss(self.target, self.decision.weighted(predictions), self.weights)

    def draws(self, predictions: Sequence[Array], count: int, seed: int) -> Array:
        """Scores of ``count`` resamples of the rows, each with the next predictions in turn."""
        rng = np.random.default_rng(seed)
        decided = [self.decision.weighted(one) for one in predictions]
        scores = np.empty(count)
        for draw in range(count):
            rows = rng.integers(0, len(self.target), len(self.target))
            own = weights_of(self.weights, rows)
            scores[draw] = -self.metric.loss(self.target[rows], decided[draw % len(decided)][rows], own)
        return scores


@dataclass(frozen=True)
class Measured:
    """Columns that were shuffled on the same rows: their mean drops, and drops on the same resamples.

    ``unseen`` is the share of rows for which a column may matter although it did for none of these; 0 if
    shuffling it changes no prediction at all.
    """

    drops: Mapping[SourceColumn, float]
    draws: Mapping[SourceColumn, Array]
    unseen: Mapping[SourceColumn, float]

    @classmethod
    def of(
        cls, judge: Judge, base: Array, shuffles: Mapping[SourceColumn, Sequence[Array]], seed: int
    ) -> Measured:
        """Measure the drops; the intervals cover both resampled rows and shuffles."""
        before, before_draws = judge.score(base), judge.draws([base], _DRAWS, seed)
        drops, draws = {}, {}
        used = {
            column for column, made in shuffles.items() if not all(np.array_equal(base, one) for one in made)
        }
        for column, made in shuffles.items():
            # differences first: equal scores leave 0, not the rounding error of their mean
            drops[column] = float(np.mean([before - judge.score(one) for one in made]))
            draws[column] = np.zeros_like(before_draws)
            if column in used:
                draws[column] = before_draws - judge.draws(made, _DRAWS, seed)
        unseen = unseen_share(len(base)) if judge.metric.reads != "values" else 0.0
        return cls(drops, draws, {column: unseen if column in used else 0.0 for column in shuffles})

    def importances(self) -> tuple[Importance, ...]:
        """Importances of the columns, the strongest first."""
        made = []
        for column, value in self.drops.items():
            made.append(Importance(column.name, column.kind, value, *self.interval(column)))
        return tuple(sorted(made, key=lambda item: -item.value))

    def interval(self, column: SourceColumn) -> tuple[float, float]:
        """Interval of 95 % of the draws."""
        finite = self.draws[column][np.isfinite(self.draws[column])]
        if not len(finite):
            return float("nan"), float("nan")
        low, high = np.quantile(finite, [0.025, 0.975])
        if low == high:  # no row is scored differently, which may be chance on so few rows
            low, high = low - self.unseen[column], high + self.unseen[column]
        return float(low), float(high)

    def above(self, column: SourceColumn, other: SourceColumn) -> bool:
        """True if a column's drop is greater than another's in all but 2.5 % of the draws."""
        with np.errstate(invalid="ignore"):
            apart = self.draws[column] - self.draws[other]
        finite = apart[np.isfinite(apart)]
        return len(finite) > 0 and float(np.quantile(finite, 0.025)) > 0


@dataclass(frozen=True)
class Screened:
    """The drop of one shuffle on few rows, and its 95 % interval."""

    value: float
    low: float
    high: float


def screened_drops(
    judge: Judge, base: Array, shuffles: Mapping[Group, Array], seed: int
) -> dict[Group, Screened]:
    """Drops with normal intervals over resampled rows; the more groups, the fewer draws."""
    count = int(np.clip(_ALL_FEW_DRAWS // max(len(shuffles), 1), *_FEW_DRAWS))
    before, before_draws = judge.score(base), judge.draws([base], count, seed)
    made = {}
    for group, predictions in shuffles.items():
        drops = before_draws - judge.draws([predictions], count, seed)
        finite = drops[np.isfinite(drops)]
        spread = float(np.std(finite, ddof=1)) if len(finite) > 1 else float("inf")
        value = before - judge.score(predictions)
        made[group] = Screened(value, value - 1.96 * spread, value + 1.96 * spread)
    return made


def leading(measured: Measured, others: Iterable[Screened]) -> list[SourceColumn]:
    """The one to three columns that are above all others beyond chance, or none.

    ``others`` are columns and groups that were not measured: a column counts at most as much as its group.
    """
    ranked = sorted(measured.drops, key=lambda column: -measured.drops[column])
    highest = max((item.high for item in others), default=0.0)
    for count in range(1, min(_LEADERS, len(ranked)) + 1):
        leaders, rest = ranked[:count], ranked[count:]
        if not all(measured.interval(column)[0] > max(0.0, highest) for column in leaders):
            return []
        if all(measured.above(column, other) for column in leaders for other in rest):
            return leaders
    return []
