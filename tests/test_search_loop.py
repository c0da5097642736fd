"""Pruning after the first fold: only against a finished trial of the same family."""

from __future__ import annotations

import numpy as np

from automl.data.table import Features, Table
from automl.ensemble import EnsembleBuilder
from automl.loop import Loop
from automl.metrics import METRICS
from automl.problem import Problem
from automl.splits import SplitPlan, make_split
from automl.tasks import RegressionTask
from automl.trial import Candidate, Progress, Scores, Trial

TARGET = np.random.default_rng(0).normal(size=600)
TASK = RegressionTask(METRICS["rmse"])


class _Stops:
    """Notes whom it was asked to stop."""

    def __init__(self) -> None:
        self.stopped: list[int] = []

    def stop(self, number: int) -> None:
        self.stopped.append(number)

    def progressed(self, progress: Progress) -> None: ...


def _loop(stops: _Stops) -> Loop:
    table = Table(Features(("x",)), TARGET[:, None], np.empty((600, 0), dtype=np.int32))
    problem = Problem(table, TARGET, TASK, make_split(TARGET, TASK, SplitPlan(folds=3)))
    builder = EnsembleBuilder(METRICS["rmse"], TARGET)
    unused: list = [None] * 4
    return Loop(problem, *unused, stops, builder, stops, None)  # type: ignore[arg-type]


def _first_fold(loop: Loop, number: int, error: float) -> None:
    rows = loop.problem.split.folds[0].valid
    loop._running[number] = loop.history[number] = Trial(number, Candidate("net"))
    noise = np.random.default_rng(number).normal(scale=error, size=len(rows))
    held_out = (TARGET[rows] + noise)[:, None].astype(np.float32)
    loop._progress(Progress(number, 0.3, "fold 1 of 3", 0, held_out))


def test_nothing_is_pruned_while_the_familys_first_trial_is_running():
    stops = _Stops()
    loop = _loop(stops)
    _first_fold(loop, 0, error=0.1)
    _first_fold(loop, 1, error=5.0)
    assert stops.stopped == []


def test_a_clearly_worse_first_fold_is_pruned_and_its_loss_extrapolated():
    stops = _Stops()
    loop = _loop(stops)
    _first_fold(loop, 0, error=0.1)
    whole = (TARGET + 0.1)[:, None].astype(np.float32)
    loop.builder.add(0, "net", whole)
    loop.history[0] = Trial(0, Candidate("net"), None, Scores(0.1, 0.01, (0.1,)))
    _first_fold(loop, 1, error=5.0)
    assert stops.stopped == [1]
    assert loop._pruned_loss[1] > loop.builder.loss_of(0)
