"""Greedy ensembles: what they gain, what they never lose."""

from __future__ import annotations

import numpy as np

from automl.controller.strategy.ensemble import EnsembleBuilder, weighted_mean
from automl.core.metrics import METRICS, Metric


def _noisy_copies(count, rows=4000, seed=0):
    rng = np.random.default_rng(seed)
    target = rng.normal(size=rows)
    return target, [(target + rng.normal(scale=1.0, size=rows))[:, None] for _ in range(count)]


def test_averaging_independent_errors_beats_the_best_single_model():
    target, copies = _noisy_copies(6)
    builder = EnsembleBuilder(METRICS["rmse"], target)
    for number, predictions in enumerate(copies):
        best = builder.add(number, f"family{number}", predictions)
    assert abs(sum(best.weights.values()) - 1) < 1e-9
    assert best.loss < 0.5 < min(builder.loss_of(number) for number in range(6))


def test_the_ensemble_is_never_worse_than_its_best_member():
    rng = np.random.default_rng(3)
    target = rng.integers(0, 2, 800)
    builder = EnsembleBuilder(METRICS["accuracy"], target)
    for number in range(12):
        one = np.clip(rng.normal(0.5 + (target - 0.5) * 0.1 * number, 0.3), 0.01, 0.99)
        builder.add(number, "family", np.stack([1 - one, one], axis=1))
        assert builder.best.loss <= min(builder.loss_of(other) for other in range(number + 1)) + 1e-9


def test_a_target_in_billionths_is_weighed_like_any_other():
    target, copies = _noisy_copies(4, rows=500)
    builders = EnsembleBuilder(METRICS["rmse"], target), EnsembleBuilder(METRICS["rmse"], target * 1e-9)
    for number, predictions in enumerate(copies):
        for builder, scale in zip(builders, (1.0, 1e-9), strict=True):
            builder.add(number, "family", predictions * scale)
    assert len(builders[1].best.weights) > 1
    assert builders[1].best.weights == builders[0].best.weights


def test_a_trial_without_a_score_is_no_member():
    rows = np.arange(40.0)
    own = Metric(
        name="own",
        greater_is_better=False,
        reads="values",
        tasks=frozenset({"regression"}),
        function=lambda t, p: float(np.mean(np.sqrt(t - p[:, 0]))),
    )
    builder = EnsembleBuilder(own, rows)
    with np.errstate(invalid="ignore"):
        builder.add(0, "one", (rows + 1)[:, None])  # the root of a negative number is none
        assert not builder.best.weights
        builder.add(1, "other", (rows - 1)[:, None])
        builder.rebuild()
    assert builder.best.weights == {1: 1.0}


def test_an_ensemble_exists_after_the_first_trial():
    builder = EnsembleBuilder(METRICS["rmse"], np.arange(10.0))
    assert builder.add(7, "dummy", np.full((10, 1), 4.5)).weights == {7: 1.0}


def test_ties_go_to_members_already_in():
    target, copies = _noisy_copies(1)
    builder = EnsembleBuilder(METRICS["rmse"], target)
    builder.add(0, "a", copies[0])
    builder.add(1, "b", copies[0].copy())
    assert set(builder.best.weights) == {0}


def test_the_gain_of_a_partial_trial_is_positive_for_new_information_and_not_for_noise():
    target, copies = _noisy_copies(3)
    builder = EnsembleBuilder(METRICS["rmse"], target)
    builder.add(0, "a", copies[0])
    rows = np.arange(1000)
    assert builder.gain_of(copies[1][rows], rows) > 0
    assert builder.gain_of(np.random.default_rng(0).normal(scale=9, size=(1000, 1)), rows) < 0


def test_large_tables_are_judged_on_a_subsample_of_rows():
    target, copies = _noisy_copies(3, rows=50_000)
    builder = EnsembleBuilder(METRICS["rmse"], target)
    for number, predictions in enumerate(copies):
        builder.add(number, "family", predictions)
    full = METRICS["rmse"].score(
        target, weighted_mean((copies[n], w) for n, w in builder.best.weights.items())
    )
    assert abs(full - builder.best.loss) < 0.02
