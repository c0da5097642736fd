"""Exact contributions, where the prediction is a sum of the models' own terms on the explained scale.

That is a weighted mean of models whose score is the value itself (boosted trees, linear models), or one
single model of two classes on the scale of log-odds. Averages of probabilities are not: they are sampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from automl.core.family import ScoreTerms
from automl.core.predictions import Link
from automl.core.table import Table
from automl.families import families
from automl.model.prediction_pace import Array, Rows
from automl.model.shapley import Contributions, add_up
from automl.model.source_columns import SourceColumn

if TYPE_CHECKING:
    from automl.model.predictor import Predictor

# Sums of thousands of leaves in float32 (XGBoost), compared with the prediction.
_ROUNDING = 1e-4


def exact_contributions(
    predictor: Predictor,
    table: Table,
    typical: Table,
    columns: Sequence[SourceColumn],
    codes: Rows,
    *,
    log_odds: bool,
) -> list[Contributions | None]:
    """Per row the exact contributions, or None where the prediction is another number than their sum.

    A prediction may be bounded, or blended with known targets of equal training rows.

    Parameters
    ----------
    codes:
        The explained output of each row.
    """
    made: list[Contributions | None] = [None] * table.rows
    terms = _terms(predictor, table, typical, log_odds=log_odds)
    values = None if terms is None else _by_column(terms.values, table, columns)
    if terms is None or values is None:
        return made
    sums = terms.base + values.sum(axis=1)
    outputs = np.asarray(predictor.outputs(table), dtype=np.float64)
    if log_odds:
        signs, wanted = np.where(codes == 1, 1.0, -1.0), sums
        agreeing = np.abs(1 / (1 + np.exp(-sums)) - outputs[:, 1]) <= _ROUNDING
    else:
        signs, wanted = np.ones(table.rows), outputs[:, 0]
        agreeing = np.abs(sums - wanted) <= _ROUNDING * (np.abs(values).sum(axis=1) + abs(terms.base))
    for place in np.flatnonzero(agreeing):
        total = float(wanted[place]) - terms.base
        made[place] = Contributions(
            values=add_up(values[place], total, np.zeros(len(columns))) * signs[place],
            errors=np.zeros(len(columns)),
            base=terms.base * float(signs[place]),
            prediction=float(wanted[place] * signs[place]),
            pairs=0,
        )
    return made


def _terms(predictor: Predictor, table: Table, typical: Table, *, log_odds: bool) -> ScoreTerms | None:
    """The weighted sum of all models' terms, or None where the prediction is not such a sum."""
    single = len(predictor.members) == 1 and len(predictor.members[0].numbers) == 1
    link = Link.LOGISTIC if log_odds else Link.IDENTITY
    if predictor.task.link is not link or (log_odds and not single):
        return None
    total, base = np.zeros((table.rows, len(table.features.names))), 0.0
    whole = sum(member.weight for member in predictor.members)
    for member in predictor.members:
        terms_of = families()[member.family].terms if member.family in families() else None
        if terms_of is None or any(member.log_targets):
            return None
        for fitted in member.folds:
            terms = terms_of(fitted, table, typical)
            if terms is None or terms.link is not link:
                return None
            # A temperature divides log-odds; of numbers it is 1.
            share = member.weight / len(member.numbers) / whole / predictor.decision.temperature
            total += terms.values * share
            base += terms.base * share
    return ScoreTerms(total, base, link)


def _by_column(values: Array, table: Table, columns: Sequence[SourceColumn]) -> Array | None:
    """``(rows, columns)`` sums of ``(rows, features)``; None where a feature with a term has no column."""
    starts, start = {}, 0
    for kind, names in table.features.by_kind.items():
        starts[kind] = start
        start += len(names)
    places = [[starts[kind] + place for kind, place in column.pieces] for column in columns]
    rest = np.setdiff1d(np.arange(start), [place for own in places for place in own])
    if np.any(values[:, rest]):
        return None
    return np.stack([values[:, own].sum(axis=1) for own in places], axis=1)
