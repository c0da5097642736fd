"""Cases 31 to 44: columns that are not what they should be, and columns with another role."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd
import pytest

import automl


def search(cli, name, target="y", *more):
    return cli("search", name, "--target", target, *more)


def checked(cli, name, target="y", *more):
    done = cli("check", name, "--target", target, "--json", *more)
    return done.code, json.loads(done.out)


def kinds(body):
    return {column["name"]: column["kind"] for column in body["columns"]}


def test_case_31_empty_and_constant_columns_are_dropped_and_listed(cli, write, frame):
    name = write(frame.assign(nothing=np.nan, same="a", blanks=" "))
    search(cli, name).worked("left out 'nothing' (constant), 'same' (constant), 'blanks' (constant)")


def test_case_32_ids_are_dropped_and_listed_and_may_be_kept(cli, write, frame):
    name = write(frame.assign(customer=[f"{i * 7919:08x}" for i in range(60)]))
    search(cli, name).worked("left out 'customer' (id)", "--keep")
    search(cli, write(frame.assign(id=range(500, 560)), "other.csv")).worked("left out 'id' (id)")
    code, body = checked(cli, name, "y", "--keep", "customer")
    assert code == 0
    assert kinds(body)["customer"] == "category"


def test_case_33_a_nearly_perfect_predictor_is_warned_of_with_its_score(cli, write, frame):
    leaky = np.where(frame["y"] == "good", 1.0, 0.0) + np.random.default_rng(1).normal(scale=0.1, size=60)
    search(cli, write(frame.assign(leaky=leaky))).worked(
        "warning 'leaky' alone", "AUC 1.0000", "--drop leaky"
    )


def test_case_34_mixed_types_are_counted_and_the_rule_is_stated(cli, write, frame):
    name = write(frame.assign(m=["n.v." if i == 5 else i * 0.5 for i in range(60)]))
    search(cli, name).worked(
        "'m' holds numbers except for 1 of 60 values", "'n.v.' in row 6", "--kind m=number"
    )
    search(cli, name, "y", "--kind", "m=number").worked("1 values such as 'n.v.' are not numbers: missing")


def test_case_34_a_frame_with_mixed_types_is_read_as_text():
    mixed = pd.Series([1, "a", 2.5] * 20, dtype="object")
    report = automl.check(pd.DataFrame({"m": mixed, "y": [0, 1] * 30}), target="y")
    found = next(finding for finding in report.findings if finding.code == "mixed_types")
    assert "20 int, 20 str, 20 float" in found.evidence
    assert "read as text" in found.evidence


def test_case_35_codes_and_large_integers_are_not_made_floats(cli, write, frame):
    big = [9007199254740993 + 2 * (i % 4) for i in range(60)]
    name = write(frame.assign(zip=[f"0{1000 + i % 5}" for i in range(60)], big=big))
    _, body = checked(cli, name)
    assert kinds(body)["zip"] == kinds(body)["big"] == "category"


def test_case_35_large_integers_come_back_exactly_as_labels(cli, write, frame):
    labels = np.where(frame["y"] == "good", 9007199254740993, 9007199254740995)
    name = write(frame.assign(y=labels))
    search(cli, name, "y", "--task", "classification").worked("binary")
    found = cli("predict", "data", name).out.split()[1:]
    assert set(found) <= {"9007199254740993", "9007199254740995"}


def test_case_36_infinite_features_count_as_missing(cli, write, frame):
    frame.loc[[2, 8], "x"] = [np.inf, -np.inf]
    search(cli, write(frame)).worked("warning Column 'x' holds 2 infinite values (first in row 3)", "missing")


def test_case_37_dates_in_several_formats_are_parsed_and_that_is_said(cli, write, frame):
    days = pd.date_range("2024-01-13", periods=60, freq="D")
    mixed = [f"{day:%Y-%m-%d}" if i % 2 else f"{day:%d.%m.%Y}" for i, day in enumerate(days)]
    zones = [f"{day:%Y-%m-%dT10:00}{'+02:00' if i % 2 else 'Z'}" for i, day in enumerate(days)]
    name = write(frame.assign(mixed=mixed, zones=zones))
    search(cli, name).worked("'mixed' has dates in several formats", "'zones' mixes time zones")
    assert {kinds(checked(cli, name)[1])[column] for column in ("mixed", "zones")} == {"date"}


@pytest.mark.slow
def test_case_38_ten_thousand_columns_finish_within_the_budget(cli, write):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(200, 10_000)).round(3), columns=[f"x{i}" for i in range(10_000)])
    name = write(frame.assign(y=np.where(frame["x0"] + frame["x1"] > 0, "a", "b")))
    began = time.monotonic()
    done = cli("search", name, "--target", "y", "--time", "40s", "--families", "linear,lightgbm")
    done.worked("more features (10,000) than rows (200)", "Best:")
    assert time.monotonic() - began < 80  # with room for a busy machine


@pytest.mark.slow
def test_case_38_a_wide_table_is_read_checked_and_searched(cli, write):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(100, 500)).round(3), columns=[f"x{i}" for i in range(500)])
    name = write(frame.assign(y=random.choice(["a", "b"], 100)))
    search(cli, name).worked("more features (500) than rows (100)")


@pytest.mark.slow
def test_case_39_a_category_with_very_many_levels_is_bounded(cli, write):
    random = np.random.default_rng(0)
    levels = random.choice(list("abcdefghijklmnop"), (100_000, 6)).view("<U6").ravel()
    places = np.concatenate([np.arange(100_000), random.integers(0, 3_000, 60_000)])
    frame = pd.DataFrame({"many": levels[places], "y": random.normal(size=160_000).round(3)})
    name = write(frame)
    code, body = checked(cli, name)
    assert code == 0
    assert kinds(body) == {"many": "category"}
    assert "2,000 most frequent are kept" in json.dumps(body["findings"])
    search(cli, name, "y", "--trials", "1", "--families", "linear", "--executor", "inline").worked("Best:")


def test_case_40_exact_duplicates_are_warned_of_and_stay_in_one_fold(cli, write, frame):
    from automl.problem.preparation import prepare
    from automl.problem.settings import Settings

    twice = pd.concat([frame, frame.iloc[::-1]], ignore_index=True)
    search(cli, write(twice)).worked("warning 60 of 120 rows (50.0%) repeat the inputs of another")
    for fold in prepare(Settings(twice, target="y")).problem.split.folds:
        judged = set(fold.valid.tolist())
        assert {119 - row for row in judged} == judged


def test_case_41_no_usable_feature(cli, write, frame):
    name = write(frame[["y"]].assign(same=1, key=[f"{i * 7919:08x}" for i in range(60)]))
    search(cli, name).refused(3, "No usable feature is left", "--keep")
    search(cli, write(frame[["y"]], "alone.csv")).refused(3, "No usable feature is left")


def test_case_42_one_group_or_missing_groups(cli, write, frame):
    name = write(frame.assign(one="a", some=[None if i == 7 else i % 5 for i in range(60)]))
    search(cli, name, "y", "--group", "one").refused(3, "only one group", "Next:")
    search(cli, name, "y", "--group", "some").refused(
        3, "'some' has 1 missing values (first in row 8)", "Fill them"
    )


def test_case_42_groups_that_are_lists_are_compared_by_their_text(frame):
    from automl.problem.preparation import prepare
    from automl.problem.settings import Settings

    groups = [i % 9 for i in range(len(frame))]
    lists = frame.assign(shop=pd.Series([[group] for group in groups], dtype=object, index=frame.index))
    for fold in prepare(Settings(lists, target="price", group="shop")).problem.split.folds:
        assert not {groups[row] for row in fold.train} & {groups[row] for row in fold.valid}


def test_case_43_a_time_column_is_sorted_and_missing_times_are_refused(cli, write, frame):
    from automl.problem.preparation import prepare
    from automl.problem.settings import Settings

    days = pd.date_range("2024-01-01", periods=20).repeat(3).strftime("%Y-%m-%d").to_numpy()
    shuffled = frame.assign(day=np.random.default_rng(0).permutation(days))
    search(cli, write(shuffled), "price", "--time-column", "day").worked("judged on the time after")
    for fold in prepare(Settings(shuffled, target="price", time_column="day")).problem.split.folds:
        assert shuffled["day"].iloc[fold.train].max() < shuffled["day"].iloc[fold.valid].min()
    shuffled.loc[11, "day"] = "someday"
    done = search(cli, write(shuffled), "price", "--time-column", "day")
    done.refused(3, "1 values are not times (first in row 12: 'someday')", "remove them")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (np.where(np.arange(60) == 7, -1.0, 1.0), ("1 of 60 weights are negative", "first in row 8: -1.0")),
        (np.where(np.arange(60) > 57, np.nan, 1.0), ("2 of 60 weights", "missing", "first in row 59: nan")),
        (np.where(np.arange(60) == 3, np.inf, 1.0), ("missing or not finite", "first in row 4: inf")),
        (np.zeros(60), ("all 60 weights are 0",)),
        ((np.arange(60) == 5).astype(float), ("only 1 of 60 weights is above 0",)),
        (np.repeat(["heavy", "light"], 30), ("60 of 60 weights", "first in row 1: heavy")),
    ],
)
def test_case_44_weights_that_cannot_be_weights_are_refused(cli, write, frame, weights, words):
    done = search(cli, write(frame.assign(w=weights)), "y", "--weight", "w")
    done.refused(3, "--weight 'w'", "Next:", *words)


def test_case_44_good_weights_count_and_are_no_feature(cli, write, frame):
    weights = np.where(np.arange(60) < 2, 0.0, 1.0 + np.arange(60) % 2)
    name = write(frame.assign(w=weights))
    done = search(cli, name, "y", "--weight", "w")
    done.worked("2 rows of weight 0 ('w') were left out", "weighted by w (effective rows 52 of 58)")
    search(cli, name, "y", "--weight", "zz").refused(3, "--weight: there is no column 'zz'")
