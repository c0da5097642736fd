"""search() from Python: frames, folds, groups, times, metrics of one's own, preferences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import automl
from automl.core.errors import DataError, MissingDependencyError, NoTrialError, UsageError


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = 400
    colour = rng.choice(["red", "green", "blue"], rows)
    size = rng.normal(size=rows)
    size[::17] = np.nan
    signal = np.nan_to_num(size) + (colour == "red")
    return pd.DataFrame(
        {
            "colour": colour,
            "size": size,
            "noise": rng.normal(size=rows),
            "group": rng.integers(0, 40, rows),
            "day": pd.date_range("2024-01-01", periods=rows, freq="D"),
            "label": np.where(signal + rng.normal(scale=0.5, size=rows) > 0.3, "yes", "no"),
            "value": np.exp(signal + rng.normal(scale=0.2, size=rows)),
        },
        index=pd.Index(range(1000, 1000 + rows)),
    )


@pytest.fixture
def frame() -> pd.DataFrame:
    return table()


@pytest.fixture(scope="module")
def mine(tmp_path_factory) -> tuple[automl.SearchResult, Path]:
    """The search ``mine`` of the labels by linear models, and its store."""
    store = tmp_path_factory.mktemp("mine") / "mlruns"
    data = table().drop(columns="value")
    how = {"trials": 3, "families": ("linear",), "executor": "inline"}
    return automl.search(data, target="label", name="mine", store=store, **how), store


def search(frame: pd.DataFrame, folder: Path, **choices):
    asked = {"trials": 3, "families": ("linear",), "store": folder / "mlruns", "executor": "inline"}
    return automl.search(frame, **asked | choices)


def test_a_frame_is_searched_and_predictions_keep_its_index_and_labels(frame, mine):
    result, _ = mine
    predicted = result.predictor.predict(frame.head(7))
    assert list(predicted.index) == list(range(1000, 1007))
    assert set(predicted) <= {"yes", "no"}
    probabilities = result.predictor.predict_proba(frame.head(7))
    assert list(probabilities.columns) == ["no", "yes"]
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert list(result.leaderboard["family"]).count("linear") == 2
    assert result.best.validation > 0.7


def test_a_budget_is_too_short_only_for_families_that_were_asked_for(frame, tmp_path):
    data, short = frame.drop(columns="value"), "The budget was too short"
    asked = search(data, tmp_path, target="label", trials=2)
    more = search(data, tmp_path, target="label", trials=2, families=("linear", "lightgbm"))
    assert not any(warning.startswith(short) for warning in asked.warnings)
    assert any(warning.startswith(short) and "e.g. --trials 4." in warning for warning in more.warnings)


def test_a_search_that_tried_the_baseline_alone_warns_in_the_unit_of_its_budget(frame, tmp_path):
    data = frame.drop(columns="value")
    alone = search(data, tmp_path, target="label", trials=1)
    assert alone.best.family == "dummy"
    said = (
        "The budget was too short for any model: the result is the baseline. Give it more, e.g. --trials 3."
    )
    assert said in alone.warnings
    asked = search(data, tmp_path, target="label", trials=1, families=("dummy",))
    assert not any("too short" in warning for warning in asked.warnings)


def test_a_trial_is_loaded_by_its_run_id_and_a_search_by_its_name(frame, mine):
    result, store = mine
    champion = automl.load("mine", store=store)
    assert list(champion.predict(frame)) == list(result.predictor.predict(frame))
    for run_id in result.leaderboard["run_id"]:
        assert len(automl.load(run_id, store=store).predict(frame)) == len(frame)


def test_regression_with_a_skewed_target_may_learn_its_logarithm(frame, tmp_path):
    result = search(
        frame.drop(columns="label"), tmp_path, target="value", trials=4, folds=2, families=("lightgbm",)
    )
    assert (result.task, result.metric) == ("regression", "rmse")
    assert result.best.validation < result.baseline.validation
    assert result.predictor.predict(frame).min() >= 0


@pytest.mark.parametrize(
    ("choices", "scheme"),
    [
        ({"group": "group"}, "groups"),
        ({"time_column": "day"}, "time"),
        ({"fold_column": "group"}, "column"),
        ({"folds": 3}, "3 folds"),
        ({"folds": 1}, "1 folds"),
    ],
)
def test_the_ways_of_judging_all_work(frame, tmp_path, choices, scheme):
    data = frame.assign(group=frame["group"] % 5) if "fold_column" in choices else frame
    result = search(data.drop(columns="value"), tmp_path, target="label", **choices)
    assert result.trials["done"] == 3
    described = automl.load("frame", store=tmp_path / "mlruns")
    assert ("group" in described.layout.inputs) == ("group" not in choices.values())


def test_rows_of_one_s_own_are_scored_once_at_the_end(frame, tmp_path):
    rest, apart = frame.iloc[:300].drop(columns="value"), frame.iloc[300:].drop(columns="value")
    result = search(rest, tmp_path, target="label", test=apart)
    assert result.test is not None
    assert result.test.rows == 100
    assert result.test.low <= result.test.value <= result.test.high
    predicted = result.predictor.predict(apart)
    assert result.test.value == pytest.approx((predicted == apart["label"]).mean())


def test_a_metric_of_one_s_own_gets_labels_and_decides(frame, tmp_path):
    def share_of_yes_found(actual, predicted):
        assert set(actual) <= {"yes", "no"}
        return float(np.mean(predicted[actual == "yes"] == "yes"))

    result = search(frame.drop(columns="value"), tmp_path, target="label", metric=share_of_yes_found)
    assert result.metric == "share_of_yes_found"
    assert 0 <= result.best.validation <= 1


def test_a_function_named_like_a_metric_or_not_at_all_is_on_record_as_custom(frame, tmp_path):
    def f1_macro(actual, predicted):
        return float(np.mean(predicted == actual))

    data = frame.drop(columns=["value"])
    named = search(data, tmp_path, target="label", metric=f1_macro, trials=1)
    unnamed = search(data, tmp_path, target="label", metric=lambda actual, _: float(len(actual)), trials=1)
    assert (named.metric, unnamed.metric) == ("custom_f1_macro", "custom")


def test_a_metric_function_that_gives_no_number_is_named(frame, tmp_path):
    def forgotten(actual, predicted):
        np.mean(predicted == actual)

    with pytest.raises(UsageError, match="metric function forgotten gave None"):
        search(frame.drop(columns=["value"]), tmp_path, target="label", metric=forgotten, trials=1)


def test_f1_tunes_its_threshold_and_predict_obeys_it(frame, tmp_path):
    result = search(frame.drop(columns="value"), tmp_path, target="label", metric="f1")
    assert result.best.validation > 0.6
    assert set(result.predictor.predict(frame)) == {"yes", "no"}


@pytest.mark.slow
def test_a_preference_gives_a_champion_that_is_no_slower_or_larger(frame, tmp_path):
    data = frame.drop(columns="value")
    choices = {"target": "label", "families": ("linear", "lightgbm"), "trials": 3, "folds": 2}
    best, fast, small = (
        search(data, tmp_path, prefer=prefer, **choices) for prefer in ("best", "fast", "small")
    )
    assert fast.predict_ms_per_1000_rows <= fast.rows[0].predict_ms_per_1000_rows
    assert small.model_bytes <= min(best.model_bytes, small.rows[0].model_bytes)


def test_the_inline_executor_runs_the_same_search_as_worker_processes(frame, mine, tmp_path):
    inline, _ = mine
    local = search(frame.drop(columns="value"), tmp_path, target="label", executor="local")
    assert list(inline.leaderboard["validation"]) == list(local.leaderboard["validation"])


def test_columns_without_names_are_named_by_their_numbers(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 4)))
    frame[3] = frame[0] > 0
    result = search(frame, tmp_path, target=3, drop=[1], kinds={2: "number"}, trials=2)
    assert list(result.predictor.predict(frame.head(3))) == list(frame[3].head(3))
    assert result.predictor.layout.inputs == ("0", "2")


def test_a_metric_that_gives_no_number_is_named(frame, tmp_path):
    def lost(actual, predicted):
        return float("nan")

    choices = {"target": "label", "trials": 2, "metric": lost}
    with pytest.raises(NoTrialError, match="lost gave no number"):
        search(frame[["size", "noise", "label"]], tmp_path, **choices)


@pytest.mark.slow
def test_models_that_were_dropped_to_save_space_are_no_champions(frame, tmp_path):
    data = frame[["size", "noise", "label"]].head(80)
    choices = {"target": "label", "trials": 14, "folds": 2, "keep_models": 1}
    result = search(data, tmp_path, **choices)
    kept = {
        run.parent.parent.name for run in (tmp_path / "mlruns" / "artifacts").glob("frame/*/artifacts/model")
    }
    assert 10 <= len(kept) < 14
    assert {member.run_id for member in result.best.members} <= kept
    assert len(result.predictor.predict(data)) == 80


def test_choices_that_cannot_be_are_refused_before_any_work(frame, tmp_path):
    with pytest.raises(UsageError, match="--trials"):
        search(frame, tmp_path, target="label", trials=0)
    with pytest.raises(UsageError, match="--prefer cannot be 'cheap'"):
        search(frame, tmp_path, target="label", prefer="cheap")
    with pytest.raises(DataError, match="label"):
        search(frame, tmp_path, target="lable")
    with pytest.raises(UsageError, match="Choose one"):
        search(frame, tmp_path, target="label", group="group", time_column="day")
    assert not list((tmp_path / "mlruns" / "searches").glob("*")) if (tmp_path / "mlruns").exists() else True


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_said_with_the_way_out(frame, tmp_path):
    with pytest.raises(MissingDependencyError, match="--device cpu"):
        search(frame.drop(columns="value"), tmp_path, target="label", device="cuda")
