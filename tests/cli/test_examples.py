"""Examples are written whole, once, and never over something else."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from automl.cli.examples import EXAMPLES, write_example
from automl.core.errors import DataError, UsageError
from automl.data.files.readers import read_table


@pytest.mark.parametrize("example", [item for item in EXAMPLES if item.target], ids=lambda item: item.name)
def test_tables_are_written_with_their_target(tmp_path: Path, example: object) -> None:
    path = write_example(example.name, tmp_path / "new")  # type: ignore[attr-defined]
    table = read_table(path)
    assert table.notes == ()
    assert example.target in table.frame.columns  # type: ignore[attr-defined]
    assert not table.frame.isna().any().any()


def test_class_names_are_words(tmp_path: Path) -> None:
    frame = read_table(write_example("breast_cancer", tmp_path)).frame
    assert set(frame["class"]) == {"malignant", "benign"}


def test_reviews_are_different_texts_with_no_word_that_settles_the_label(tmp_path: Path) -> None:
    frame = read_table(write_example("reviews", tmp_path)).frame
    assert frame["review"].is_unique
    assert 0.5 < (frame["label"] == "positive").mean() < 0.6
    words = frame["review"].str.lower().str.findall(r"\w+").explode()
    label = frame["label"].eq("positive").reindex(words.index)
    shares = label.groupby(words.to_numpy()).agg(["mean", "size"]).query("size >= 90")
    assert shares["mean"].between(0.05, 0.95).all()


def test_reviews_are_the_same_every_time(tmp_path: Path) -> None:
    content = write_example("reviews", tmp_path).read_bytes()
    assert hashlib.sha256(content).hexdigest()[:16] == "b2867773df2ca1f4"


def test_digits_are_folders_of_grey_images(tmp_path: Path) -> None:
    from PIL import Image

    path = write_example("digits", tmp_path)
    assert sorted(folder.name for folder in path.iterdir()) == list("0123456789")
    images = sorted(path.rglob("*.png"))
    assert len(images) == 1797
    with Image.open(images[0]) as image:
        assert (image.mode, image.size) == ("L", (8, 8))
        assert np.asarray(image).max() > 200


def test_what_is_there_stays_unless_forced(tmp_path: Path) -> None:
    path = write_example("wine", tmp_path)
    content = path.read_bytes()
    assert write_example("wine", tmp_path) == path
    path.write_text("mine")
    with pytest.raises(DataError, match="--force"):
        write_example("wine", tmp_path)
    assert path.read_text() == "mine"
    write_example("wine", tmp_path, force=True)
    assert path.read_bytes() == content


def test_an_unknown_example_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'wine'"):
        write_example("whine", tmp_path)
