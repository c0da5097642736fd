"""Pruning after the first fold: only against a finished trial of the same family."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.controller.strategy.pruning import Pruner
from automl.core.built_in_tasks import RegressionTask
from automl.core.folds import Fold, Split
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.core.trial import Candidate, Progress, Trial
from automl.problem.fold_rules import SplitPlan, make_split
from automl.problem.problem import Problem

TARGET = np.random.default_rng(0).normal(size=600)
TASK = RegressionTask(METRICS["rmse"])


def pruner() -> Pruner:
    table = Table(Features(("x",)), TARGET[:, None], np.empty((600, 0), dtype=np.int32))
    problem = Problem(
        table=table, target=TARGET, task=TASK, split=make_split(TARGET, TASK, SplitPlan(folds=3))
    )
    return Pruner(problem, EnsembleBuilder(METRICS["rmse"], TARGET))


def pruned(judge: Pruner, number: int, *, error: float, repeat: int = 0) -> bool:
    """Whether a trial whose first fold is off by about ``error`` is stopped."""
    rows = judge.problem.split.folds[0].valid
    noise = np.random.default_rng(number).normal(scale=error, size=len(rows))
    progress = Progress(number, 0.3, "fold 1 of 3", 0, (TARGET[rows] + noise)[:, None])
    return judge.prunes(Trial(number, Candidate(family="net", repeat=repeat)), progress)


def test_nothing_is_pruned_while_the_familys_first_trial_is_running() -> None:
    judge = pruner()
    assert not pruned(judge, 0, error=0.1)
    assert not pruned(judge, 1, error=5.0)


def test_a_clearly_worse_first_fold_is_pruned_and_its_loss_extrapolated() -> None:
    judge = pruner()
    pruned(judge, 0, error=0.1)
    judge.builder.add(0, "net", (TARGET + 0.1)[:, None])
    assert pruned(judge, 1, error=5.0)
    assert judge.losses[1] > judge.builder.loss_of(0)
    assert not pruned(judge, 2, error=0.05), "the family's best is never pruned"
    assert not pruned(judge, 3, error=5.0, repeat=1), "another deal of the rows is not comparable"


def test_a_finished_trial_of_another_family_is_no_reference() -> None:
    judge = pruner()
    pruned(judge, 0, error=0.1)
    judge.builder.add(0, "forest", (TARGET + 0.1)[:, None])
    assert not pruned(judge, 1, error=5.0)


def test_a_worse_first_fold_that_makes_the_ensemble_better_goes_on() -> None:
    judge = pruner()
    pruned(judge, 0, error=0.1)
    judge.builder.add(0, "net", (TARGET + 1.0)[:, None])
    rows = judge.problem.split.folds[0].valid
    opposite = Progress(1, 0.3, "fold 1 of 3", 0, (TARGET[rows] - 1.0)[:, None])
    assert not judge.prunes(Trial(1, Candidate(family="net")), opposite)


def test_beside_a_first_fold_without_any_loss_nothing_is_extrapolated() -> None:
    judge = pruner()
    pruned(judge, 0, error=0.0)
    judge.builder.add(0, "net", TARGET[:, None])
    assert pruned(judge, 1, error=5.0)
    assert judge.losses == {}


def test_a_first_fold_of_one_row_prunes_nothing() -> None:
    judge = pruner()
    folds = Fold(np.arange(1, 600), np.arange(1)), Fold(np.arange(1), np.arange(1, 600))
    judge.problem = replace(judge.problem, split=Split(folds, "folds", "as told"))
    judge.builder.add(0, "net", (TARGET + 0.1)[:, None])
    assert not pruned(judge, 0, error=0.1)
    assert not pruned(judge, 1, error=5.0)
