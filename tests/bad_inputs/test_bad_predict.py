"""Cases 45 to 50: rows to predict that are not as the rows that were learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd

import automl


def labels(outcome):
    outcome.worked()
    return outcome.out.splitlines()


def test_case_45_an_unseen_category_is_predicted_and_counted(cli, write, searched):
    searched.loc[[1, 2, 9], "colour"] = "violet"
    done = cli("predict", "data", write(searched, "new.csv"))
    assert len(labels(done)) == 61
    assert "warning: Column 'colour': 3 values, such as 'violet', were never seen in training" in done.err


def test_case_46_all_missing_columns_are_listed(cli, write, searched):
    name = write(searched[["z"]], "new.csv")
    cli("predict", "data", name).refused(
        3, "2 columns that the model needs are missing: 'x', 'colour'", "Next:"
    )


def test_case_47_extra_and_reordered_columns_change_nothing_and_extras_are_noted(cli, write, searched):
    plain = labels(cli("predict", "data", write(searched, "new.csv"), "--proba"))
    turned = searched[["colour", "z", "x"]].assign(weather="fine")
    done = cli("predict", "data", write(turned, "turned.csv"), "--proba")
    assert labels(done) == plain
    assert "'weather'" in done.err


def test_case_47_the_target_among_the_columns_is_no_surprise(cli, write, searched):
    plain = labels(cli("predict", "data", write(searched, "new.csv")))
    done = cli("predict", "data", "data.csv")
    assert labels(done) == plain
    assert "warning" not in done.err


def test_case_48_text_in_a_number_column_is_refused_with_a_sample(cli, write, searched):
    new = searched.astype({"x": "object"})
    new.loc[7, "x"] = "many"
    cli("predict", "data", write(new, "new.csv")).refused(
        3, "'x'", "1 of 60 values", "'many' in row 7", "Next:"
    )


def test_case_48_numbers_written_as_text_are_numbers(cli, write, searched):
    plain = labels(cli("predict", "data", write(searched, "new.csv"), "--proba"))
    quoted = searched.assign(x=searched["x"].map(lambda value: f" {value} "))
    assert labels(cli("predict", "data", write(quoted, "quoted.csv"), "--proba")) == plain


def test_case_49_no_rows_give_the_right_columns(cli, write, searched):
    name = write(searched.head(0), "new.csv")
    assert labels(cli("predict", "data", name)) == ["y"]
    assert labels(cli("predict", "data", name, "--proba")) == ["bad,good"]


def test_case_50_order_and_index_are_kept_also_with_a_duplicate_index(searched):
    model = automl.load("data")
    plain = model.predict_proba(searched)
    assert plain.index.equals(searched.index)
    order = np.random.default_rng(0).permutation(60)
    again = model.predict_proba(searched.iloc[order].set_axis([7] * 30 + [8] * 30))
    assert again.index.tolist() == [7] * 30 + [8] * 30
    np.testing.assert_allclose(again.to_numpy(), plain.to_numpy()[order], rtol=0, atol=1e-12)
    assert model.predict(searched.set_index(pd.Index(list("ab") * 30))).index.tolist() == list("ab") * 30


def test_predict_reads_what_search_reads(cli, write, searched):
    plain = labels(cli("predict", "data", write(searched, "new.csv"), "--proba"))
    european = write(searched.to_csv(sep=";", decimal=",", index=False), "new.txt")
    done = cli("predict", "data", european, "--proba")
    assert labels(done) == plain
    assert "note: Delimiter semicolon was detected" in done.err
    ragged = write(searched.to_csv(index=False) + "1,2,red,4\n", "ragged.csv")
    cli("predict", "data", ragged).refused(3, "line 62", "--skip-bad-rows")
    assert labels(cli("predict", "data", ragged, "--proba", "--skip-bad-rows")) == plain


def test_places_that_cannot_be_written_are_refused(cli, write, searched, tmp_path):
    (tmp_path / "folder").mkdir()
    cli("predict", "data", "data.csv", "-o", "folder").refused(2, "is a folder")
    cli("predict", "data", "data.csv", "-o", "data.csv/new.csv").refused(6, "cannot be written", "-o")
    cli("predict", "data", "data.csv", "-o", "new.docx").refused(2, ".csv or .parquet")
