"""Permutation importance of the champion's features with intervals, and on which of them to show dependence.

Both use held-out rows only: each row is predicted by the models of the folds that did not train on it,
so a feature that was merely memorised gets no credit. With many features or a slow champion, all are
compared first, on few rows and if necessary in groups; only the strongest are then measured closely.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from automl.core.table import Table
from automl.core.weights import weights_of
from automl.model.member import Member, read_json
from automl.model.prediction_pace import Array, Predict, PredictionPace, Rows
from automl.model.predictor import Predictor
from automl.model.source_columns import Piece, SourceColumn, columns_of
from automl.report.facts.dependence import GRID_VALUES, Dependence, dependence_of
from automl.report.facts.evidence import Evidence, Sample
from automl.report.facts.importance import (
    GroupImportance,
    Importance,
    Judge,
    Measured,
    Screened,
    leading,
    screened_drops,
)
from automl.report.facts.shuffling import Group, Shuffler, screened

FINALISTS = 20
_FEW_FINALISTS = 6
_PERMUTATIONS = 6
_LEAST_ROWS = 150
_LEAST_SECONDS = 1.0
_SCREEN_ROWS = (60, 250)
_FEWEST_ROWS = 20
_LEAST_SHUFFLES = 8
# The shares of the time after which all were compared alone, or in groups, and the strongest measured; if
# only few shuffles are affordable, most of the time goes into the groups.
_ALONE, _GROUPED, _FEW_GROUPED, _MEASURED = 0.4, 0.55, 0.75, 0.85
_FEW_SHUFFLES = 30
_QUICK_WEIGHT, _QUICKER = 0.05, 3.0
_STEPS = (20, 40, 60, 100, 150, 250, 400, 700, 1_000, 1_500, 2_500, 4_000, 7_000, 10_000)
_DEPENDENCE_ROWS, _LEAST_DEPENDENCE_ROWS = 200, 40


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Importances and dependences, with the numbers of rows and of features that were compared.

    Attributes
    ----------
    importances:
        Importances of the features that were measured closely, the strongest first. A feature is a column of
        the user's data: everything made from one column is shuffled together.
    features, compared, screen_rows:
        Number of features, number of those that were shuffled alone, and rows that were used for this.
    groups:
        Features that were shuffled only together with others.
    stand_in:
        The family of the member that selected the strongest features instead of the champion, or empty.
    leaders:
        The one to three features that are above all others beyond chance; empty if there are none.
    seconds:
        The time that was available for everything.
    """

    importances: tuple[Importance, ...]
    dependences: tuple[Dependence, ...]
    rows: int
    features: int
    compared: int
    screen_rows: int = 0
    groups: tuple[GroupImportance, ...] = ()
    stand_in: str = ""
    leaders: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def needed(self) -> tuple[str, ...]:
        """Features without which the metric gets worse, beyond chance; the strongest first."""
        return tuple(item.feature for item in self.importances if item.low > 0)


def explain(
    predictor: Predictor, evidence: Evidence, *, seconds: float = 20.0, top: int = 6, seed: int = 0
) -> Explanation | None:
    """Importance of the features and dependence on the ``top`` ones; None without a sample of features.

    Parameters
    ----------
    seconds:
        If they are not enough for all features at once, these are screened first: each alone, or in groups
        of which the strongest are halved again and again, by the champion's quickest member if the whole
        champion is slow. The 20 strongest then get intervals.
    """
    sample = evidence.sample
    if sample is None or not len(sample.places):
        return None
    columns = columns_of(sample.table, predictor.layout)
    if not columns:
        return None
    members = predictor.preload().members
    blind = blind_rows(members, evidence)
    if not len(blind):
        return None
    evidence = evidence.with_sample(Sample(sample.places[blind], sample.table.take(blind)))
    return _Explainer(members, evidence, columns, seconds=seconds, seed=seed).explanation(top)


def blind_rows(members: Sequence[Member], evidence: Evidence) -> Rows:
    """Positions in the sample of the rows for which held-out predictions can be made.

    A champion may have kept the models of some folds only. The rows are those for which every member has a
    blind model or, if they are few, those for which some member has one.
    """
    shares = [np.isin(folds, member.numbers) for member, folds in _folds_of(members, evidence)]
    whole = np.flatnonzero(np.all(shares, axis=0))
    return whole if len(whole) >= _LEAST_ROWS else np.flatnonzero(np.any(shares, axis=0))


def _folds_of(members: Sequence[Member], evidence: Evidence) -> list[tuple[Member, npt.NDArray[np.int16]]]:
    """Each member, and the fold that every row of the sample was held out in."""
    assert evidence.sample is not None
    of_sample = evidence.folds[:, evidence.sample.places]
    repeats = [int(read_json(member.folder / "member.json").get("repeat", 0)) for member in members]
    return [
        (member, of_sample[min(repeat, len(of_sample) - 1)])
        for member, repeat in zip(members, repeats, strict=True)
    ]


def held_out_predictor(members: Sequence[Member], evidence: Evidence) -> Predict:
    """A function of a table and its rows' positions in the sample that predicts with models blind to them.

    If a member has none, the others predict alone.
    """
    member_folds = _folds_of(members, evidence)

    def predict(table: Table, places: Rows) -> Array:
        total = np.zeros((table.rows, evidence.task.n_outputs))
        weights = np.zeros((table.rows, 1))
        for member, of_sample in member_folds:
            folds = of_sample[places]
            for number, fitted, log_target in zip(
                member.numbers, member.folds, member.log_targets, strict=True
            ):
                blind = np.flatnonzero(folds == number)
                if len(blind):
                    predicted = np.asarray(fitted.predict(table.take(blind)), dtype=np.float64)
                    predicted = predicted if log_target is None else log_target.restore(predicted)
                    total[blind] += predicted * member.weight
                    weights[blind] += member.weight
        mean = total / np.where(weights > 0, weights, 1.0)
        return np.asarray(evidence.decision.probabilities(mean), dtype=np.float64)

    return predict


@dataclass(frozen=True)
class _Screen:
    """All columns compared on few rows; ``stand_in`` is the family of the member that predicted, or empty."""

    shuffler: Shuffler | None = None
    predictions: Mapping[Group, Array] = field(default_factory=dict)
    drops: Mapping[Group, Screened] = field(default_factory=dict)
    stand_in: str = ""

    @property
    def rows(self) -> int:
        return 0 if self.shuffler is None else self.shuffler.table.rows

    @property
    def alone(self) -> list[SourceColumn]:
        """Columns that were shuffled alone, the strongest first."""
        ranked = sorted(self.drops, key=lambda group: -self.drops[group].value)
        return [group[0] for group in ranked if len(group) == 1]


class _Explainer:
    """The computation of one explanation: its rows, models and time."""

    def __init__(
        self,
        members: Sequence[Member],
        evidence: Evidence,
        columns: list[SourceColumn],
        *,
        seconds: float,
        seed: int,
    ) -> None:
        assert evidence.sample is not None
        self.members, self.evidence, self.columns = members, evidence, columns
        self.table, self.seed = evidence.sample.table, seed
        self.predict = held_out_predictor(members, evidence)
        self.seconds = max(seconds, _LEAST_SECONDS)
        self.pace = PredictionPace.measured(self.predict, self.table, self.seconds)
        self.began = time.monotonic()

    def explanation(self, top: int) -> Explanation:
        """Screen if the time requires it, measure the strongest, then compute their dependences."""
        finalists, screen = list(self.columns), _Screen()
        rows = self.pace.affords(self._until(_MEASURED)) / (len(self.columns) * _PERMUTATIONS + 1)
        if len(self.columns) > FINALISTS or rows < min(_LEAST_ROWS, self.table.rows):
            screen = self._screen()
            finalists = screen.alone[:FINALISTS]
        shuffler, shuffles = self._shuffles(finalists, screen)
        if shuffler is None:
            return Explanation(
                importances=(),
                dependences=(),
                rows=0,
                features=len(self.columns),
                compared=0,
                seconds=self.seconds,
            )
        measured = Measured.of(self._judge(shuffler), shuffler.base, shuffles, self.seed)
        others = self._others(shuffler, measured, screen)
        groups = [
            GroupImportance(_names(group), item.value, item.low, item.high)
            for group, item in others.items()
            if len(group) > 1
        ]
        return Explanation(
            importances=measured.importances(),
            dependences=self._dependences(measured, shuffler, top),
            rows=shuffler.table.rows,
            features=len(self.columns),
            compared=len(shuffles) + sum(len(group) == 1 for group in others),
            screen_rows=screen.rows,
            groups=tuple(sorted(groups, key=lambda item: -item.value)),
            stand_in=screen.stand_in,
            leaders=_names(leading(measured, others.values())),
            seconds=self.seconds,
        )

    def _screen(self) -> _Screen:
        """Compare all columns on few rows: alone, or in groups if that takes too long."""
        predict, pace, stand_in = self.predict, self.pace, ""
        least, most = (min(rows, self.table.rows) for rows in _SCREEN_ROWS)
        if pace.affords(self._until(_ALONE)) < least * (len(self.columns) + 1):
            predict, pace, stand_in = self._quickest()
        rows, until = pace.affords(self._until(_ALONE)) / (len(self.columns) + 1), self._until(_GROUPED)
        if rows < least:
            if pace.affords(until) < least * _FEW_SHUFFLES:
                until = self._until(_FEW_GROUPED)
            rows, most = pace.affords(until) / _LEAST_SHUFFLES, least
        if rows < min(_FEWEST_ROWS, least):
            return _Screen()
        shuffler = self._shuffler(min(rows, most), predict, pace)
        judge = self._judge(shuffler)
        before = judge.score(shuffler.base)
        predictions = screened(shuffler, self.columns, lambda made: before - judge.score(made), until)
        return _Screen(
            shuffler, predictions, screened_drops(judge, shuffler.base, predictions, self.seed), stand_in
        )

    def _quickest(self) -> tuple[Predict, PredictionPace, str]:
        """The member that replaces a slow champion: of enough weight and much quicker; else the champion."""
        least = _QUICK_WEIGHT * sum(member.weight for member in self.members)
        best = (self.predict, self.pace, "")
        for member in self.members if len(self.members) > 1 else ():
            if member.weight >= least:
                predict = held_out_predictor([member], self.evidence)
                pace = PredictionPace.measured(predict, self.table, self.seconds)
                if pace.each < min(best[1].each, self.pace.each / _QUICKER):
                    best = (predict, pace, member.family)
        return best

    def _shuffles(
        self, finalists: list[SourceColumn], screen: _Screen
    ) -> tuple[Shuffler | None, dict[SourceColumn, list[Array]]]:
        """Shuffle every finalist once, then again and so on; or reuse the predictions of the screening."""
        left = self.pace.affords(self._until(_MEASURED))
        counts = [(len(finalists), _PERMUTATIONS)]
        if screen.rows:
            few = min(_FEW_FINALISTS, len(finalists))
            counts += [(few, _PERMUTATIONS), (few, 2), (min(2, few), 1)]
        enough = min(_LEAST_ROWS, self.table.rows)
        count, times = next((c for c in counts if left / (c[0] * c[1] + 1) >= enough), counts[-1])
        rows = _stepped(left / (count * times + 1), self.table.rows)
        if not count or rows <= screen.rows:
            reused = (
                {} if screen.stand_in else {column: [screen.predictions[(column,)]] for column in finalists}
            )
            return (screen.shuffler if reused or not screen.stand_in else None), reused
        shuffler = self._shuffler(rows, self.predict, self.pace)
        shuffles: dict[SourceColumn, list[Array]] = {column: [] for column in finalists[:count]}
        for _ in range(times):
            made = shuffler.shuffled([(column,) for column in shuffles], self._until(_MEASURED))
            if len(made) < len(shuffles) and any(shuffles.values()):
                break
            for column, predictions in zip(list(shuffles), made, strict=False):
                shuffles[column].append(predictions)
            shuffles = {column: arrays for column, arrays in shuffles.items() if arrays}
        return shuffler, shuffles

    def _others(self, shuffler: Shuffler, measured: Measured, screen: _Screen) -> dict[Group, Screened]:
        """Drops without the columns that were not measured, which the measured ones are compared with."""
        drops = {} if screen.stand_in else screen.drops
        others = {group: item for group, item in drops.items() if group[0] not in measured.drops}
        covered = {*measured.drops, *(column for group in others for column in group)}
        rest = tuple(column for column in self.columns if column not in covered)
        if rest:
            together = dict(zip([rest], shuffler.shuffled([rest], float("inf")), strict=True))
            others |= screened_drops(self._judge(shuffler), shuffler.base, together, self.seed)
        return others

    def _dependences(self, measured: Measured, shuffler: Shuffler, top: int) -> tuple[Dependence, ...]:
        """Dependences on the strongest columns, while there is time."""
        least = min(_LEAST_DEPENDENCE_ROWS, shuffler.table.rows) * GRID_VALUES
        ranked = sorted(measured.drops, key=lambda column: -measured.drops[column])[:top]
        moved = [column for column in ranked if _movable(column) and measured.drops[column] > 0]
        moved = moved[: int(min(top, self.pace.affords(self._until(1.0)) / least))]
        dependences: list[Dependence] = []
        for number, column in enumerate(moved):
            rows = self.pace.affords(self._until(1.0)) / (GRID_VALUES * (len(moved) - number))
            if rows < 1:
                break
            piece = _leading_piece(shuffler, column, self._until(1.0))
            dependences.append(dependence_of(shuffler, column, piece, int(min(rows, _DEPENDENCE_ROWS))))
        return tuple(dependences)

    def _shuffler(self, rows: float, predict: Predict, pace: PredictionPace) -> Shuffler:
        """A shuffler of random rows of the sample; a larger number includes the rows of a smaller one."""
        order = np.random.default_rng(self.seed).permutation(self.table.rows)
        places = np.sort(order[: _stepped(rows, self.table.rows)])
        return Shuffler(
            predict=predict, table=self.table.take(places), places=places, pace=pace, seed=self.seed
        )

    def _judge(self, shuffler: Shuffler) -> Judge:
        assert self.evidence.sample is not None
        rows = self.evidence.sample.places[shuffler.places]
        return Judge(
            self.evidence.task.metric,
            self.evidence.target[rows],
            self.evidence.decision,
            weights_of(self.evidence.weights, rows),
        )

    def _until(self, share: float) -> float:
        """The moment (monotonic seconds) at which this share of the time is over."""
        return self.began + share * self.seconds


def _stepped(rows: float, most: int) -> int:
    """Number of rows, rounded down to one of a few steps: a busy machine rarely changes the result."""
    if rows >= most:
        return most
    return max((step for step in _STEPS if step <= rows), default=int(rows))


def _names(columns: Sequence[SourceColumn]) -> tuple[str, ...]:
    return tuple(column.name for column in columns)


def _movable(column: SourceColumn) -> tuple[Piece, ...]:
    """The parts of a column that have an order or levels."""
    return tuple(piece for piece in column.pieces if piece[0] != "text")


def _leading_piece(shuffler: Shuffler, column: SourceColumn, until: float) -> Piece:
    """The part of a column that changes predictions most when shuffled alone; else its first part."""
    pieces = _movable(column)
    if len(pieces) == 1:
        return pieces[0]
    alone = [(SourceColumn(column.name, column.kind, (piece,)),) for piece in pieces]
    made = shuffler.shuffled(alone, until)
    moves = [float(np.mean(np.abs(one - shuffler.base))) for one in made]
    return pieces[int(np.argmax(moves))] if moves else pieces[0]
