"""Single predictions explained: contributions of the user's columns that add up to each prediction."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.core.errors import UsageError, did_you_mean
from automl.core.predictions import Answer
from automl.core.table import Table
from automl.core.text import counted, duration, label_text
from automl.data.modalities import modalities
from automl.model.background import Background, owned_columns, shared_pieces
from automl.model.exact_terms import exact_contributions
from automl.model.file_numbers import with_file_numbers
from automl.model.prediction_pace import Array, PredictionPace, Rows
from automl.model.shapley import LEAST_PAIRS, Contributions, Game, Scores, sampled
from automl.model.source_columns import SourceColumn, text_columns
from automl.model.text_parts import MarkedText, marked_texts

if TYPE_CHECKING:
    import pandas as pd

    from automl.core.labels import Label
    from automl.model.predictor import Predictor

PREDICTION, LOG_ODDS = "prediction", "log-odds"
SCALES = (PREDICTION, LOG_ODDS)
MOST_ROWS = 1000
SECONDS = 30.0
_TEXT_SHARE = 0.4  # of the time, for the parts of texts
_FIRST = 10  # rows, by which the time of exact contributions is foreseen
_SURE = 1e-6  # probabilities beyond it have the log-odds of it
_log = logging.getLogger("automl.model.predictor")


@dataclass(frozen=True, kw_only=True)
class ExplainedRows:
    """Predictions of some rows as sums: ``base + contributions.sum(axis=1) == prediction``.

    All frames and series have the index of the rows.

    Attributes
    ----------
    contributions:
        One column per column of the data that the model reads.
    errors:
        Their standard errors of sampling; 0 where they are exact.
    base:
        The prediction without a contribution: the mean for typical values of every column.
    prediction:
        The explained number: the value, or the probability or the log-odds of the class in ``label``.
    label:
        The class whose probability is explained; None for numbers.
    cells:
        The rows' values in the columns of ``contributions``.
    unit:
        ``probability``, ``log-odds``, or the name of the target for numbers.
    pairs:
        Pairs of sampled walks behind each row (see :mod:`automl.model.shapley`); 0 for exact contributions.
    texts:
        Per row its texts with the effects of their parts, as far as there was time; empty without texts.
    seconds:
        Time that it took.
    """

    contributions: pd.DataFrame
    errors: pd.DataFrame
    base: pd.Series
    prediction: pd.Series
    label: pd.Series | None
    cells: pd.DataFrame
    unit: str
    pairs: pd.Series
    texts: tuple[tuple[MarkedText, ...], ...] = ()
    seconds: float

    def to_frame(self) -> pd.DataFrame:
        """One line per row and column of the data, the largest contributions of a row first.

        Columns: ``row`` (position from 1), ``class`` (of a classification), ``prediction``, ``base``,
        ``feature``, ``value``, ``contribution``, ``standard_error``.
        """
        import pandas as pd

        lines: list[dict[str, Any]] = []
        for place in range(len(self.prediction)):
            of_row: dict[str, Any] = {"row": place + 1}
            if self.label is not None:
                of_row["class"] = self.label.iloc[place]
            of_row |= {"prediction": self.prediction.iloc[place], "base": self.base.iloc[place]}
            lines += [
                {
                    **of_row,
                    "feature": self.contributions.columns[column],
                    "value": self.cells.iloc[place, column],
                    "contribution": self.contributions.iloc[place, column],
                    "standard_error": self.errors.iloc[place, column],
                }
                for column in self.order(place)
            ]
        return pd.DataFrame(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain data: ``unit``, ``seconds`` and ``rows``, each with the contributions of :meth:`to_frame`.

        Rows with texts have ``texts``, too: their parts and by how much each raises the prediction.
        """
        lines = self.to_frame().to_dict("records")
        columns = max(1, len(self.contributions.columns))
        rows = []
        for place in range(len(self.prediction)):
            own = lines[place * columns : (place + 1) * columns]
            of_row = {name: own[0].get(name) for name in ("row", "class", "prediction", "base")}
            shares = [
                {name: _plain(line[name]) for name in ("feature", "value", "contribution", "standard_error")}
                for line in own
            ]
            exact = bool(self.pairs.iloc[place] == 0)
            rows.append(
                {name: _plain(value) for name, value in of_row.items()}
                | {"exact": exact, "contributions": shares}
                | ({"texts": [text.to_json() for text in self.texts[place]]} if self.texts else {})
            )
        return {"unit": self.unit, "seconds": round(self.seconds, 3), "rows": rows}

    def text_parts(self) -> pd.DataFrame:
        """One line per row, text and part of it, the largest effects of a text first.

        Columns: ``row`` (position from 1), ``feature``, ``unit`` (word or sentence), ``part`` and ``effect``:
        by how much the prediction is higher with this part of the text than without it.
        """
        import pandas as pd

        lines = [
            (place + 1, text.column, unit, text.part(part), part.effect)
            for place, texts in enumerate(self.texts)
            for text in texts
            for unit, parts in (("sentence", text.sentences), ("word", text.words))
            for part in sorted(parts, key=lambda part: -abs(part.effect))
        ]
        return pd.DataFrame(lines, columns=["row", "feature", "unit", "part", "effect"])

    def order(self, place: int) -> list[int]:
        """Positions of the columns by the size of their contributions to the row at this place."""
        sizes = np.abs(self.contributions.iloc[place].to_numpy(dtype=np.float64))
        return [int(column) for column in np.argsort(-sizes, kind="stable")]


def _plain(cell: Any) -> Any:
    """A cell as JSON has it; a missing one is null."""
    if isinstance(cell, np.generic):
        cell = cell.item()
    return None if isinstance(cell, float) and np.isnan(cell) else cell


@dataclass(frozen=True, kw_only=True)
class ExplainedScale:
    """The number that is explained: the value, or the probability or log-odds of a class."""

    log_odds: bool
    classes: bool

    def of(self, outputs: Array) -> Array:
        """``(rows, n_outputs)`` on this scale."""
        if not self.log_odds:
            return np.asarray(outputs, dtype=np.float64)
        shares = np.clip(np.asarray(outputs, dtype=np.float64), _SURE, 1 - _SURE)
        return np.asarray(np.log(shares) - np.log1p(-shares))


def explain_rows(
    predictor: Predictor,
    frame: pd.DataFrame,
    *,
    label: Label | None = None,
    scale: str = PREDICTION,
    seconds: float = SECONDS,
    seed: int = 0,
) -> ExplainedRows:
    """Explain the predictions of a frame's rows; parameters and errors as in ``Predictor.explain``."""
    began = time.monotonic()
    wanted = _scale(predictor, scale)
    _check_rows(frame)
    background = _background(predictor)
    encoded = predictor.layout.encode(frame)
    for note in encoded.notes:
        _log.warning("%s", note)
    table = with_file_numbers(encoded.table, predictor.layout.file_numbers)
    predictor.outputs(table.take(np.arange(1)))  # opens the models and their libraries, which is not counted
    ready = time.monotonic()
    codes, labels = _explained_classes(predictor, table, label)
    typical = background.table(predictor.layout)
    columns = owned_columns(table, predictor.layout)
    share = 1 - _TEXT_SHARE if table.texts else 1.0
    explainer = _Explainer(predictor, wanted, typical, columns, until=ready + share * seconds, seed=seed)
    made = explainer.explained(table, codes)
    texts = explainer.texts(table, codes, until=ready + seconds) if table.texts else ()
    stated = _stated(predictor, frame, columns, made, labels, wanted)
    return replace(stated, texts=texts, seconds=time.monotonic() - began)


class _Explainer:
    """Contributions to the predictions of one model, within a time."""

    def __init__(
        self,
        predictor: Predictor,
        scale: ExplainedScale,
        typical: Table,
        columns: Sequence[SourceColumn],
        *,
        until: float,
        seed: int,
    ) -> None:
        self.predictor, self.scale, self.typical = predictor, scale, typical
        self.columns, self.until, self.seed = columns, until, seed

    def explained(self, table: Table, codes: Rows) -> list[Contributions]:
        """Each row's contributions: the exact ones where there are some, else sampled."""
        exact = self._exact(table, codes)
        left = sum(item is None for item in exact)
        if not left:
            return [item for item in exact if item is not None]
        bases = self._scores(self.typical).mean(axis=0)
        time_left = self.until - time.monotonic()
        pace = PredictionPace.measured(lambda rows, _: self._scores(rows), self.typical, time_left)
        self._check_time(pace, left)
        made: list[Contributions] = []
        for place, item in enumerate(exact):
            if item is not None:
                made.append(item)
                continue
            code, now = int(codes[place]), time.monotonic()
            until = now + max(0.0, self.until - now) / left
            row, base, left = table.take(np.array([place])), float(bases[code]), left - 1
            made.append(sampled(self._game(code), row, base, until=until, pace=pace, seed=self.seed))
        return made

    def texts(self, table: Table, codes: Rows, *, until: float) -> tuple[tuple[MarkedText, ...], ...]:
        """The texts of each row with the effects of their parts."""
        names = text_columns(table, self.predictor.layout)
        left = until - time.monotonic()
        pace = PredictionPace.measured(lambda rows, _: self._scores(rows), table, left)
        made = []
        for place, code in enumerate(codes):
            now = time.monotonic()
            by = now + (until - now) / (table.rows - place)
            row, scores = table.take(np.array([place])), self._game(int(code)).scores
            made.append(marked_texts(scores, row, names, until=by, pace=pace))
        return tuple(made)

    def _exact(self, table: Table, codes: Rows) -> list[Contributions | None]:
        """The exact contributions of all rows, if the first ones show that there is time for them."""
        began = time.monotonic()
        made: list[Contributions | None] = []
        for rows in (slice(0, _FIRST), slice(_FIRST, table.rows)):
            part = table.take(rows)
            if not part.rows or (made and all(item is None for item in made)):
                break
            seconds = (time.monotonic() - began) * part.rows / _FIRST
            if made and seconds > self.until - time.monotonic():
                possible = int((self.until - began) / max(time.monotonic() - began, 1e-9) * _FIRST)
                raise self._too_long(table.rows, seconds, possible)
            log_odds = self.scale.log_odds
            made += exact_contributions(
                self.predictor, part, self.typical, self.columns, codes[rows], log_odds=log_odds
            )
        return made + [None] * (table.rows - len(made))

    def _scores(self, rows: Table) -> Array:
        return self.scale.of(self.predictor.outputs(rows))

    def _game(self, code: int) -> Game:
        scores: Scores = lambda rows: np.asarray(self._scores(rows)[:, code])  # noqa: E731
        return Game(scores, self.columns, self.typical, shared_pieces(self.predictor.layout, self.columns))

    def _check_time(self, pace: PredictionPace, rows: int) -> None:
        """Refuse what cannot end in time."""
        needed = LEAST_PAIRS * self._game(0).rows_per_pair() + 1
        possible = int(min(MOST_ROWS, pace.affords(self.until) / needed))
        if possible < rows:
            raise self._too_long(rows, rows * needed * (pace.each + pace.call / pace.block), possible)

    def _too_long(self, rows: int, seconds: float, possible: int) -> UsageError:
        fit = counted(possible, "row") if possible >= 1 else "not one row"
        return UsageError(
            f"{counted(rows, 'row')} of {counted(len(self.columns), 'column')} take this model about "
            f"{duration(seconds)}, more than the time allows; {fit} can be explained in that time. Next: "
            "pass fewer rows, or more time (--time; seconds= in Python)."
        )


def _scale(predictor: Predictor, scale: str) -> ExplainedScale:
    classes = predictor.task.answer is Answer.CLASSES
    if scale not in SCALES:
        raise UsageError(f"The scale cannot be {scale!r}. {did_you_mean(scale, SCALES)}")
    if scale == LOG_ODDS and not classes:
        raise UsageError(f"{predictor.name!r} predicts numbers, which have no log-odds. Leave the scale out.")
    return ExplainedScale(log_odds=scale == LOG_ODDS, classes=classes)


def _check_rows(frame: pd.DataFrame) -> None:
    if not 0 < len(frame) <= MOST_ROWS:
        raise UsageError(
            f"{counted(len(frame), 'row')} to explain; 1 to {MOST_ROWS:,} at a time are allowed. Next: pass "
            "the rows that you want to know about."
        )


def _background(predictor: Predictor) -> Background:
    """The typical values that the model was saved with.

    Raises
    ------
    UsageError
        For a model without them, and for one that a sum over columns cannot explain.
    """
    files = predictor.layout.features.files
    columns = predictor.layout.inputs
    if files and len(columns) == 1:
        raise UsageError(
            f"{predictor.name!r} reads nothing but the column {columns[0]!r}: there are no other columns to "
            f"share a prediction with. Next: `automl report {predictor.name}` shows which parts of images "
            "speak for their class (Grad-CAM)."
        )
    for kind in files:
        if not modalities()[kind].blank:
            raise UsageError(
                f"{predictor.name!r} reads files of the kind {kind!r}, of which none shows nothing: its "
                "predictions cannot be explained."
            )
    background = predictor.background
    if background is None:
        raise UsageError(
            f"The model {predictor.name!r} was saved without the typical values that explanations compare "
            "with, by an earlier version of automl. Next: search again, and explain the new model."
        )
    return background


def _explained_classes(
    predictor: Predictor, table: Table, label: Label | None
) -> tuple[Rows, list[Label] | None]:
    """Per row the output that is explained, and the class that it belongs to."""
    classes = predictor.classes
    if predictor.task.answer is not Answer.CLASSES:
        if label is not None:
            raise UsageError(f"{predictor.name!r} predicts numbers: there is no class {label!r} to explain.")
        return np.zeros(table.rows, dtype=np.int64), None
    if label is None:
        predicted = predictor.task.decode(predictor.decision.answers(predictor.outputs(table)))
        codes = np.asarray(predictor.task.encode(predicted), dtype=np.int64)
    else:
        texts = [label_text(name) for name in classes]
        if label_text(label) not in texts:
            raise UsageError(f"There is no class {label!r}. {did_you_mean(label_text(label), texts)}")
        codes = np.full(table.rows, texts.index(label_text(label)), dtype=np.int64)
    return codes, [classes[code] for code in codes]


def _stated(
    predictor: Predictor,
    frame: pd.DataFrame,
    columns: Sequence[SourceColumn],
    made: Sequence[Contributions],
    labels: Sequence[Label] | None,
    scale: ExplainedScale,
) -> ExplainedRows:
    import pandas as pd

    names = pd.Index([column.name for column in columns], tupleize_cols=False)

    def series(values: Sequence[Any], name: str) -> pd.Series:
        return pd.Series(list(values), index=frame.index, name=name)

    def wide(rows: Sequence[Array]) -> pd.DataFrame:
        return pd.DataFrame(np.array(rows).reshape(len(rows), len(names)), index=frame.index, columns=names)

    unit = "log-odds" if scale.log_odds else "probability" if scale.classes else predictor.target_name
    cells = {name: frame[name] if name in frame.columns else "" for name in names}
    return ExplainedRows(
        contributions=wide([item.values for item in made]),
        errors=wide([item.errors for item in made]),
        base=series([item.base for item in made], "base"),
        prediction=series([item.prediction for item in made], "prediction"),
        label=None if labels is None else series(labels, "class"),
        cells=pd.DataFrame(cells, index=frame.index, columns=names),
        unit=unit,
        pairs=series([item.pairs for item in made], "pairs"),
        seconds=0.0,
    )
