"""Rows that equal training rows: when their targets count, how much, and that saving keeps it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.core.built_in_tasks import MulticlassTask, RegressionTask
from automl.core.folds import Fold, Split
from automl.core.metrics import METRICS
from automl.data.layout import Layout
from automl.model.known_rows import KnownRows
from automl.model.predictor import Predictor, PredictorSource, build_predictor

THREE = MulticlassTask(METRICS["accuracy"], ("a", "b", "c"))
VALUES = RegressionTask(METRICS["rmse"])


def repeated(rows: int = 600, *, seed: int = 0) -> tuple[Any, np.ndarray]:
    """A table in which every row stands twice, and the number of the original per row."""
    generator = np.random.default_rng(seed)
    original = np.repeat(np.arange(rows // 2), 2)
    frame = pd.DataFrame({"x": generator.normal(size=rows // 2)[original]})
    frame["kind"] = np.array(["red", "green", "blue"])[generator.integers(0, 3, rows // 2)][original]
    frame["y"] = 0.0
    layout = Layout.infer(frame, target="y")
    return layout.encode(frame).table, original


def together(original: np.ndarray) -> Split:
    """Five folds in which the rows of one original judge together."""
    every = np.arange(len(original))
    dealt = original % 5
    return Split(tuple(Fold(every[dealt != i], every[dealt == i]) for i in range(5)), "folds", "")


def test_rows_whose_equals_trained_the_model_that_judged_them_measure_nothing():
    table, original = repeated()
    target = np.random.default_rng(1).integers(0, 3, 300)[original]
    uninformed = np.full((600, 3), 1 / 3)
    apart = together(np.arange(600))
    assert KnownRows.measured(table, target, THREE, apart, uninformed) is None
    half = together(np.where(original < 100, np.arange(600), original))
    known = KnownRows.measured(table, target, THREE, half, uninformed)
    assert known is not None
    untouched = np.flatnonzero(original < 100)
    assert np.array_equal(known.join(table, uninformed)[untouched], uninformed[untouched])


@pytest.mark.parametrize("task", [THREE, VALUES], ids=["classes", "values"])
def test_a_held_out_row_is_answered_by_its_equals_but_not_by_itself(task: Any) -> None:
    table, original = repeated()
    weights = np.random.default_rng(2).integers(1, 4, 600).astype(float)
    target = np.random.default_rng(1).integers(0, 3, 300)[original]
    lone = np.arange(600) < 100  # of these a twin says something else
    target = np.where(lone & (np.arange(600) % 2 == 0), (target + 1) % 3, target)
    guess = np.full((600, task.n_outputs), 1.0 / task.n_outputs)
    known = KnownRows.measured(table, target, task, together(original), guess, weights)
    assert known is not None
    joined = known.join_as_new(table, target, task, guess, weights)
    twin = np.arange(600) ^ 1
    share = (known.evidence * weights[twin] / (known.evidence * weights[twin] + 1))[:, None]
    expected = (1 - share) * guess + share * task.as_predictions(target[twin])
    assert joined == pytest.approx(expected, abs=1e-6)


def test_values_far_from_zero_are_known_exactly():
    table, original = repeated()
    target = 1.7e9 + np.random.default_rng(1).normal(size=300)[original]
    uninformed = np.full((600, 1), target.mean())
    known = KnownRows.measured(table, target, VALUES, together(original), uninformed)
    assert known is not None
    joined = known.extended(table, target, VALUES).join(table, uninformed)[:, 0]
    assert np.abs(joined - target).mean() < 0.5 * np.abs(uninformed[:, 0] - target).mean()


def test_agreeing_repeats_win_over_uninformed_models_and_new_rows_keep_their_predictions():
    table, original = repeated()
    target = np.random.default_rng(1).integers(0, 3, 300)[original]
    uninformed = np.full((600, 3), 1 / 3)
    known = KnownRows.measured(table, target, THREE, together(original), uninformed)
    assert known is not None
    assert known.gain > 0.9
    assert (known.join(table, uninformed).argmax(axis=1) == target).all()
    assert np.allclose(known.join(table, uninformed).sum(axis=1), 1)
    others, _ = repeated(seed=9)
    assert np.array_equal(known.join(others, uninformed), uninformed)


def test_repeats_that_disagree_are_not_believed():
    table, original = repeated()
    generator = np.random.default_rng(2)
    target = generator.integers(0, 3, 600)
    assert KnownRows.measured(table, target, THREE, together(original), np.full((600, 3), 1 / 3)) is None
    values = generator.normal(size=600)
    assert KnownRows.measured(table, values, VALUES, together(original), np.zeros((600, 1))) is None


def test_a_table_without_repeats_has_none():
    table, original = repeated()
    single = table.take(np.arange(0, 600, 2))
    target = original[::2].astype(np.float64)
    assert KnownRows.measured(single, target, VALUES, together(np.arange(300)), np.zeros((300, 1))) is None


def test_noisy_repeats_count_for_less_than_exact_ones():
    table, original = repeated()
    generator = np.random.default_rng(3)
    truth = generator.normal(size=300)[original]
    held_out = (truth + generator.normal(scale=0.3, size=600))[:, None]
    noisy = KnownRows.measured(
        table, truth + generator.normal(scale=0.3, size=600), VALUES, together(original), held_out
    )
    exact = KnownRows.measured(table, truth, VALUES, together(original), held_out)
    assert noisy is not None
    assert exact is not None
    assert noisy.evidence < exact.evidence


def test_further_rows_count_like_the_others():
    table, original = repeated()
    target = np.random.default_rng(1).integers(0, 3, 300)[original]
    uninformed = np.full((600, 3), 1 / 3)
    half = np.flatnonzero(original % 2 == 0)
    rest = np.flatnonzero(original % 2)
    everything = KnownRows.measured(table, target, THREE, together(original), uninformed)
    part = KnownRows.measured(
        table.take(half), target[half], THREE, together(original[half]), uninformed[half]
    )
    assert part is not None
    assert everything is not None
    extended = part.extended(table.take(rest), target[rest], THREE)
    assert np.array_equal(extended.hashes, everything.hashes)
    assert np.array_equal(extended.counts, everything.counts)
    assert np.allclose(extended.means, everything.means)
    assert np.array_equal(part.join(table.take(rest), uninformed[rest]), uninformed[rest])


def test_a_predictor_keeps_what_it_knows(finished_trials: Any, tmp_path: Path):
    problem = finished_trials.problem
    task = replace(problem.task)
    member = (Path(finished_trials.trials[1].result.model_folder), 1.0)
    target = np.roll(np.asarray(problem.target), 50)  # labels that no model would give
    twice = problem.table.take(np.repeat(np.arange(problem.table.rows), 2))
    known = KnownRows.measured(
        twice,
        np.repeat(target, 2),
        task,
        together(np.arange(twice.rows) // 2),
        np.full((twice.rows, task.n_outputs), 1 / 3),
    )
    source = PredictorSource(
        name="known", task=task, layout=finished_trials.layout, members=(member,), known_rows=known
    )
    build_predictor(tmp_path / "known", source)
    predicted = Predictor.load(tmp_path / "known").predict(finished_trials.frame)
    assert (predicted.to_numpy() == np.array(task.labels)[target]).mean() > 0.98
