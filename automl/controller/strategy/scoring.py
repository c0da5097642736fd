"""Scores of a trial from its predictions: as a whole with a standard error, by fold, on training rows."""

from __future__ import annotations

import numpy as np

from automl.core.intervals import standard_error
from automl.core.trial import Scores, Status, Trial
from automl.problem.problem import Problem


def scores_of(trial: Trial, problem: Problem) -> Scores | None:
    """The scores of an ended trial; None where it has no predictions to score."""
    result = trial.result
    if result is None or result.status is not Status.DONE or result.held_out is None:
        return None
    task, target = problem.task, problem.target
    split = problem.split_for(trial.candidate.repeat)
    scored = split.scored
    folds = tuple(
        task.metric.score(target[fold.valid], result.held_out[np.searchsorted(scored, fold.valid)])
        for fold in split.folds
    )
    train = None
    if result.train_rows is not None and result.train_predictions is not None:
        train = task.metric.score(target[result.train_rows], result.train_predictions)
    validation = task.metric.score(target[scored], result.held_out)
    error = standard_error(task.metric, target[scored], result.held_out, folds)
    return Scores(validation, error, folds, train)
