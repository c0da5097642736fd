"""The honest score: what the choice would reach on rows that it was not made on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from automl.controller.strategy.champion import choose_champion
from automl.controller.strategy.ensemble import EnsembleBuilder, weighted_mean
from automl.controller.strategy.honest_score import honest_score
from automl.controller.strategy.scoring import scores_of
from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.metrics import METRICS
from automl.core.trial import Candidate, Status, Trial, TrialResult
from automl.problem.fold_rules import SplitPlan, make_split
from automl.problem.problem import Problem

COIN = BinaryTask(METRICS["accuracy"], ("heads", "tails"))
VALUES = RegressionTask(METRICS["rmse"])


def searched(task: Any, target: np.ndarray, guesses: list[np.ndarray], plan: SplitPlan | None = None) -> Any:
    """A problem with one trial per array of held-out predictions, and the champion among them."""
    split = make_split(target, task, plan or SplitPlan(folds=5))
    problem = Problem(table=None, target=target, task=task, split=split)  # type: ignore[arg-type]
    builder, trials = EnsembleBuilder(task.metric, target[split.scored]), {}
    for number, guess in enumerate(guesses):
        result = TrialResult(
            status=Status.DONE, held_out=guess[split.scored], fold_seconds=(1.0,) * len(split.folds)
        )
        trial = Trial(number, Candidate(family=f"f{number % 3}", params={}, seed=0), result)
        trials[number] = replace(trial, scores=scores_of(trial, problem))
        builder.add(number, trial.candidate.family, guess[split.scored])
    builder.rebuild()
    return problem, trials, choose_champion(problem, builder, trials)


def coins(rows: int, trials: int, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """A target that nothing tells of, and as many guesses at it."""
    rng = np.random.default_rng(seed)
    shares = [rng.uniform(size=rows).astype(np.float32) for _ in range(trials)]
    return rng.integers(0, 2, rows), [np.column_stack([1 - share, share]) for share in shares]


def test_the_best_of_many_guesses_is_known_for_chance():
    found = [searched(COIN, *coins(300, 25, seed)) for seed in range(4)]
    assert min(champion.validation for *_, champion in found) > 0.53
    honest = [honest_score(*item) for item in found]
    assert abs(np.mean([score.value for score in honest]) - 0.5) < 0.03
    assert all(score.low < 0.5 < score.high for score in honest)


def test_without_a_choice_there_is_nothing_to_take_off():
    problem, trials, champion = searched(COIN, *coins(300, 1))
    honest = honest_score(problem, trials, champion)
    assert honest.value == pytest.approx(champion.validation)
    assert honest.how.endswith("24 times, each judged on rows that it did not see (300 held-out rows)")
    assert honest == honest_score(problem, trials, champion)


def test_probabilities_are_calibrated_once():
    rng = np.random.default_rng(0)
    chance = rng.beta(1, 1, 800)
    bold = chance**2 / (chance**2 + (1 - chance) ** 2)
    task = BinaryTask(METRICS["log_loss"], ("heads", "tails"))
    target = (rng.uniform(size=800) < chance).astype(int)
    problem, trials, champion = searched(task, target, [np.column_stack([1 - bold, bold])])
    assert champion.decision.temperature > 1.5
    assert champion.validation == pytest.approx(task.metric.score(target, champion.held_out), abs=1e-6)
    honest = honest_score(problem, trials, champion)
    assert honest.value == pytest.approx(champion.validation, abs=0.01)


def test_a_champion_without_a_mistake_leaves_room_above_what_is_expected():
    target = np.random.default_rng(0).integers(0, 2, 60)
    sure = np.where(np.arange(60)[:, None] % 6 == np.arange(6), 0.1, 0.9)
    guesses = [np.column_stack([1 - p, p]) for p in np.where(target[:, None] == 1, sure, 1 - sure).T]
    problem, trials, champion = searched(COIN, target, guesses)
    honest = honest_score(problem, trials, champion)
    assert champion.validation == 1
    assert honest.low < honest.value <= honest.high <= 1
    assert honest.value == 1 or honest.high > honest.value


def test_the_interval_of_a_loss_is_not_cut_at_its_upper_end():
    rng = np.random.default_rng(0)
    target = rng.normal(scale=100, size=200)
    honest, larger = (
        honest_score(*searched(VALUES, scale * target, [np.zeros((200, 1))])) for scale in (1e-3, 1.0)
    )
    for end in ("low", "value", "high"):
        assert getattr(larger, end) == pytest.approx(1e3 * getattr(honest, end))


def unequal(rows: int, seed: int) -> tuple[np.ndarray, list[np.ndarray]]:
    """Four classes, one of them rare, and six fixed models that see them dimly."""
    rng = np.random.default_rng(seed)
    target = rng.choice(4, rows, p=[0.5, 0.3, 0.16, 0.04])
    dim = 1.5 * np.eye(4)[target] + rng.normal(size=(rows, 4)) + np.log([0.5, 0.3, 0.16, 0.04])
    scores = [dim + rng.normal(scale=0.5, size=(rows, 4)) for _ in range(6)]
    return target, [np.exp(score) / np.exp(score).sum(axis=1, keepdims=True) for score in scores]


def test_weights_of_classes_are_judged_on_rows_that_they_were_not_tuned_on():
    task = MulticlassTask(METRICS["f1_macro"], ("a", "b", "c", "d"))
    new, seen = unequal(20_000, 100)
    off, optimism = [], []
    for seed in range(3):
        problem, trials, champion = searched(task, *unequal(300, seed))
        assert champion.decision.class_weights
        made = weighted_mean((seen[number], weight) for number, weight in champion.weights.items())
        truth = task.metric.score(new, champion.decision.apply(made))
        off.append(honest_score(problem, trials, champion).value - truth)
        optimism.append(champion.validation - truth)
    assert np.mean(optimism) > 0.05
    assert abs(np.mean(off)) < 0.03


def test_rows_of_a_group_are_drawn_together():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(25), 16)
    target = rng.normal(size=25)[groups] + rng.normal(scale=0.1, size=400)
    guesses = [np.zeros((400, 1)), np.full((400, 1), 0.1)]
    alone = honest_score(*searched(VALUES, target, guesses))
    plan = SplitPlan(folds=5, groups=groups, groups_named=True)
    together = honest_score(*searched(VALUES, target, guesses, plan))
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert together.how.endswith("(25 groups, 400 held-out rows)")


def test_forward_folds_are_drawn_by_windows_of_time():
    times = np.repeat(np.arange(200.0), 3)
    split = make_split(np.zeros(600), VALUES, SplitPlan(times=times, folds=5))
    windows = split.units[split.scored]
    assert 20 <= len(np.unique(windows)) <= 30
    assert all(len(np.unique(split.units[times == moment])) == 1 for moment in np.unique(times))
    for fold in split.folds:
        assert not set(split.units[fold.valid]) & set(np.setdiff1d(windows, split.units[fold.valid]))


def test_too_few_groups_tell_nothing():
    groups = np.repeat(np.arange(6), 50)
    target, guesses = coins(300, 3)
    plan = SplitPlan(folds=3, groups=groups, groups_named=True)
    assert honest_score(*searched(COIN, target, guesses, plan)) is None


def test_the_choice_of_a_fast_champion_is_repeated_as_such():
    problem, trials, _ = searched(COIN, *coins(400, 12))
    builder = EnsembleBuilder(COIN.metric, problem.target)
    for number, trial in trials.items():
        builder.add(number, trial.candidate.family, trial.result.held_out)
    fast = choose_champion(problem, builder, trials, prefer="fast")
    assert abs(honest_score(problem, trials, fast, prefer="fast").value - 0.5) < 0.05
