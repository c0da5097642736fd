"""Searches whose predictions are bounded, whose answers cost, and what of it is on record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import automl


def table(rows: int, seed: int) -> pd.DataFrame:
    """A value whose noise grows with one column, and a label."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=rows), rng.random(rows)
    value = 2 * first + rng.normal(size=rows) * (0.1 + 2 * second)
    label = np.where(first + rng.normal(size=rows) > 0.8, "yes", "no")
    return pd.DataFrame({"first": first, "second": second, "value": value, "label": label})


def search(folder: Path, **choices) -> automl.SearchResult:
    asked = {"trials": 3, "families": ("linear",), "store": folder / "mlruns", "executor": "inline"}
    return automl.search(table(600, 0), test=table(500, 1), **asked | choices)


def test_untouched_rows_measure_the_coverage_of_intervals(tmp_path):
    result = search(tmp_path, target="value", drop=("label",), name="value")
    story = result.evidence.story
    assert story.coverage_untouched
    assert [item["level"] for item in story.coverage] == [0.8, 0.9, 0.95]
    assert all(abs(item["inside"] / 500 - item["level"]) < 0.05 for item in story.coverage)
    new = table(2000, 2)
    made = result.predictor.predict_interval(new, level=0.9)
    assert abs(new["value"].between(made["value_low"], made["value_high"]).mean() - 0.9) < 0.04
    width = made["value_high"] - made["value_low"]
    assert width[new["second"] > 0.8].mean() > 1.5 * width[new["second"] < 0.2].mean()
    card = automl.load("value", store=tmp_path / "mlruns").predict_interval(new.head(3), level=0.9)
    pd.testing.assert_frame_equal(card, made.head(3))


def test_costs_choose_the_answers_and_leave_the_probabilities(tmp_path):
    result = search(tmp_path, target="label", drop=("value",), cost="fn=6,fp=1", name="label")
    assert (result.metric, result.greater_is_better) == ("cost", False)
    new = table(2000, 2)
    answers, chances = result.predictor.predict(new), result.predictor.predict_proba(new)
    threshold = result.predictor.decision.threshold
    assert 0.05 < threshold < 0.3
    assert (answers == np.where(chances["yes"] > threshold, "yes", "no")).all()
    plain = chances.idxmax(axis=1)

    def paid(given):
        missed = (given == "no") & (new["label"] == "yes")
        return float(6 * missed.mean() + ((given == "yes") & (new["label"] == "no")).mean())

    assert paid(answers) < 0.9 * paid(plain)
    assert abs(result.test.value - paid(answers)) < 0.15
