"""Cases 81 to 95 at the command line: what real files hold, read right or refused, never half understood."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import automl
from automl.data.files.readers import read_table

MODEL = ("--trials", "2", "--families", "linear", "--executor", "inline")


def search(cli, name, target="y", *more):
    return cli("search", name, "--target", target, *more)


def skill(cli, name):
    """The best validation score of a regression over that of the baseline."""
    rows = json.loads(cli("leaderboard", name, "--json").out)
    dummy = next(row["validation"] for row in rows if row["family"] == "dummy")
    return min(row["validation"] for row in rows if row["kind"] == "trial") / dummy


@pytest.fixture
def amounts():
    random = np.random.default_rng(1)
    value = random.uniform(10, 3000, 120).round(2)
    y = (value / 100 + random.normal(size=120) / 10).round(3)
    return pd.DataFrame({"other": random.normal(size=120).round(3), "value": value, "y": y})


def test_case_82_amounts_with_signs_are_used_as_numbers(cli, write, amounts):
    amounts["value"] = [f"USD {value:,.2f}" for value in amounts["value"]]
    search(cli, write(amounts), "y", *MODEL).worked("2 numbers")
    assert skill(cli, "data") < 0.3


def test_case_82_a_unit_beside_another_is_said(cli, write, amounts):
    amounts["value"] = [f"{'$€'[i % 2]}{value:.2f}" for i, value in enumerate(amounts["value"])]
    done = cli("check", write(amounts), "--target", "y")
    done.worked("[mixed_units]", "'$' (60)", "'€' (60)")


@pytest.mark.parametrize(
    ("style", "said"),
    [
        ("${:,.2f}", "fractions, in $"),
        pytest.param("{:.1f}%", "fractions, in %", marks=pytest.mark.slow),
        pytest.param("{:.0f} min", ", in min", marks=pytest.mark.slow),
    ],
)
def test_case_83_a_target_with_a_sign_is_a_regression_in_its_unit(cli, write, amounts, style, said):
    amounts["y"] = [style.format(value) for value in amounts["y"] * 100]
    search(cli, write(amounts), "y", *MODEL).worked("regression:", said)
    predicted = pd.read_csv(write(cli("predict", "data", "data.csv").out, "predicted.csv"))["y"]
    assert predicted.to_numpy() == pytest.approx(amounts["value"], rel=0.2, abs=60)
    search(cli, "data.csv", "y", "--task", "regression", "--name", "again").worked(
        "regression: asked for, in"
    )


def test_case_83_a_test_file_in_the_same_notation_is_understood(cli, write, amounts):
    amounts["y"] = [f"{y * 100:,.2f} €".translate(str.maketrans(",.", ".,")) for y in amounts["y"]]
    test = write(amounts.tail(30), "test.csv")
    done = search(cli, write(amounts.head(90)), "y", "--test", test, *MODEL, "--json")
    assert json.loads(done.out)["test"]["value"] < 100


def test_case_83_a_date_to_predict_is_refused_with_what_to_do(cli, write, frame):
    frame["y"] = pd.date_range("2024-01-01", periods=60, freq="17h")
    search(cli, write(frame)).refused(
        3, "'y' holds dates, such as '2024-01-01 00:00:00'", "Next:", "days since"
    )


def test_case_83_classes_of_one_row_each_end_the_search(cli, write, frame):
    frame["y"] = [f"name {chr(97 + i % 26)}{chr(97 + i // 26)}" if i > 9 else "ab"[i % 2] for i in range(60)]
    search(cli, write(frame)).refused(3, "50 of the 52 values of the target 'y'", "83% of the rows", "Next:")


def test_case_84_a_sorted_measurement_is_kept_and_that_is_said(cli, write):
    random = np.random.default_rng(4)
    depth = np.cumsum(random.integers(2, 9, 160)) + 100
    sand = 0.5 + 0.4 * np.sin(depth / 160) + random.normal(0, 0.03, 160)
    name = write(pd.DataFrame({"depth": depth, "noise": random.normal(size=160), "y": sand.round(4)}))
    search(cli, name).worked(
        "warning Column 'depth' holds whole numbers that may only identify the rows", "--drop"
    )
    search(cli, write(pd.DataFrame({"n": range(7, 167), "x": sand, "y": sand.round(1)}), "n.csv")).worked(
        "left out 'n' (id)"
    )


@pytest.mark.slow
def test_case_88_none_is_a_class_and_the_user_decides(cli, write, frame):
    frame["y"] = [["None", "good", "bad"][i % 3] for i in range(60)]
    search(cli, write(frame)).worked("'None' occurs in 20 rows", "is taken for a class", "multiclass")
    search(cli, "data.csv", "y", "--missing", "usual", "--name", "usual").worked(
        "20 rows without a target (33.3%) were left out", "binary"
    )


def test_case_88_words_that_count_as_missing_are_named(cli, write, frame):
    frame["colour"] = ["NA" if i % 4 == 0 else "red" if i % 2 else "green" for i in range(60)]
    search(cli, write(frame)).worked("Words that count as missing: 'NA' in 'colour' (15)", "--missing")
    search(cli, "data.csv", "y", "--missing", "blank", "--name", "kept", *MODEL).worked("Best:")
    model = automl.load("kept")
    levels = dict(zip(model.layout.features.categories, model.layout.features.levels, strict=True))
    assert "NA" in levels["colour"]
    new = write(frame.drop(columns="y").head(4), "new.csv")
    assert model.encode(read_table(new, missing=["blank"]).frame).codes.min() >= 0


@pytest.mark.parametrize("word", ["n/d", "#DIV/0!"])
def test_case_89_a_word_in_a_numeric_target_is_named(cli, write, amounts, word):
    amounts["y"] = [word if i == 17 else f"{value:.2f}" for i, value in enumerate(amounts["y"])]
    search(cli, write(amounts)).refused(3, f"{word!r} (1)", "in row 18", f"--missing 'usual,{word}'")
    search(cli, "data.csv", "y", "--missing", f"usual,{word}").worked("1 rows without a target", "regression")


@pytest.mark.slow
def test_case_92_labels_that_differ_in_case_alone_are_classes(cli, write):
    random = np.random.default_rng(2)
    labels = [["AA", "Aa", "aa"][i % 3] for i in range(120)]
    x = [i % 3 + random.normal(0, 0.2) for i in range(120)]
    name = write(pd.DataFrame({"x": x, "y": labels}))
    search(cli, name, "y", *MODEL).worked("multiclass", "'AA' (40), 'Aa' (40), 'aa' (40)")
    assert set(cli("predict", "data", name).out.split()[1:]) == {"AA", "Aa", "aa"}
    labels[0] = "AA" if labels[0] != "AA" else "aA"
    search(cli, write(pd.DataFrame({"x": x, "y": labels}), "slip.csv")).worked("'aA' as 'A")


@pytest.mark.parametrize("european", [True, False])
def test_case_93_a_frame_read_elsewhere_predicts_what_the_file_does(cli, write, amounts, european):
    sep, decimal = (";", ",") if european else (",", ".")
    if not european:
        amounts["value"] = [f"{int(value) * 37:,}" for value in amounts["value"]]
    name = write(amounts.to_csv(index=False, sep=sep, decimal=decimal))
    search(cli, name, "y", *MODEL).worked("Best:")
    model = automl.load("data")
    frame = pd.read_csv(name, sep=sep).drop(columns="y")
    assert not pd.api.types.is_numeric_dtype(frame["value"])
    assert model.predict(frame).to_numpy() == pytest.approx(model.predict(name).to_numpy())
    as_text = pd.read_csv(name, sep=sep, dtype=str).drop(columns="y")
    assert model.predict(as_text).to_numpy() == pytest.approx(model.predict(name).to_numpy())
