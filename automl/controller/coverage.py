"""Intervals and sets of the champion: fitted on held-out rows, measured on the untouched ones."""

from __future__ import annotations

from automl.core.predictions import Predictions
from automl.model.champion import Champion
from automl.model.conformal import CONFORMAL, Bounds, ClassSets, Coverage
from automl.problem.preparation import Prepared

DIFFICULTY_SECONDS = 1.5
"""Processor seconds, at most, in which rows that are hard to predict are found; most of it is an import."""


def fitted_conformal(
    prepared: Prepared, champion: Champion, *, equal: bool = False
) -> Bounds | ClassSets | None:
    """The intervals or sets of the champion; None for a task whose answers have neither.

    Parameters
    ----------
    equal:
        Whether all intervals are to be of one width, which takes no time.
    """
    problem = prepared.problem
    kind = CONFORMAL.get(problem.task.answer)
    if kind is None:
        return None
    return kind.fitted(problem.table, problem.target, champion.held_out, problem.split, equal=equal)


def measured_coverage(
    prepared: Prepared,
    champion: Champion,
    conformal: Bounds | ClassSets | None,
    untouched: Predictions | None,
) -> Coverage | None:
    """The bounds as they turn out on the untouched rows, or on the held-out ones where there are none.

    Parameters
    ----------
    untouched:
        The deployed model's predictions ``(test rows, n_outputs)``.
    """
    if conformal is None:
        return None
    if prepared.test is not None and untouched is not None:
        table, target, predictions = prepared.test.table, prepared.test.target, untouched
    else:
        problem = prepared.problem
        rows = problem.split.scored
        table, target, predictions = problem.table.take(rows), problem.target[rows], champion.held_out
    answers = champion.decision.answers(predictions).argmax(axis=1)
    return Coverage(
        measured=conformal.measured(table, target, predictions, answers),
        untouched=untouched is not None,
        holds_for=conformal.holds_for,
    )
