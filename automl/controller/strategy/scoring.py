"""Scores of a trial from its predictions: as a whole with a standard error, by fold, on training rows."""

from __future__ import annotations

import numpy as np

from automl.core.score_intervals import standard_error
from automl.core.trial import Scores, Status, Trial
from automl.problem.problem import Problem


def scores_of(trial: Trial, problem: Problem) -> Scores | None:
    """The scores of an ended trial; None where it has no predictions to score."""
    result = trial.result
    if result is None or result.status is not Status.DONE or result.held_out is None:
        return None
    metric, target, weights_of = problem.task.metric, problem.target, problem.weights_of
    split = problem.split_for(trial.candidate.repeat)
    scored = split.scored
    folds = tuple(
        metric.score(
            target[fold.valid],
            result.held_out[np.searchsorted(scored, fold.valid)],
            weights_of(fold.valid),
        )
        for fold in split.folds
    )
    train = None
    if result.train_rows is not None and result.train_predictions is not None:
        rows = result.train_rows
        train = metric.score(target[rows], result.train_predictions, weights_of(rows))
    weights = weights_of(scored)
    validation = metric.score(target[scored], result.held_out, weights)
    error = standard_error(metric, target[scored], result.held_out, folds, weights=weights)
    return Scores(validation, error, folds, train)
