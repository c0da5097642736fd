"""A search on images, from a folder or a table to predictions, as people run it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import automl as cli
from pictures import photo
from PIL import Image

import automl
from automl.core.errors import DataError, UsageError
from automl.data.images.decode import image_size
from automl.problem.preparation import prepare
from automl.problem.settings import Settings


def fill(root: Path, count: int, seed: int = 0) -> Path:
    generator = np.random.default_rng(seed)
    for kind, name in enumerate(("square", "round")):
        (root / name).mkdir(parents=True)
        for number in range(count):
            photo(kind, generator).save(root / name / f"{number}.jpg")
    return root


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("data") / "shapes", 10)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store") / "mlruns"


def test_a_folder_is_searched_and_the_model_predicts_all_that_holds_images(shapes: Path, place: Path) -> None:
    result = automl.search(shapes, trials=3, executor="inline", folds=3, store=place)
    assert result.best.validation > 0.8
    model = automl.load("shapes", store=place)
    assert model.target_name == "label"
    by_folder = model.predict(shapes / "round")
    assert by_folder.index.name == "file"
    assert (by_folder == "round").mean() > 0.7
    files = [shapes / "round" / name for name in by_folder.index]
    assert list(model.predict(files)) == list(by_folder)
    assert list(model.predict([Image.open(file) for file in files])) == list(by_folder)
    assert list(model.predict(Image.open(files[0]))) == [by_folder.iloc[0]]
    frame = pd.DataFrame({"image": ["round/0.jpg", "square/1.jpg"]}, index=[4, 4])
    assert model.predict_proba(frame, image_root=shapes).index.tolist() == [4, 4]
    with pytest.raises(DataError, match="no such file"):
        model.predict(["nowhere.jpg"])
    sheets = {path.name: min(image_size(path.read_bytes())) for path in place.rglob("images/*.png")}
    assert set(sheets) == {"top_losses.png", "classes.png"}
    assert min(sheets.values()) > 100


def test_a_given_split_judges_and_its_test_part_is_scored_once(tmp_path: Path, place: Path) -> None:
    for seed, part in enumerate(("train", "val", "test")):
        fill(tmp_path / "split" / part, 8, seed)
    result = automl.search(tmp_path / "split", trials=2, executor="inline", store=place)
    assert result.test is not None
    assert result.test.value > 0.6
    with pytest.raises(UsageError, match="test part of its own"):
        automl.search(tmp_path / "split", trials=2, test=tmp_path / "split" / "test", store=place)


@pytest.mark.slow
def test_damaged_files_do_not_stop_a_search_and_are_listed(tmp_path: Path, place: Path) -> None:
    root = fill(tmp_path / "damaged", 6)
    whole = (root / "round" / "0.jpg").read_bytes()
    (root / "round" / "cut.jpg").write_bytes(whole[:500])
    (root / "round" / "words.jpg").write_text("no image", encoding="utf-8")
    (root / "square" / "empty.png").touch()
    Image.new("1", (20_000, 20_000)).save(root / "square" / "bomb.png")
    Image.new("RGB", (1, 1)).save(root / "square" / "dot.png")
    (root / "square" / "copy.jpg").write_bytes(whole)
    Image.open(root / "round" / "1.jpg").convert("CMYK").save(root / "round" / "cmyk.jpg")
    Image.open(root / "round" / "1.jpg").convert("L").save(root / "round" / "grey.png")
    how = ("--trials", "2", "--executor", "inline", "--json", "--store", str(place))
    done = cli("search", str(root), *how, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["best"]
    for name in ("cut.jpg", "words.jpg", "empty.png", "bomb.png", "dot.png"):
        assert name in done.stderr, done.stderr
    assert "several classes" in done.stderr
    assert (root / "square" / "bomb.png").exists()


def test_a_table_with_paths_of_images(shapes: Path, place: Path, tmp_path: Path) -> None:
    rows = [(f"{name}/{number}.jpg", name) for name in ("square", "round") for number in range(10)]
    pd.DataFrame(rows, columns=["photo", "shape"]).to_csv(tmp_path / "shapes.csv", index=False)
    how = {"target": "shape", "trials": 2, "executor": "inline", "store": place, "name": "paths"}
    automl.search(tmp_path / "shapes.csv", image_root=shapes, **how)
    predicted = automl.load("paths", store=place).predict(tmp_path / "shapes.csv", image_root=shapes)
    assert len(predicted) == 20
    pd.DataFrame([("../x.jpg", "a"), ("b.jpg", "b")] * 4, columns=["photo", "shape"]).to_csv(
        tmp_path / "bad.csv", index=False
    )
    with pytest.raises(DataError, match="leads out"):
        automl.search(tmp_path / "bad.csv", image_root=shapes, **how)


def test_a_table_with_two_images_per_row_is_searched_to_its_end(
    shapes: Path, place: Path, tmp_path: Path
) -> None:
    rows = [
        (f"{name}/{number}.jpg", f"square/{number}.jpg", name)
        for name in ("square", "round")
        for number in range(8)
    ]
    pd.DataFrame(rows, columns=["photo", "beside", "shape"]).to_csv(tmp_path / "pairs.csv", index=False)
    how = {"target": "shape", "trials": 2, "folds": 2, "executor": "inline", "store": place}
    result = automl.search(tmp_path / "pairs.csv", image_root=shapes, families=("image_probe",), **how)
    assert result.best.family == "image_probe"


def test_words_too_long_for_a_file_name_no_image(shapes: Path, place: Path) -> None:
    words = [f"{name}/{number}.jpg" for name in ("square", "round") for number in range(8)]
    frame = pd.DataFrame({"photo": words, "size": np.arange(16.0) % 7, "shape": ["a"] * 8 + ["b"] * 8})
    frame.loc[0, "photo"] = "x" * 5000 + ".jpg"
    table = prepare(Settings(frame, target="shape", store=place, image_root=shapes)).problem.table
    assert (table.rows, table.features.images) == (15, ("photo",))
    table = prepare(Settings(frame, target="shape", store=place)).problem.table
    assert (table.rows, table.features.images) == (16, ())


@pytest.mark.parametrize("kinds", [{}, {"photo": "image"}])
def test_path_objects_are_paths(shapes: Path, place: Path, kinds: dict[str, str]) -> None:
    files = [shapes / name / f"{number}.jpg" for name in ("square", "round") for number in range(8)]
    frame = pd.DataFrame({"photo": [*files, shapes / "lost.jpg"], "shape": [*"ab" * 8, "a"]})
    prepared = prepare(Settings(frame, target="shape", store=place, kinds=kinds))
    table = prepared.problem.table
    assert (table.rows, table.features.images) == (16, ("photo",))
    assert all("#" in str(reference) for reference in table.images[0])


def test_folders_named_by_numbers_are_classes_all_the_same(tmp_path: Path, place: Path) -> None:
    generator = np.random.default_rng(3)
    for kind in range(2):
        (tmp_path / "numbered" / str(kind)).mkdir(parents=True)
        for number in range(8):
            photo(kind, generator).save(tmp_path / "numbered" / str(kind) / f"{number}.png")
    prepared = prepare(Settings(tmp_path / "numbered", store=place))
    assert prepared.task.labels == ("0", "1")
    assert prepared.choice.reason == "a folder is a class"


def test_archives_are_not_unpacked(tmp_path: Path, place: Path) -> None:
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(DataError, match="unpack it"):
        automl.search(tmp_path / "photos.zip", store=place)


def test_images_join_the_numbers_of_a_table(shapes: Path, place: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    rows = []
    for kind, name in enumerate(("square", "round")):
        for number in range(10):
            size, season = float(generator.normal()), ("spring", "autumn")[number % 2]
            rows.append((f"{name}/{number}.jpg", size, season, 50 * kind + 10 * size + 9 * (number % 2)))
    frame = pd.DataFrame(rows, columns=["photo", "size", "season", "price"])
    frame.to_csv(tmp_path / "prices.csv", index=False)
    result = automl.search(
        tmp_path / "prices.csv",
        target="price",
        image_root=shapes,
        trials=6,
        families=["linear", "image_probe"],
        executor="inline",
        folds=4,
        store=place,
    )
    assert {"linear", "image_probe"} <= set(result.leaderboard["family"])
    assert result.best.validation < 15  # 27 without the images
    assert result.predictor.layout.features.categories == ("season",)
    model = automl.load("prices", store=place)
    predicted = model.predict(frame.drop(columns="price"), image_root=shapes)
    assert np.corrcoef(predicted, frame["price"])[0, 1] > 0.9
    with pytest.raises(UsageError, match="pass a table"):
        model.predict(shapes)
