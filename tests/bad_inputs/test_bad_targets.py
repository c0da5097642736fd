"""Cases 20 to 30: targets that are not what they should be."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest


def search(cli, name, target="y", *more):
    return cli("search", name, "--target", target, *more)


def predicted(cli, name):
    done = cli("predict", "data", name)
    done.worked()
    return done.out.splitlines()


def test_case_20_an_absent_target_gets_close_matches(cli, write, frame):
    search(cli, write(frame), "prise").refused(3, "no target column 'prise'", "'price'")


def test_case_21_rows_without_a_target_are_left_out_and_counted(cli, write, frame):
    frame.loc[[3, 5, 50], "y"] = None
    search(cli, write(frame)).worked("3 rows without a target (5.0%) were left out", "57 rows")


def test_case_21_a_mostly_missing_target_is_refused(cli, write, frame):
    frame.loc[10:, "y"] = None
    search(cli, write(frame)).refused(3, "'y' is missing in 50 of 60 rows (83%)", "Next:")


def test_case_22_an_infinite_target_is_refused_with_its_rows(cli, write, frame):
    frame.loc[[4, 9], "price"] = [np.inf, -np.inf]
    search(cli, write(frame), "price").refused(3, "'price' is infinite in 2 rows: 5, 10", "Next:")


@pytest.mark.parametrize("value", ["same", 7, 0.5, True])
def test_case_23_a_constant_target_is_refused(cli, write, frame, value):
    search(cli, write(frame.assign(y=value))).refused(3, "'y' has only one value", "60 rows", "Next:")


def test_case_24_a_class_with_one_member_is_left_out_and_named(cli, write, frame):
    frame.loc[7, "y"] = "lonely"
    search(cli, write(frame)).worked("1 class occurs only once and was left out: 'lonely'", "59 rows")


def test_case_24_classes_with_one_member_only_are_refused_by_name(cli, write, frame):
    name = write(frame.assign(y=[f"word {chr(97 + i % 26)}{i}" for i in range(60)]))
    search(cli, name, "y").refused(3, "fewer than two classes with two rows or more", "'word a0'", "Next:")


def test_case_25_folds_are_reduced_to_the_rarer_class_and_that_is_said(cli, write, frame):
    frame["y"] = np.where(np.arange(60) % 20 == 0, "rare", "common")
    search(cli, write(frame)).worked("the rarer class occurs 3 times: 3 folds")


def test_case_25_folds_are_reduced_to_the_rarest_of_several_classes_and_that_is_said(cli, write, frame):
    frame["y"] = np.where(np.arange(60) % 15 == 0, "rare", np.where(frame["y"] == "good", "a", "b"))
    done = search(cli, write(frame))
    done.worked("1 of 3 classes occur fewer than 10 times: rare", "the rarest class occurs 4 times: 4 folds")


def test_case_25_a_class_of_two_rows_leaves_three_folds(cli, write, frame):
    frame["y"] = np.where(np.arange(60) < 2, "rare", np.where(frame["y"] == "good", "a", "b"))
    search(cli, write(frame)).worked("the rarest class occurs 2 times: 3 folds, 2 of which judge it")


def test_case_26_a_thousand_classes_ask_whether_it_is_a_regression(cli, write):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=2400), "y": np.arange(2400) // 2 * 3})
    done = cli("check", write(frame), "--target", "y", "--task", "classification")
    done.worked("1,200 classes with 2 rows on average", "If it is a quantity, use --task regression")


def test_case_27_whole_numbers_get_a_task_with_its_reason_and_the_override(cli, write, frame):
    few, many = np.arange(60) % 3, np.random.default_rng(0).integers(0, 40, 60)
    search(cli, write(frame.assign(y=few))).worked("multiclass: the target holds only 3", "--task regression")
    search(cli, write(frame.assign(y=many))).worked("regression: the target holds", "--task classification")
    search(cli, write(frame.assign(y=few)), "y", "--task", "regression").worked("regression: asked for")


def test_case_28_spellings_are_joined_with_a_warning_and_predictions_have_the_labels(cli, write, frame):
    spelled = ["Yes", "no ", "yes", "NO", "no", "Yes", "no", "no"]
    frame["y"] = [spelled[i % 8] for i in range(60)]
    search(cli, write(frame)).worked("warning Spellings of the same class were merged", "'yes' as 'Yes'")
    assert set(predicted(cli, write(frame, "new.csv"))) == {"y", "no"}


@pytest.mark.parametrize("labels", [("TRUE", "false"), ("1.5", "2.5"), (3, 700000000001)])
def test_case_28_predictions_keep_the_labels_as_they_are_written(cli, write, frame, labels):
    frame["y"] = [labels[frame["y"][i] == "good"] for i in range(60)]
    name = write(frame)
    search(cli, name, "y", "--task", "classification").worked("binary")
    expected = {str(label) for label in labels}
    if expected == {"TRUE", "false"}:
        expected = {"True", "False"}  # as every CSV reader and writer of Python has them
    header, *found = predicted(cli, name)
    assert header == "y"
    assert set(found) <= expected
    proba = cli("predict", "data", name, "--proba").out.splitlines()
    assert set(proba[0].split(",")) == expected


def test_case_29_a_copy_of_the_target_is_left_out_and_that_is_said(cli, write, frame):
    copies = frame.assign(again=frame["y"], coded=frame["y"].map({"good": 1, "bad": 0}))
    done = search(cli, write(copies))
    done.worked("'again' is the target under another name: it was left out", "'coded' is the target")
    model = cli("predict", "data", write(frame, "without.csv"))
    model.worked()


def test_case_30_accuracy_is_no_default_for_extreme_imbalance(cli, write):
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"x": random.normal(size=3000), "y": np.arange(3000) % 1000 == 0})
    done = search(cli, write(frame), "y", "--json")
    done.worked(
        "metric  roc_auc: the rarer class holds 0.001", "accuracy would reward", "fewer than 10 times"
    )
    assert json.loads(done.out)["metric"] == "roc_auc"
