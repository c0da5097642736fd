"""Costs of wrong answers: how they are given, the metric, the decision, and its way through JSON."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from automl.core.built_in_tasks import BinaryTask
from automl.core.error_costs import costs_of, costs_text, costs_words, with_costs
from automl.core.errors import AutoMLError, UsageError
from automl.core.metrics import METRICS
from automl.core.task_choice import task_from_json
from automl.model.decision import Decision
from automl.problem.settings import Settings
from automl.problem.target_choice import _choose_task

ANIMALS = ("bird", "cat", "dog")


def chosen(values: np.ndarray, **choices: object) -> object:
    return _choose_task(values, Settings.from_choices({"data": None, **choices})).task


def test_of_two_classes_misses_and_false_alarms_are_named() -> None:
    assert costs_of("fn=5, fp=2", ("no", "yes")) == ((0, 2), (5, 0))
    assert costs_of("fn=5", (0, 1)) == costs_of("1>0=5", (0, 1)) == ((0, 1), (5, 0))


def test_a_mapping_and_a_file_mean_the_same(tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text("truth,bird,cat,dog\ncat,1,0,5\n\ndog,2,,0\n")
    wanted = ((0, 1, 1), (1, 0, 5), (2, 1, 0))
    assert costs_of(costs_text(tmp_path / "costs.csv", "--cost"), ANIMALS) == wanted
    assert costs_of(costs_text({("cat", "dog"): 5, "dog>bird": 2}, "--cost"), ANIMALS) == wanted
    commas = costs_text({("a, b", "c"): 3}, "--cost")
    assert costs_of(commas, ("a, b", "c"))[0][1] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fn=5", "TRUTH>ANSWER"),
        ("cat>dgo=5", "cat>dog"),
        ("cat>dog=-1", "0 or more"),
        ("cat>dog=much", "0 or more"),
        ("bird>cat=0,dog>cat=0", "'cat' never costs anything"),
        ("cat>cat=1", "TRUTH>ANSWER"),
    ],
)
def test_costs_that_cannot_be_say_why(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        costs_of(text, ANIMALS)


@pytest.mark.parametrize(
    ("values", "choices", "message"),
    [
        ([0.5, 1.25, 3.0, 4.5], {"cost": "fn=2"}, "is about classes"),
        (["a", "b"] * 3, {"cost": "fn=2", "metric": "f1"}, "such as log_loss"),
        (["a", "b"] * 3, {"metric": "cost"}, "state it with --cost"),
        (["a", "b"] * 3, {"cost": "fn=2", "metric": lambda truth, given: 0.0}, "one of them"),
        (["a", "b"] * 3, {"cost": "missing.csv"}, "cannot be read"),
    ],
)
def test_costs_that_do_not_fit_are_refused(values: list, choices: dict, message: str) -> None:
    with pytest.raises(AutoMLError, match=message):
        chosen(np.array(values), **choices)


def test_alone_costs_are_the_metric_and_beside_another_they_choose_the_answers() -> None:
    values = np.array(["no", "yes"] * 5)
    alone = chosen(values, cost="fn=5,fp=1").metric
    assert (alone.name, alone.greater_is_better, alone.costs) == ("cost", False, ((0, 1), (5, 0)))
    beside = chosen(values, cost="fn=5,fp=1", metric="log_loss").metric
    assert (beside.name, beside.costs) == ("log_loss", ((0, 1), (5, 0)))


def test_the_score_is_the_mean_cost_of_the_answers_that_are_expected_to_cost_least() -> None:
    metric = with_costs(None, ((0, 1), (5, 0)))
    predictions = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.1, 0.9]])
    assert metric.score(np.array([1, 0, 1, 0]), predictions) == (5 + 1 + 0 + 1) / 4
    assert metric.score(np.array([1, 0]), predictions[:2], np.array([3.0, 1.0])) == (3 * 5 + 1) / 4


@pytest.mark.parametrize("name", [None, "log_loss"])
def test_a_task_keeps_its_costs_in_json(name: str | None) -> None:
    metric = with_costs(None if name is None else METRICS[name], ((0, 1.5), (5, 0)))
    task = BinaryTask(metric, ("no", "yes"))
    assert task_from_json(task.to_json()) == task


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    true = rng.dirichlet([4.0, 2.0, 1.0], rows)
    return (rng.random((rows, 1)) > true.cumsum(axis=1)).sum(axis=1), true


def test_several_classes_are_answered_by_their_expected_cost() -> None:
    codes, predictions = drawn(3000, 0)
    costs = costs_of("dog>bird=9,dog>cat=9", ANIMALS)
    task = chosen(np.array(ANIMALS)[codes], cost="dog>bird=9,dog>cat=9")
    decision = Decision.fitted(task, codes, predictions)
    assert Decision.from_json(decision.to_json()) == decision
    answers = decision.answers(predictions).argmax(axis=1)
    assert np.array_equal(answers, (predictions @ np.array(costs)).argmin(axis=1))
    paid = np.array(costs)[codes, answers].mean()
    assert paid == pytest.approx(task.metric.score(codes, decision.apply(predictions)))
    assert paid < 0.8 * np.array(costs)[codes, predictions.argmax(axis=1)].mean()


def test_the_threshold_of_two_classes_follows_from_the_costs() -> None:
    rng = np.random.default_rng(1)
    chance = rng.beta(1, 3, 4000)
    codes, predictions = (rng.random(4000) < chance).astype(int), np.c_[1 - chance, chance]
    task = chosen(np.array(["no", "yes"])[codes], cost="fn=4,fp=1")
    decision = Decision.fitted(task, codes, predictions)
    assert decision.class_weights == ()
    assert decision.threshold == pytest.approx(0.2)
    answers = decision.answers(predictions).argmax(axis=1)
    assert np.array_equal(answers, (chance > 0.2).astype(int))


def test_a_threshold_is_moved_where_probabilities_mislead() -> None:
    rng = np.random.default_rng(2)
    chance = rng.beta(1, 3, 4000)
    codes, wrong = (rng.random(4000) < chance).astype(int), 0.3 * chance
    task = chosen(np.array(["no", "yes"])[codes], cost="fn=4,fp=1")
    decision = Decision.fitted(task, codes, np.c_[1 - wrong, wrong])
    given = decision.probabilities(np.c_[1 - wrong, wrong])
    assert decision.class_weights
    assert decision.threshold != pytest.approx(0.2, abs=0.01)
    assert task.metric.score(codes, decision.weighted(given)) < task.metric.score(codes, given)


def test_costs_are_said_in_words() -> None:
    assert costs_words(((0, 1), (5, 0)), ("no", "yes")) == "no taken for yes: 1; yes taken for no: 5"
    assert costs_words(costs_of("cat>dog=5", ANIMALS), ANIMALS) == "cat taken for dog: 5"
