"""Cases 45 to 50: rows to predict that are not as the rows that were learned from."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import automl


def labels(outcome):
    outcome.worked()
    return outcome.out.splitlines()


def test_case_45_an_unseen_category_is_predicted_and_counted(cli, write, searched):
    searched.loc[[1, 2, 9], "colour"] = "violet"
    done = cli("predict", "data", write(searched, "new.csv"))
    assert len(labels(done)) == 61
    assert "warning: Column 'colour': 3 values, such as 'violet', did not occur in training" in done.err


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
        3, "'x'", "1 of 60 values", "'many' in row 8", "Next:"
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


def written_to(path):
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_ids_and_kept_columns_stand_before_the_predictions(cli, write, searched, tmp_path, name):
    keyed = searched.assign(key=[f"{number:04d}" for number in range(60)], town="Ulm")
    data = write(keyed, "new.csv")
    plain = labels(cli("predict", "data", write(searched, "plain.csv")))
    done = cli("predict", "data", data, "--keep", "town", "--id", "key", "--keep", "x", "-o", name)
    done.worked("Wrote 60 predictions")
    assert "warning" not in done.err
    found = written_to(tmp_path / name).astype({"key": int})
    assert list(found.columns) == ["key", "town", "x", "y"]
    assert found["key"].tolist() == list(range(60))
    assert found["y"].tolist() == plain[1:]
    assert found["x"].tolist() == searched["x"].tolist()
    assert "0007,Ulm" in cli("predict", "data", data, "--id", "key", "--keep", "town", "--proba").out


def test_a_kept_column_called_as_the_prediction_is_leaves_it_another_name(cli, searched):
    done = cli("predict", "data", "data.csv", "--keep", "y")
    assert labels(done)[0] == "y,predicted_y"
    assert "its prediction is called 'predicted_y'" in done.err


def test_a_column_to_carry_that_is_not_there_is_refused_with_a_suggestion(cli, write, searched):
    data = write(searched.assign(customer=1), "new.csv")
    cli("predict", "data", data, "--id", "custmer").refused(3, "'custmer'", "Did you mean 'customer'")


def test_rows_left_out_are_named_by_their_lines_and_strict_says_so_by_its_code(cli, write, searched):
    lines = searched.assign(key=range(60)).to_csv(index=False).splitlines()
    lines[5:5] = ["1,2", "1,2,red,4,5,6"]
    data = write("\n".join(lines) + "\n", "ragged.csv")
    done = cli("predict", "data", data, "--skip-bad-rows", "--id", "key")
    assert [line.split(",")[0] for line in labels(done)[1:]] == [str(number) for number in range(60)]
    assert "line 6: '1,2'" in done.err
    assert "line 7: '1,2,red,4,5,6'" in done.err
    assert "warning: 2 rows of ragged.csv could not be read and have no prediction." in done.err
    strict = cli("predict", "data", data, "--skip-bad-rows", "--id", "key", "--strict")
    assert (strict.code, strict.out) == (3, done.out)
    assert cli("predict", "data", "data.csv", "--skip-bad-rows", "--strict").code == 0


def test_a_word_among_the_numbers_of_new_rows_leaves_its_row_out_and_keeps_the_others(cli, write, searched):
    frame = searched.assign(key=range(60), x=searched["x"].astype(object))
    frame.loc[3, "x"] = "abc"
    data = write(frame, "words.csv")
    assert cli("predict", "data", data).code == 3
    done = cli("predict", "data", data, "--skip-bad-rows", "--id", "key")
    assert [line.split(",")[0] for line in labels(done)[1:]] == [str(key) for key in range(60) if key != 3]
    assert "left out: Column 'x' held numbers in training, but 1 of 60" in done.err
    assert "'abc' in row 4" in done.err
    assert cli("predict", "data", data, "--skip-bad-rows", "--strict", "--id", "key").out == done.out


@pytest.fixture
def pictures(cli, tmp_path):
    """A search of a folder of pictures, and a folder of three new ones, of which two cannot be read."""
    random = np.random.default_rng(0)
    for place in (*(f"seen/{kind}/{number}" for kind in "ab" for number in range(4)), "new/good"):
        file = tmp_path / f"{place}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 255, (24, 24, 3), dtype=np.uint8)).save(file)
    (tmp_path / "new" / "cut.png").write_bytes((tmp_path / "new" / "good.png").read_bytes()[:60])
    (tmp_path / "new" / "words.jpg").write_text("no picture")
    cli("search", "seen").worked()
    return tmp_path / "new"


def test_pictures_that_cannot_be_read_are_listed_and_the_others_predicted(cli, pictures):
    done = cli("predict", "seen", "new", "--skip-bad-rows")
    assert [line.split(",")[0] for line in labels(done)] == ["file", "good.png"]
    assert "cut.png (cut off" in done.err
    assert "words.jpg (not an image" in done.err
    assert "warning: 2 images of new could not be read" in done.err
    assert cli("predict", "seen", "new", "--skip-bad-rows", "--strict").code == 3
    cli("predict", "seen", "new", "--id", "name").refused(3, "no column 'name'", "'file'")
    assert cli("predict", "seen", "new", "--skip-bad-rows", "--id", "file").out == done.out
    (pictures / "good.png").unlink()
    cli("predict", "seen", "new", "--skip-bad-rows").refused(3, "None of the 2 pictures")


def test_a_table_of_pictures_carries_the_paths_as_the_file_has_them(cli, write, pictures):
    names = ["good.png", "cut.png", "", "good.png"]
    data = write(pd.DataFrame({"key": range(4), "image": names}), "new/list.csv")
    done = cli("predict", "seen", data, "--skip-bad-rows", "--id", "key", "--keep", "image")
    assert [line.rsplit(",", 1)[0] for line in labels(done)] == ["key,image", "0,good.png", "3,good.png"]
    assert "row 3 (no path is given)" in done.err
