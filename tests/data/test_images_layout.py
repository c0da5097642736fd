"""How folders of images are understood: parts of a split, wrappings, heaps; never parts as classes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from pictures import lay

from automl.core.errors import DataError
from automl.data.images.folder import scan_classes, scan_images
from automl.data.images.walk import Scan

CLASSES = {"cat", "dog"}


def both(*parts: str) -> list[str]:
    return [f"{part}/{name}/" for part in parts for name in ("cat", "dog")]


def found(scan: Scan) -> dict[str, int]:
    """Images by part; the classes are those of this page."""
    assert {file.label for file in scan.files} == CLASSES
    return dict(Counter(file.part for file in scan.files))


def refusal(root: Path) -> str:
    with pytest.raises(DataError, match="Expected: FOLDER/CLASS") as refused:
        scan_classes(root)
    return str(refused.value)


@pytest.mark.parametrize(
    ("train", "other", "part"),
    [
        ("training_set", "test_set", "test"),
        ("seg_train/seg_train", "seg_test/seg_test", "test"),
        ("flowers_train", "flowers_valid", "val"),
        ("data/set/TRAIN", "data/set/Dev", "val"),
        ("train/train", "train/val", "val"),
        ("train", "annotations_of_test/images", None),
    ],
)
def test_parts_of_a_split_are_never_classes(tmp_path: Path, train: str, other: str, part: str | None) -> None:
    lay(tmp_path, *both(train, other))
    if part is None:
        assert "are they parts?" in refusal(tmp_path)
    else:
        assert found(scan_classes(tmp_path)) == {"train": 4, part: 4}


def test_several_folders_of_one_part_are_joined_and_said(tmp_path: Path) -> None:
    scan = scan_classes(lay(tmp_path, *both("train", "val", "dev")))
    assert found(scan) == {"train": 4, "val": 8}
    assert scan.notes() == [
        "The folders are the parts of a split: 'dev' is val, 'train' is train, 'val' is val."
    ]


@pytest.mark.parametrize("name", ["test", "training", "dev", "unlabelled"])
def test_a_class_named_like_a_part_beside_other_classes_stays_one(tmp_path: Path, name: str) -> None:
    scan = scan_classes(lay(tmp_path, "cat/", "dog/", f"{name}/"))
    assert {file.label for file in scan.files} == {"cat", "dog", name}
    assert {file.part for file in scan.files} == {""}


@pytest.mark.parametrize(
    "names", [("A", "B"), ("entrenamiento", "prueba"), ("fold1", "fold2"), ("train", "B")]
)
def test_folders_of_the_same_folders_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    said = refusal(lay(tmp_path, *both(*names)))
    assert "contain the same folders (cat, dog): are they parts? Next: name parts train, val, test" in said


def test_classes_with_folders_of_their_own_stay_classes(tmp_path: Path) -> None:
    assert found(scan_classes(lay(tmp_path, "cat/siam/", "cat/manx/", "dog/pug/", "dog/manx/"))) == {"": 8}


def test_single_folders_around_all_others_are_gone_through_and_named(tmp_path: Path) -> None:
    scan = scan_classes(lay(tmp_path, *both("data/pets")))
    assert found(scan) == {"": 4}
    assert scan.notes() == ["The folder 'data/pets' was taken for the root, because it holds everything."]


@pytest.mark.parametrize(
    "heap", ["predict/", "test1/", "test/unknown/", "seg_pred/seg_pred/", "unlabelled/cat/"]
)
def test_a_part_without_classes_is_left_out_and_said(tmp_path: Path, heap: str) -> None:
    scan = scan_classes(lay(tmp_path, *both("train", "val"), heap))
    assert found(scan) == {"train": 4, "val": 4}
    assert any("its 2 images are left out of the search" in note for note in scan.notes())
    assert len(scan_images(tmp_path).files) == 10


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (["train/", "test1/"], "2 images are in 'train' without class folders"),
        ([*both("train"), "train/loose.png"], "1 image is in 'train' beside the class folders"),
        ([*both("train"), "val/"], "'val' are not in a class folder, so they cannot judge"),
        (both("val", "test"), "are parts of a split, but there is no train"),
        (both("test"), "is a part of a split, but there is no train"),
        ([*both("train", "val"), "more/"], "beside the parts of a split there is 'more' with 2 images"),
        (
            ["train/", "test/", "bus/"],
            "'train' has the name of a part of a split, but holds images, as 'bus'",
        ),
        (both("train/train", "train/val", "test"), "'train' is a part of a split and contains parts again"),
        (
            [*both("train"), "more/"],
            "'train' contains folders (cat, dog), and 'more' does not: are they parts?",
        ),
        (
            ["cat_train/", "cat_test/", "dog_train/", "dog_test/"],
            "contain both a class and a part of a split",
        ),
        (["cat/train/", "cat/test/", "dog/"], "'cat' contains the parts of a split (test, train), and 'dog'"),
    ],
)
def test_splits_that_cannot_be_told_are_refused(tmp_path: Path, places: list[str], said: str) -> None:
    assert said in refusal(lay(tmp_path, *places))


def test_parts_inside_of_the_classes_are_kept(tmp_path: Path) -> None:
    places = [f"{name}/{part}/" for name in ("cat", "dog") for part in ("train", "test", "predict")]
    assert found(scan_classes(lay(tmp_path, *places))) == {"train": 4, "test": 4}


def test_a_folder_without_images_beside_the_parts_is_said(tmp_path: Path) -> None:
    scan = scan_classes(lay(tmp_path, *both("train", "val"), "annotations/boxes.json"))
    assert found(scan) == {"train": 4, "val": 4}
    assert "'annotations' is not a part of the split: it has no images." in scan.notes()
