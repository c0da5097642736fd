"""Three judged rows and what each column contributed to their held-out predictions.

The row that the champion is most sure of and right about, the one where it is most wrong, and a typical one.
Each is predicted by the models that did not train on it, so the contributions add up to the prediction that
all plots of the report show; unless some members of the champion kept no such model.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Answer
from automl.core.table import Table
from automl.core.text import label_text, score_text
from automl.data.cells.dates import day_text
from automl.data.columns.structured import DatePlan
from automl.data.layout import Layout
from automl.model.background import owned_columns, shared_pieces
from automl.model.prediction_pace import Predict, PredictionPace
from automl.model.predictor import Predictor
from automl.model.shapley import LEAST_PAIRS, Contributions, Game, sampled
from automl.model.source_columns import SourceColumn, text_columns
from automl.model.text_parts import MarkedText, Scores, marked_texts
from automl.report.facts.evidence import Evidence, Rows, Sample
from automl.report.facts.explain import blind_rows, held_out_predictor

_TEXT = 40
_SINGLE, _SAME = 1e-5, 1e-3  # of a prediction in single precision, and of its distance from typical values
_COLUMNS_SHARE = 0.6  # of the time where there are texts, whose parts get the rest


@dataclass(frozen=True, kw_only=True)
class SingleRow:
    """A row with its held-out prediction as a sum.

    Attributes
    ----------
    title:
        Why it is shown: ``Most confident, and right``.
    number:
        Its number in the data, from 1, as in :meth:`Evidence.number`.
    truth, answer:
        The true and the predicted class or value.
    unit:
        What is explained: ``probability of setosa``, or ``prediction``.
    is_number, is_whole:
        Whether a number is predicted, and whether what is explained is the champion's held-out prediction;
        else it is that of the members that kept a model which did not train on the row.
    names, cells:
        The columns, the largest contributions first, and the row's values in them.
    texts:
        The row's texts with the effects of their parts on the same prediction.
    """

    title: str
    number: int
    truth: str
    answer: str
    unit: str
    is_number: bool
    is_whole: bool
    names: tuple[str, ...]
    cells: tuple[str, ...]
    contributions: Contributions
    texts: tuple[MarkedText, ...] = ()


def single_rows(
    predictor: Predictor, evidence: Evidence, *, seconds: float = 6.0, seed: int = 0
) -> tuple[SingleRow, ...]:
    """Explanations of three rows; none for data with files, models without typical values, or in no time."""
    sample, layout = evidence.sample, predictor.layout
    if sample is None or predictor.background is None or layout.features.files:
        return ()
    members = predictor.preload().members
    blind = blind_rows(members, evidence)
    if not len(blind):
        return ()
    until = time.monotonic() + seconds
    places, table = sample.places[blind], sample.table.take(blind)
    predict = held_out_predictor(members, evidence.with_sample(Sample(places, table)))
    explainer = _Explainer(predict, table, predictor, until=until, seed=seed)
    chosen = _chosen(evidence, places)
    made = []
    for number, (title, place) in enumerate(chosen.items()):
        item = explainer.explained(place, _code(evidence, places[place]), left=len(chosen) - number)
        if item is not None:
            texts = explainer.texts(place, _code(evidence, places[place]), left=len(chosen) - number)
            made.append(replace(_stated(title, item, explainer, evidence, places[place], place), texts=texts))
    return tuple(made)


class _Explainer:
    """Contributions to the held-out predictions of a sample's rows."""

    def __init__(
        self, predict: Predict, table: Table, predictor: Predictor, *, until: float, seed: int
    ) -> None:
        assert predictor.background is not None
        self.predict, self.table, self.layout = predict, table, predictor.layout
        self.typical = predictor.background.table(predictor.layout)
        self.columns = owned_columns(table, predictor.layout)
        self.until, self.seed = until, seed
        self.pace = PredictionPace.measured(predict, table, until - time.monotonic())

    def scores(self, place: int, code: int) -> Scores:
        """The explained number as the models that did not train on a row see it."""
        return lambda rows: np.asarray(self.predict(rows, np.full(rows.rows, place))[:, code])

    def texts(self, place: int, code: int, *, left: int) -> tuple[MarkedText, ...]:
        """One row's texts with the effects of their parts, within a share of the time for ``left`` rows."""
        if not self.table.texts:
            return ()
        now = time.monotonic()
        until = now + (1 - _COLUMNS_SHARE) * (self.until - now) / (left - _COLUMNS_SHARE)
        row, names = self.table.take(np.array([place])), text_columns(self.table, self.layout)
        return marked_texts(self.scores(place, code), row, names, until=until, pace=self.pace)

    def explained(self, place: int, code: int, *, left: int) -> Contributions | None:
        """The contributions of one row, within a share of the time for ``left`` rows; None without time."""
        scores = self.scores(place, code)
        game = Game(scores, self.columns, self.typical, shared_pieces(self.layout, self.columns))
        now = time.monotonic()
        share = _COLUMNS_SHARE if self.table.texts else 1.0
        until = now + share * (self.until - now) / left
        least = LEAST_PAIRS * game.rows_per_pair() + self.typical.rows + 1
        if self.pace.affords(until) < least:
            return None
        base = float(scores(self.typical).mean())
        row = self.table.take(np.array([place]))
        return sampled(game, row, base, until=until, pace=self.pace, seed=self.seed)


def _chosen(evidence: Evidence, places: Rows) -> dict[str, int]:
    """Positions in the sample by the reason for showing them; a row is shown once."""
    target, predictions = np.asarray(evidence.target[places]), evidence.predictions[places]
    given = np.asarray(evidence.raw[places], dtype=np.float64)
    wanted: dict[str, npt.NDArray[np.float64]] = {}
    if evidence.task.answer is Answer.CLASSES:
        right = predictions.argmax(axis=1) == target
        sure = given.max(axis=1)
        of_truth = given[np.arange(len(target)), target.astype(np.int64)]
        wanted["Most confident, and right"] = np.where(right, -sure, np.inf)
        wanted["Most wrong"] = np.where(right, np.inf, of_truth)
        wanted["Typical"] = np.abs(of_truth - np.median(of_truth))
    else:
        errors = np.abs(predictions[:, 0] - target)
        wanted["Smallest error"] = errors
        wanted["Largest error"] = -errors
        wanted["Typical"] = np.abs(errors - np.median(errors))
    chosen: dict[str, int] = {}
    for title, order in wanted.items():
        free = [int(row) for row in np.argsort(order, kind="stable")[: len(wanted)]]
        row = next((row for row in free if row not in chosen.values() and np.isfinite(order[row])), None)
        if row is not None:
            chosen[title] = row
    return chosen


def _code(evidence: Evidence, place: int) -> int:
    """The explained output: that of the predicted class, or the only one."""
    return int(evidence.predictions[place].argmax()) if evidence.task.labels else 0


def _stated(
    title: str, made: Contributions, explainer: _Explainer, evidence: Evidence, place: int, row: int
) -> SingleRow:
    order = np.argsort(-np.abs(made.values), kind="stable")
    columns = [explainer.columns[column] for column in order]
    labels = [label_text(name) for name in evidence.task.labels]
    truth, answer = evidence.target[place], _code(evidence, place)
    judged = float(evidence.raw[place, answer])
    moved = abs(judged - made.base)
    return SingleRow(
        title=title,
        number=evidence.number(place),
        truth=labels[int(truth)] if labels else score_text(float(truth)),
        answer=labels[answer] if labels else score_text(float(evidence.predictions[place, 0])),
        unit=f"probability of {labels[answer]}" if labels else "prediction",
        is_number=not labels,
        is_whole=math.isclose(made.prediction, judged, rel_tol=_SINGLE, abs_tol=_SAME * moved),
        names=tuple(column.name for column in columns),
        cells=tuple(_cell(explainer.table, row, column, explainer.layout) for column in columns),
        contributions=Contributions(
            values=made.values[order],
            errors=made.errors[order],
            base=made.base,
            prediction=made.prediction,
            pairs=made.pairs,
        ),
    )


def _cell(table: Table, row: int, column: SourceColumn, layout: Layout) -> str:
    """A row's value in a column, in words."""
    plan = next((plan for plan in layout.plans if plan.column == column.name), None)
    if isinstance(plan, DatePlan) and "days" in plan.fields:
        days = table.numbers[row, column.pieces[plan.fields.index("days")][1]]
        return "missing" if np.isnan(days) else day_text(days)
    return " ".join(_piece(table, row, kind, place) for kind, place in column.pieces)


def _piece(table: Table, row: int, kind: str, place: int) -> str:
    if kind == "number":
        value = float(table.numbers[row, place])
        return "missing" if np.isnan(value) else score_text(value, 4)
    if kind == "category":
        code = int(table.codes[row, place])
        return "missing or unseen" if code < 0 else table.features.levels[place][code]
    words: Sequence[str] = table.texts[place][row].split()
    text = " ".join(words)
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
