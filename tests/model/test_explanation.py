"""Explanations of saved models, over all families and kinds of columns."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from searched import finish_trials, flowers

from automl.core.errors import UsageError
from automl.core.trial import Candidate
from automl.model import explanation, prediction_pace, shapley
from automl.model.background import Background, owned_columns, shared_pieces
from automl.model.decision import Decision
from automl.model.explanation import ExplainedRows
from automl.model.predictor import Predictor, PredictorSource, build_predictor

SMALL = {"random_forest": {"n_estimators": 10}, "extra_trees": {"n_estimators": 10}, "catboost": {"depth": 3}}
QUICK = ("linear", "lightgbm", "xgboost", "catboost", "random_forest", "extra_trees", "dummy")
EXACT = ("linear", "lightgbm", "xgboost", "catboost")
SURE = np.log(1 - 1e-6) - np.log(1e-6)  # the largest log-odds
NETS = ("tabm", "tabular_net")


def saved(finished: Any, folder: Path, weights: dict[int, float], **more: Any) -> Predictor:
    """The predictor of these trials, as it is read from its folder."""
    members = tuple((Path(finished.trials[n].result.model_folder), weight) for n, weight in weights.items())
    given = {"background": Background.of(finished.problem.table, finished.layout), **more}
    source = PredictorSource(
        name="flowers", task=finished.problem.task, layout=finished.layout, members=members, **given
    )
    return Predictor.load(build_predictor(folder, source).folder)


def candidates(names: tuple[str, ...], **more: Any) -> list[Candidate]:
    return [Candidate(family=name, params=SMALL.get(name, {}), seed=1, **more) for name in names]


@pytest.fixture(scope="session")
def values(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One trial per quick family on a target of numbers, then a linear one of its logarithm."""
    wanted = [*candidates(QUICK), *candidates(("linear",), log_target=True)]
    return finish_trials(flowers(regression=True), "petal length", wanted, tmp_path_factory.mktemp("values"))


@pytest.fixture(scope="session")
def two_classes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One trial per quick family on two classes."""
    frame = flowers()
    frame = frame[frame["species"] != "setosa"]
    return finish_trials(frame, "species", candidates(QUICK), tmp_path_factory.mktemp("two"))


def hard_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """Four rows: with a missing number, a missing category, an unseen level, and as they are."""
    rows = frame.iloc[[0, 20, 50, 80]].copy()
    rows.iloc[0, rows.columns.get_loc("sepal width")] = np.nan
    rows.iloc[1, rows.columns.get_loc("garden")] = None
    rows.iloc[2, rows.columns.get_loc("garden")] = "on the moon"
    return rows


def assert_adds_up(made: ExplainedRows, predicted: Any) -> None:
    total = made.base + made.contributions.sum(axis=1)
    np.testing.assert_allclose(total, made.prediction, atol=1e-9)
    np.testing.assert_allclose(made.prediction, predicted, rtol=1e-6, atol=1e-6)
    assert (made.errors.to_numpy() >= 0).all()


@pytest.mark.parametrize("family", QUICK)
def test_contributions_to_a_value_add_up(family: str, values: Any, tmp_path: Path) -> None:
    predictor = saved(values, tmp_path / "p", {QUICK.index(family): 1.0})
    rows = hard_rows(values.frame)
    made = predictor.explain(rows)
    assert_adds_up(made, predictor.predict(rows))
    assert list(made.contributions.columns) == list(values.layout.inputs)
    assert made.contributions.index.equals(rows.index)
    assert (made.pairs == 0).all() == (family in EXACT)
    assert made.unit == "petal length"
    assert made.label is None


@pytest.mark.parametrize("family", QUICK)
def test_contributions_to_a_probability_add_up(family: str, two_classes: Any, tmp_path: Path) -> None:
    predictor = saved(two_classes, tmp_path / "p", {QUICK.index(family): 1.0})
    rows = hard_rows(two_classes.frame)
    made = predictor.explain(rows)
    proba = predictor.predict_proba(rows)
    assert made.label is not None
    assert list(made.label) == list(predictor.predict(rows))
    assert_adds_up(made, proba.max(axis=1))
    named = predictor.explain(rows, label="virginica")
    assert_adds_up(named, proba["virginica"])
    np.testing.assert_allclose(named.base, named.base.iloc[0])
    odds = predictor.explain(rows, label="virginica", scale="log-odds")
    with np.errstate(divide="ignore"):
        wanted = np.log(proba["virginica"] / (1 - proba["virginica"]))
    assert_adds_up(odds, np.clip(wanted, -SURE, SURE))
    assert odds.unit == "log-odds"


@pytest.mark.parametrize("family", EXACT)
def test_one_model_of_two_classes_is_exact_on_log_odds(family: str, two_classes: Any, tmp_path: Path) -> None:
    predictor = saved(two_classes, tmp_path / "p", {QUICK.index(family): 1.0}, folds=((1,),))
    rows = hard_rows(two_classes.frame)
    made = predictor.explain(rows, scale="log-odds")
    assert (made.pairs == 0).all()
    proba = predictor.predict_proba(rows).max(axis=1)
    assert_adds_up(made, np.log(proba / (1 - proba)))


def test_contributions_follow_the_calibrated_probabilities_and_the_class_that_is_answered(
    two_classes: Any, tmp_path: Path
) -> None:
    decision = Decision(temperature=2.0, class_weights=(0.02, 1.98))
    predictor = saved(
        two_classes, tmp_path / "p", {QUICK.index("linear"): 1.0}, folds=((0,),), decision=decision
    )
    rows = two_classes.frame.iloc[[0, 15, 30, 80]]
    proba = predictor.predict_proba(rows)
    made = predictor.explain(rows)
    assert made.label is not None
    assert list(made.label) == list(predictor.predict(rows))
    assert_adds_up(made, [proba.iloc[place][label] for place, label in enumerate(made.label)])
    odds = predictor.explain(rows, label="virginica", scale="log-odds")
    assert (odds.pairs == 0).all()
    assert_adds_up(odds, np.log(proba["virginica"] / (1 - proba["virginica"])))


def test_an_ensemble_of_boosters_and_lines_is_exact_and_one_with_a_forest_sampled(
    values: Any, tmp_path: Path
) -> None:
    rows = hard_rows(values.frame)
    sums = saved(values, tmp_path / "sums", {0: 0.5, 1: 0.3, 3: 0.2})
    made = sums.explain(rows)
    assert_adds_up(made, sums.predict(rows))
    assert (made.pairs == 0).all()
    parts = [saved(values, tmp_path / str(n), {n: 1.0}).explain(rows).contributions for n in (0, 1, 3)]
    np.testing.assert_allclose(
        made.contributions, 0.5 * parts[0] + 0.3 * parts[1] + 0.2 * parts[2], atol=1e-9
    )
    mixed = saved(values, tmp_path / "mixed", {0: 0.5, 4: 0.5})
    made = mixed.explain(rows)
    assert_adds_up(made, mixed.predict(rows))
    assert (made.pairs > 0).all()


def test_three_classes_and_logarithms_are_sampled(finished_trials: Any, values: Any, tmp_path: Path) -> None:
    three = saved(finished_trials, tmp_path / "three", {1: 0.7, 2: 0.3})
    rows = finished_trials.frame.iloc[[0, 75, 140]]
    made = three.explain(rows)
    assert_adds_up(made, three.predict_proba(rows).max(axis=1))
    logarithm = saved(values, tmp_path / "log", {len(QUICK): 1.0})
    made = logarithm.explain(hard_rows(values.frame))
    assert_adds_up(made, logarithm.predict(hard_rows(values.frame)))
    assert (made.pairs > 0).all()


@pytest.mark.slow  # fits nets
@pytest.mark.parametrize("family", NETS)
def test_contributions_of_nets_add_up(family: str, tmp_path: Path) -> None:
    finished = finish_trials(flowers(), "species", candidates((family,)), tmp_path / "work")
    predictor = saved(finished, tmp_path / "p", {0: 1.0})
    made = predictor.explain(hard_rows(finished.frame))
    assert_adds_up(made, predictor.predict_proba(hard_rows(finished.frame)).max(axis=1))


def test_the_terms_of_a_line_are_its_coefficients_times_the_distance_from_typical_values(
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
    frame["y"] = 3 * frame["a"] - 2 * frame["b"] + 7
    finished = finish_trials(frame, "y", candidates(("linear",)), tmp_path / "work")
    predictor = saved(finished, tmp_path / "p", {0: 1.0})
    made = predictor.explain(frame.iloc[:5])
    typical = predictor.background.numbers.mean(axis=0)  # type: ignore[union-attr]
    wanted = (frame[["a", "b", "c"]].iloc[:5] - typical) * [3.0, -2.0, 0.0]
    np.testing.assert_allclose(made.contributions, wanted, atol=0.02)
    np.testing.assert_allclose(typical, frame[["a", "b", "c"]].mean(), atol=0.05)


def test_a_known_sum_is_recovered_from_a_boosters_exact_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.uniform(-2, 2, 900), "group": rng.choice(["low", "high"], 900)})
    frame["noise"] = rng.normal(size=900)
    frame["y"] = 4 * np.sign(frame["x"]) + np.where(frame["group"] == "high", 2.0, -2.0)
    frame["y"] += 0.1 * rng.normal(size=900)
    finished = finish_trials(frame, "y", candidates(("lightgbm",)), tmp_path / "work")
    made = saved(finished, tmp_path / "p", {0: 1.0}).explain(frame.iloc[:30])
    np.testing.assert_allclose(made.contributions["x"], 4 * np.sign(frame["x"].iloc[:30]), atol=0.6)
    group = np.where(frame["group"].iloc[:30] == "high", 2.0, -2.0)
    np.testing.assert_allclose(made.contributions["group"], group, atol=0.4)
    assert made.contributions["noise"].abs().max() < 0.2
    table = made.to_frame()
    assert list(table.columns) == [
        *("row", "prediction", "base", "feature", "value", "contribution", "standard_error")
    ]
    assert len(table) == 90
    assert table["feature"].iloc[0] == "x"


def test_dates_and_texts_are_single_columns(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 700, 150), unit="D")
    days = rng.integers(1, 40, 150)
    good = rng.random(150) < 0.5
    nouns = rng.choice(["the soup and the bread", "a table by the window", "our waiter on Monday"], 150)
    words = np.array(
        [
            f"{noun} {number} {word}"
            for noun, number, word in zip(
                nouns,
                rng.integers(0, 900, 150),
                np.where(good, "wonderful evening", "terrible evening"),
                strict=True,
            )
        ]
    )
    frame = pd.DataFrame(
        {
            "from": start,
            "to": start + pd.to_timedelta(days, unit="D"),
            "review": words,
            "y": days + 9.0 * good,
        }
    )
    finished = finish_trials(frame, "y", candidates(("linear", "random_forest")), tmp_path / "work")
    assert finished.layout.differences
    predictor = saved(finished, tmp_path / "p", {0: 0.5, 1: 0.5})
    made = predictor.explain(frame.iloc[:4], seconds=20)
    assert list(made.contributions.columns) == ["from", "to", "review"]
    assert_adds_up(made, predictor.predict(frame.iloc[:4]))
    table = finished.problem.table
    columns = owned_columns(table, finished.layout)
    owned = [piece for column in columns for piece in column.pieces]
    assert len(owned) == len(set(owned)) == len(table.features.names) - 1
    (shared,) = shared_pieces(finished.layout, columns)
    assert shared.piece not in owned
    assert [columns[place].name for place in shared.owners] == ["to", "from"]


def test_dates_whose_difference_alone_matters_share_its_effect(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    minutes = rng.integers(5, 60, 300)
    start = pd.Timestamp("2019-03-01") + pd.to_timedelta(rng.integers(0, 40_000, 300), unit="min")
    frame = pd.DataFrame({"start": start, "end": start + pd.to_timedelta(minutes, unit="min"), "y": minutes})
    finished = finish_trials(frame, "y", candidates(("linear", "random_forest")), tmp_path / "work")
    predictor = saved(finished, tmp_path / "p", {0: 0.5, 1: 0.5})
    rows = frame.iloc[np.argsort(minutes)[[0, 150, -1]]]
    made = predictor.explain(rows, seconds=20)
    # Typical rows last as long as rows do, and no contribution exceeds what durations explain.
    assert made.base.mean() == pytest.approx(minutes.mean(), abs=3)
    assert made.contributions.abs().to_numpy().max() < 30
    shortest, longest = made.contributions.iloc[0], made.contributions.iloc[-1]
    assert (shortest < -5).all()
    assert (longest > 5).all()


def test_typical_values_hold_no_row_and_look_like_the_column(values: Any) -> None:
    background = Background.of(values.problem.table, values.layout)
    table = values.problem.table
    assert background.numbers.shape == (100, table.numbers.shape[1])
    rows = {tuple(row) for row in np.hstack([table.numbers, table.codes]).tolist()}
    kept = {tuple(row) for row in np.hstack([background.numbers, background.codes]).tolist()}
    assert len(kept & rows) < 3  # by chance alone
    np.testing.assert_allclose(
        np.nanmedian(background.numbers, axis=0), np.nanmedian(table.numbers, axis=0), rtol=0.05
    )
    shares = [np.mean(part == 0) for part in (background.codes, table.codes)]
    assert shares[0] == pytest.approx(shares[1], abs=0.01)
    missing = [np.isnan(part).mean() for part in (background.numbers, table.numbers)]
    assert missing[0] == pytest.approx(missing[1], abs=0.01)


def test_what_cannot_be_explained_says_why_and_what_to_do(
    values: Any, two_classes: Any, tmp_path: Path
) -> None:
    old = saved(values, tmp_path / "old", {0: 1.0}, background=None)
    with pytest.raises(UsageError, match=r"earlier version of automl. Next: search again"):
        old.explain(values.frame.iloc[:1])
    numbers = saved(values, tmp_path / "numbers", {0: 1.0})
    with pytest.raises(UsageError, match="which have no log-odds"):
        numbers.explain(values.frame.iloc[:1], scale="log-odds")
    with pytest.raises(UsageError, match="there is no class 'setosa'"):
        numbers.explain(values.frame.iloc[:1], label="setosa")
    with pytest.raises(UsageError, match="1 to 1,000 at a time"):
        numbers.explain(pd.concat([values.frame] * 10))
    with pytest.raises(UsageError, match="0 rows"):
        numbers.explain(values.frame.iloc[:0])
    classes = saved(two_classes, tmp_path / "classes", {0: 1.0})
    with pytest.raises(UsageError, match="Did you mean 'virginica'"):
        classes.explain(two_classes.frame.iloc[:1], label="virginia")
    with pytest.raises(UsageError, match="Did you mean 'log-odds'"):
        classes.explain(two_classes.frame.iloc[:1], scale="log-ods")


def test_more_rows_than_the_time_allows_are_refused_with_their_number(
    two_classes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = saved(two_classes, tmp_path / "p", {QUICK.index("random_forest"): 1.0})
    clock = SimpleNamespace(now=0.0)
    outputs = predictor.outputs

    def slowly(table: Any) -> Any:
        clock.now += 0.02 * table.rows
        return outputs(table)

    monkeypatch.setattr(predictor, "outputs", slowly)
    for module in (explanation, shapley, prediction_pace):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with pytest.raises(UsageError, match=r"50 rows of 6 columns take .* (\d+) rows can be explained"):
        predictor.explain(two_classes.frame.iloc[:50], seconds=20.0)
    clock.now = 0.0
    made = predictor.explain(two_classes.frame.iloc[:3], seconds=20.0)
    assert clock.now <= 21.0
    assert (made.pairs >= 4).all()
    assert_adds_up(made, predictor.predict_proba(two_classes.frame.iloc[:3]).max(axis=1))


@pytest.mark.parametrize("member", ["random_forest", "lightgbm"])
def test_the_time_counts_once_the_model_is_loaded(
    member: str, two_classes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = saved(two_classes, tmp_path / "p", {QUICK.index(member): 1.0})
    clock, outputs = SimpleNamespace(now=0.0, loaded=False), predictor.outputs

    def loaded_first(table: Any) -> Any:
        clock.now += 0.001 * table.rows if clock.loaded else 100.0
        clock.loaded = True
        return outputs(table)

    monkeypatch.setattr(predictor, "outputs", loaded_first)
    for module in (explanation, shapley, prediction_pace):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    made = predictor.explain(two_classes.frame.iloc[:3], seconds=20.0, scale="log-odds")
    assert made.seconds > 100
    assert len(made.contributions) == 3


def test_no_number_of_rows_is_below_zero(
    two_classes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = saved(two_classes, tmp_path / "p", {QUICK.index("random_forest"): 1.0})
    clock, outputs = SimpleNamespace(now=0.0), predictor.outputs

    def slowly(table: Any) -> Any:
        clock.now += 50.0
        return outputs(table)

    monkeypatch.setattr(predictor, "outputs", slowly)
    for module in (explanation, shapley, prediction_pace):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    with pytest.raises(UsageError, match="not one row can be explained in that time"):
        predictor.explain(two_classes.frame.iloc[:3], seconds=20.0)
