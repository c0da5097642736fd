"""A small search without its data and its workers: what proposes and what learns, over 60 rows."""

from __future__ import annotations

import numpy as np

from automl.controller.proposals import Proposals
from automl.controller.readiness import Readiness
from automl.controller.saved_setup import Outset
from automl.controller.strategy.allocator import Allocator
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.controller.strategy.learner import Learner
from automl.controller.strategy.optimizer import Optimizer
from automl.controller.strategy.retry import Retries
from automl.controller.strategy.scoring import scores_of
from automl.controller.strategy.space_files import load_space
from automl.controller.strategy.trial_times import TimeModel
from automl.controller.trial_limits import TimeLimits
from automl.core.built_in_tasks import RegressionTask
from automl.core.family import Scope
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.core.time_budget import Clock
from automl.core.trial import Candidate, Status, Trial, TrialResult
from automl.families import families
from automl.problem.fold_rules import SplitPlan, make_split
from automl.problem.problem import Problem

TARGET = np.random.default_rng(0).normal(size=60)
TASK = RegressionTask(METRICS["rmse"])
OUTSET = Outset(
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
_PLAN = SplitPlan(folds=3)
PROBLEM = Problem(
    table=Table(Features(("x",)), TARGET[:, None], np.empty((60, 0), dtype=np.int32)),
    target=TARGET,
    task=TASK,
    split=make_split(TARGET, TASK, _PLAN),
    repeats=tuple(make_split(TARGET, TASK, _PLAN, repeat=repeat) for repeat in (1, 2)),
)
SPACES = {
    name: load_space(name, families()[name].params).for_task("regression", 60)
    for name in ("dummy", "linear", "lightgbm")
}


def proposals(
    *, trials: int | None = None, seconds: float | None = 3600, cap: int = 100, foreseen: bool = False
) -> Proposals:
    """Of a search by ``trials``, or by ``seconds`` without them."""
    timed = trials is None
    times, builder = TimeModel(), EnsembleBuilder(TASK.metric, TARGET)
    learner = Learner(
        optimizer=Optimizer(SPACES),
        allocator=Allocator(tuple(SPACES), times, timed=timed),
        times=times,
        builder=builder,
        foresees=lambda family: foreseen,
        pruned_losses={},
    )
    clock = Clock(seconds if timed else None)
    return Proposals(
        problem=PROBLEM,
        learner=learner,
        retries=Retries(SPACES),
        readiness=Readiness(problem=PROBLEM, scope=Scope(40, 3, 10.0, "cpu")),
        limits=TimeLimits(problem=PROBLEM, clock=clock, timed=timed, slots=lambda: 2, cores=lambda: 2),
        trials=trials,
        cap=cap,
        seed=0,
    )


def done(number: int, candidate: Candidate, *, error: float = 0.1, seconds: float = 1.0) -> Trial:
    """A trial that came back with predictions that are off by about ``error``."""
    noise = np.random.default_rng(number).normal(scale=error, size=len(TARGET))
    trial = Trial(
        number,
        candidate,
        TrialResult(status=Status.DONE, seconds=seconds, held_out=(TARGET + noise)[:, None]),
    )
    return trial.finished(trial.result, scores_of(trial, PROBLEM)) if trial.result else trial
