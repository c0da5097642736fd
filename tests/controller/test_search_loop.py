"""Pruning after the first fold: only against a finished trial of the same family."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from automl.controller.folder import SearchFolder
from automl.controller.loop import Loop
from automl.controller.saved_setup import Outset
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.core.clock import Clock
from automl.core.folds import Fold, Split
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.core.tasks import RegressionTask
from automl.core.trial import Candidate, Progress, Scores, Status, Ticket, Trial
from automl.problem.problem import Problem
from automl.problem.splits import SplitPlan, make_split

TARGET = np.random.default_rng(0).normal(size=600)
TASK = RegressionTask(METRICS["rmse"])


class _Stops:
    """Notes whom it was asked to stop."""

    def __init__(self) -> None:
        self.stopped: list[int] = []

    def stop(self, number: int) -> None:
        self.stopped.append(number)

    def progressed(self, progress: Progress) -> None: ...

    def submit(self, ticket: Ticket) -> None: ...

    def started(self, trial: Trial) -> None: ...

    def finished(self, trial: Trial, best: float | None) -> None: ...

    def close(self) -> None: ...

    def learn(self, family: str, seconds: float) -> None: ...


def _loop(stops: _Stops) -> Loop:
    table = Table(Features(("x",)), TARGET[:, None], np.empty((600, 0), dtype=np.int32))
    problem = Problem(table, TARGET, TASK, make_split(TARGET, TASK, SplitPlan(folds=3)))
    builder = EnsembleBuilder(METRICS["rmse"], TARGET)
    unused: list = [None] * 4
    unused[2] = stops  # the time model
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


def test_beside_a_first_fold_without_any_loss_nothing_is_extrapolated():
    stops = _Stops()
    loop = _loop(stops)
    loop.builder.add(0, "net", TARGET[:, None])
    _first_fold(loop, 0, error=0.0)
    rows = loop.problem.split.folds[0].valid
    loop._first_fold["net"] = 0.0, np.zeros(len(rows))
    loop.history[0] = Trial(0, Candidate("net"), None, Scores(0.1, 0.01, (0.1,)))
    _first_fold(loop, 1, error=5.0)
    assert stops.stopped == [1]
    assert loop._pruned_loss == {}


def test_a_first_fold_of_one_row_prunes_nothing():
    stops = _Stops()
    loop = _loop(stops)
    folds = Fold(np.arange(1, 600), np.arange(1)), Fold(np.arange(1), np.arange(1, 600))
    loop.problem = replace(loop.problem, split=Split(folds, "folds", "as told"))
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


def test_a_trial_that_the_end_cut_off_is_recorded_with_the_time_it_took(tmp_path):
    stops = _Stops()
    loop = _loop(stops)
    outset = Outset(
        name="x",
        settings={},
        data_digest="",
        problem_digest="",
        test_digest="",
        slots=1,
        threads=1,
        device="cpu",
        tracking_uri=None,
        created=0.0,
    )
    with SearchFolder.create(tmp_path, outset, "x") as folder:
        loop.folder, loop.clock = folder, Clock(60)
        loop._start(Trial(0, Candidate("net")), stops, 60)  # type: ignore[arg-type]
        time.sleep(0.05)
        loop.end()
        (kept,) = folder.trials()
    assert kept.trial.result is not None
    assert kept.trial.result.status is Status.TIMEOUT
    assert kept.trial.result.seconds >= 0.05
