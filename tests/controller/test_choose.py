"""The champion: what is deployed of an ensemble, and what speed may cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.controller.strategy.champion import choose_champion, tie_words
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.core.built_in_tasks import BinaryTask, RegressionTask
from automl.core.metrics import METRICS
from automl.core.trial import Candidate, Scores, Status, Trial, TrialResult
from automl.model.predictor import Predictor, PredictorSource, build_predictor
from automl.problem.fold_rules import SplitPlan, make_split
from automl.problem.problem import Problem

ROWS = 3_000
TASK = RegressionTask(METRICS["rmse"])


def chosen(
    errors: dict[int, tuple[float, float]],
    *,
    prefer: str = "best",
    shared: float = 0.3,
    gone: tuple[int, ...] = (),
    frozen: dict[int, dict[str, float]] | None = None,
) -> Any:
    """The champion among trials whose independent error has a scale and whose bag takes milliseconds."""
    generator = np.random.default_rng(0)
    target = generator.normal(size=ROWS)
    common = generator.normal(scale=shared, size=ROWS)
    problem = Problem(
        table=None, target=target, task=TASK, split=make_split(target, TASK, SplitPlan(folds=5))
    )  # type: ignore[arg-type]
    builder, trials = EnsembleBuilder(TASK.metric, target), {}
    for number, (scale, milliseconds) in errors.items():
        held_out = (target + common + generator.normal(scale=scale, size=ROWS))[:, None].astype(np.float32)
        result = TrialResult(
            status=Status.DONE,
            held_out=held_out,
            fold_seconds=(1.0,) * 5,
            predict_ms_per_1000_rows=milliseconds,
            frozen_ms=(frozen or {}).get(number, {}),
            model_bytes=1000,
        )
        score = TASK.metric.score(target, held_out)
        trials[number] = Trial(
            number, Candidate(family="linear", params={}, seed=0), result, Scores(score, 0.01, (score,) * 5)
        )
        builder.add(number, f"family{number}", held_out)
    builder.rebuild()
    builder.forget(gone)
    return choose_champion(problem, builder, trials, prefer=prefer), builder


def test_a_slow_member_that_brings_next_to_nothing_is_left_out():
    champion, builder = chosen({0: (0.30, 20.0), 1: (0.30, 20.0), 2: (0.70, 2000.0)}, shared=3.0)
    assert 2 in builder.best.weights
    assert set(champion.weights) == {0, 1}
    assert champion.predict_ms_per_1000_rows <= 40


def test_a_slow_member_that_brings_much_stays():
    champion, _ = chosen({0: (0.30, 20.0), 1: (0.05, 2000.0)})
    assert 1 in champion.weights


def test_of_a_label_metric_the_leader_of_the_leaderboard_is_not_given_up_for_better_probabilities():
    """Selection counts a tenth of the log loss; what is deployed must still keep the user's score."""
    generator = np.random.default_rng(0)
    target = np.arange(160) % 2
    task = BinaryTask(METRICS["accuracy"], (0, 1))
    problem = Problem(
        table=None, target=target, task=task, split=make_split(target, task, SplitPlan(folds=5))
    )  # type: ignore[arg-type]
    builder, trials = EnsembleBuilder(task.metric, target), {}
    for number, (wrong, sure) in enumerate([(5, 0.99), (2, 0.52)]):
        right = np.ones(160, dtype=bool)
        right[generator.choice(160, wrong, replace=False)] = False
        of_truth = np.where(right, sure, 0.49)
        held_out = np.where(target == 1, of_truth, 1 - of_truth)
        held_out = np.column_stack([1 - held_out, held_out])
        score = task.metric.score(target, held_out)
        result = TrialResult(status=Status.DONE, held_out=held_out, fold_seconds=(1.0,) * 5, model_bytes=1000)
        trials[number] = Trial(
            number, Candidate(family="linear", params={}, seed=0), result, Scores(score, 0.01, (score,) * 5)
        )
        builder.add(number, f"family{number}", held_out)
    assert builder.loss_of(0) < builder.loss_of(1)
    champion = choose_champion(problem, builder, trials)
    assert champion.validation >= 158 / 160


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("accuracy", "#1 linear has the same accuracy; the lower log loss decided, 0.1328 against 0.2477"),
        ("roc_auc", "#1 linear has the same roc_auc; the first one was taken"),
    ],
)
def test_what_decides_between_trials_of_one_score_is_said(metric: str, said: str):
    target = np.arange(160) % 2
    task = BinaryTask(METRICS[metric], (0, 1))
    problem = Problem(
        table=None, target=target, task=task, split=make_split(target, task, SplitPlan(folds=5))
    )  # type: ignore[arg-type]
    builder, trials = EnsembleBuilder(task.metric, target), {}
    for number, sure in enumerate((0.9, 0.8)):
        of_truth = np.where(np.arange(160) < 4, 0.3, sure)
        held_out = np.column_stack([1 - of_truth, of_truth])
        held_out = np.where(target[:, None] == 1, held_out, held_out[:, ::-1])
        score = task.metric.score(target, held_out)
        result = TrialResult(status=Status.DONE, held_out=held_out, fold_seconds=(1.0,) * 5, model_bytes=1000)
        trials[number] = Trial(
            number, Candidate(family="linear", params={}, seed=0), result, Scores(score, 0.01, (score,) * 5)
        )
        builder.add(number, "linear", held_out)
    champion = choose_champion(problem, builder, trials)
    assert tie_words(problem, champion, trials) == said
    assert tie_words(problem, champion, {0: trials[0]}) == ""


@pytest.mark.parametrize("prefer", ["best", "fast", "small"])
def test_a_trial_whose_model_was_dropped_is_no_member(prefer):
    champion, _ = chosen({0: (0.30, 20.0), 1: (0.05, 10.0), 2: (0.40, 20.0)}, prefer=prefer, gone=(1,))
    assert 1 not in champion.weights


def test_folds_are_deployed_by_weight_and_dealt_in_turn():
    champion, _ = chosen({0: (0.30, 20.0), 1: (0.34, 20.0), 2: (0.55, 20.0)})
    counts = {number: len(folds) for number, folds in champion.folds.items()}
    heaviest = next(iter(champion.weights))
    assert counts[heaviest] == 5
    assert 1 <= counts[2] < 5
    assert champion.predict_ms_per_1000_rows == sum(count * 4.0 for count in counts.values())


def test_the_fast_champion_is_one_model_per_member():
    champion, _ = chosen({0: (0.30, 100.0), 1: (0.31, 20.0)}, prefer="fast", shared=3.0)
    assert champion.weights == {1: 1.0}
    assert [len(folds) for folds in champion.folds.values()] == [1]
    assert champion.predict_ms_per_1000_rows == 4.0


def test_a_frozen_net_is_paid_once_by_the_members_that_share_it():
    net, other = {"net": 1000.0}, {"net": 900.0, "mirrored": 500.0}
    champion, _ = chosen({0: (0.30, 1020.0), 1: (0.30, 1410.0)}, frozen={0: net, 1: other})
    folds = [len(champion.folds[number]) for number in (0, 1)]
    assert champion.predict_ms_per_1000_rows == 1000 + 500 + folds[0] * 20 / 5 + folds[1] * 10 / 5


def test_a_predictor_of_some_folds_averages_just_these(finished_trials: Any, tmp_path: Path):
    problem, frame = finished_trials.problem, finished_trials.frame
    folder = Path(finished_trials.trials[2].result.model_folder)

    def outputs(name: str, folds: tuple[int, ...]) -> np.ndarray:
        source = PredictorSource(
            name="flowers",
            task=problem.task,
            layout=finished_trials.layout,
            members=((folder, 1.0),),
            folds=(folds,) if folds else (),
        )
        build_predictor(tmp_path / name, source)
        loaded = Predictor.load(tmp_path / name)
        assert len(loaded.members[0].folds) == (len(folds) or len(problem.split.folds))
        return loaded.predict_proba(frame).to_numpy()

    last = len(problem.split.folds) - 1
    alone = [outputs(f"one{fold}", (fold,)) for fold in (0, last)]
    assert np.allclose(outputs("two", (0, last)), np.mean(alone, axis=0))
    assert not np.allclose(outputs("all", ()), alone[0])
