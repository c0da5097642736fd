"""Intervals and sets of the champion: fitted on held-out rows, measured on the untouched ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Answer, Predictions
from automl.core.tasks import Encoded
from automl.core.weights import effective_rows, mean_of
from automl.model.conformal import LEVELS, Bounds, ClassSets, Coverage, LevelCoverage
from automl.model.decision import Decision
from automl.problem.preparation import Prepared
from automl.problem.problem import Problem

Array = npt.NDArray[np.float64]
Inside = npt.NDArray[np.bool_]

DIFFICULTY_SECONDS = 1.5
"""Processor seconds, at most, in which rows that are hard to predict are found; most of it is an import."""


def fitted_conformal(problem: Problem, held_out: Predictions, *, equal: bool = False) -> Bounds | ClassSets:
    """The intervals or sets of a model, by what its answers are.

    Parameters
    ----------
    held_out:
        Its predictions ``(rows scored, n_outputs)``, as people are given them.
    equal:
        Whether all intervals are to be of one width, which takes no time.
    """
    target, split, weights = problem.target, problem.split, problem.weights
    if problem.task.answer is Answer.NUMBERS:
        return Bounds.fitted(problem.table, target, held_out, split, weights=weights, equal=equal)
    return ClassSets.fitted(target, held_out, split, weights=weights)


def measured_coverage(
    prepared: Prepared,
    decision: Decision,
    conformal: Bounds | ClassSets,
    held_out: Predictions,
    untouched: Predictions | None,
) -> Coverage:
    """The bounds as they turn out on the untouched rows, or on the held-out ones where there are none.

    Parameters
    ----------
    held_out:
        The predictions that they were fitted on.
    untouched:
        The deployed model's predictions ``(test rows, n_outputs)``.
    """
    if prepared.test is not None and untouched is not None:
        table, target, predictions = prepared.test.table, prepared.test.target, untouched
        weights = prepared.test.weights
    else:
        problem = prepared.problem
        rows = problem.split.scored
        table, target, predictions = problem.table.take(rows), problem.target[rows], held_out
        weights = problem.weights_of(rows)
    number = len(target) if weights is None else effective_rows(len(target), weights)
    levels = []
    for level in filter(conformal.reaches, LEVELS):
        if isinstance(conformal, Bounds):
            inside, sizes = _in_intervals(conformal.ends(table, predictions, level), target)
        else:
            answers = decision.answers(predictions).argmax(axis=1)
            inside, sizes = _in_sets(conformal.members(predictions, answers, level), target)
        held = int(inside.sum()) if weights is None else mean_of(inside, weights) * number
        levels.append(LevelCoverage(level=level, size=mean_of(sizes, weights), inside=held, rows=number))
    return Coverage(measured=tuple(levels), untouched=untouched is not None, holds_for=conformal.holds_for)


def _in_intervals(ends: Array, target: Encoded) -> tuple[Inside, Array]:
    """Rows whose truth is inside, and the widths."""
    low, high = ends.T
    truth = np.asarray(target, dtype=np.float64)
    return (low <= truth) & (truth <= high), high - low


def _in_sets(members: Inside, target: Encoded) -> tuple[Inside, Array]:
    """Rows whose true class is inside, and the numbers of classes."""
    truth = np.asarray(target, dtype=np.int64)
    return members[np.arange(len(truth)), truth], members.sum(axis=1).astype(np.float64)
