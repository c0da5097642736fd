"""The weighted mean of what all models of a predictor answer, several of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.family import Fitted
from automl.core.machine import cores
from automl.core.predictions import Predictions
from automl.core.table import Table
from automl.data.modalities import modality_of
from automl.model.log_target import LogTarget
from automl.model.member import Member

_MOST_THREADS = 8


def averaged(members: Sequence[Member], table: Table, n_outputs: int) -> npt.NDArray[np.float64]:
    """Probabilities or values ``(rows, n_outputs)``: the mean of each member's folds, by its weight."""
    jobs: list[Callable[[], Predictions]] = []
    weights: list[float] = []
    for member in members:
        share = member.weight / len(member.folds)
        for fitted, log_target in zip(member.folds, member.log_targets, strict=True):
            jobs.append(partial(_fold_predictions, fitted, log_target, table))
            weights.append(share)
    together = modality_of(table.features.kinds).side_by_side
    answers = in_threads(jobs) if together else [job() for job in jobs]
    total = np.zeros((table.rows, n_outputs))
    for predictions, weight in zip(answers, weights, strict=True):
        total += np.asarray(predictions, dtype=np.float64) * weight
    return np.asarray(total / sum(weights))


def in_threads(jobs: Sequence[Callable[[], Any]]) -> list[Any]:
    """Results of the jobs in their order; several at once where there are cores for it."""
    workers = min(len(jobs), cores(), _MOST_THREADS)
    if workers <= 1:
        return [job() for job in jobs]
    with ThreadPoolExecutor(workers, thread_name_prefix="automl-predict") as pool:
        return list(pool.map(lambda job: job(), jobs))


def _fold_predictions(fitted: Fitted, log_target: LogTarget | None, table: Table) -> Predictions:
    predictions = fitted.predict(table)
    return predictions if log_target is None else log_target.restore(predictions)
