"""A champion that looks at no feature: what is said of it, on noise, on groups, on folds that invert."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import automl


def searched(frame, tmp_path, *, family="extra_trees", **options):
    return automl.search(
        frame,
        target="y",
        trials=2,
        families=["dummy", family],
        executor="inline",
        tracking_uri=f"sqlite:///{tmp_path}/store.db",
        **options,
    )


def persons(rows: int = 400) -> pd.DataFrame:
    """A trait of each of 20 persons, of whom six have a label that has nothing to do with it."""
    rng = np.random.default_rng(0)
    person = rng.permutation(np.arange(rows) % 20)
    trait, label = rng.normal(size=20), rng.permutation(np.arange(20) < 6).astype(int)
    frame = pd.DataFrame({"trait": trait[person] + rng.normal(scale=0.01, size=rows), "person": person})
    return frame.assign(y=label[person])


def test_a_baseline_that_wins_over_models_that_fit_names_both_scores_and_both_causes(tmp_path):
    result = searched(persons(), tmp_path, group="person", metric="accuracy")
    assert result.best.family == "dummy"
    said = next(text for text in result.warnings if "looks at no feature" in text)
    assert "on rows that it trained on and" in said
    assert "memorise noise" in said
    assert "--group COLUMN" in said
    assert said in json.loads(json.dumps(result.to_json()))["warnings"]


def test_what_the_checks_of_the_data_noticed_is_in_the_json_as_on_the_terminal(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 200)
    frame = pd.DataFrame({"told": np.where(y == 1, "won", "lost"), "x": rng.normal(size=200), "y": y})
    result = searched(frame, tmp_path)
    found = json.loads(json.dumps(result.to_json()))["findings"]
    told = [finding for finding in found if finding["column"] == "told"]
    assert told
    assert told[0]["severity"] == "warning"
    assert set(told[0]) == {"code", "column", "severity", "evidence", "remedy"}
    assert "note" not in {finding["severity"] for finding in found}


@pytest.mark.parametrize("seed", range(2))
def test_pure_noise_is_not_called_worse_than_chance(seed, tmp_path):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(300, 4))).add_prefix("x").assign(y=rng.integers(0, 2, 300))
    result = searched(frame, tmp_path)
    assert not any("worse than chance" in text for text in result.warnings)
    for text in result.warnings:
        assert "looks at no feature" not in text or "the features say nothing of new rows" in text


def test_held_out_scores_that_are_the_opposite_of_the_truth_are_said_to_be(tmp_path):
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2, 400), rng.integers(0, 2, 400)
    frame = pd.DataFrame({"a": first, "b": second, "combination": first * 2 + second, "y": first ^ second})
    result = searched(frame, tmp_path, group="combination")
    assert result.best.family == "dummy"
    assert any("worse than chance" in text for text in result.warnings)


def test_a_champion_that_learned_is_not_questioned(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3))).add_prefix("x")
    result = searched(frame.assign(y=frame["x0"] > 0), tmp_path)
    assert not any("looks at no feature" in text or "worse than chance" in text for text in result.warnings)


def test_predictions_without_an_error_are_said_to_be_too_good_and_honest_ones_are_not(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"casual": rng.poisson(30, 300), "registered": rng.poisson(90, 300)})
    made = frame.assign(y=(frame["casual"] + frame["registered"]).astype(float))
    assert any("too good" in text for text in searched(made, tmp_path, family="linear").warnings)
    noisy = made.assign(y=made["y"] + rng.normal(scale=1.0, size=300))
    assert not any("too good" in text for text in searched(noisy, tmp_path, family="linear").warnings)


def test_a_few_rows_without_a_mistake_are_not_called_too_good(tmp_path):
    rng = np.random.default_rng(0)
    for rows, said in ((200, False), (600, True)):
        x = rng.normal(size=rows)
        frame = pd.DataFrame(
            {"x": x + np.sign(x), "z": rng.normal(size=rows), "y": np.where(x > 0, "a", "b")}
        )
        result = searched(frame, tmp_path, family="linear", name=f"rows{rows}", metric="accuracy")
        assert any("too good" in text for text in result.warnings) is said
