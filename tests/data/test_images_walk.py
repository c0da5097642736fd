"""Links in folders of images: those inside are followed, once; the others are named."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from pictures import lay

from automl.core.errors import DataError
from automl.data.images.folder import scan_classes, scan_images
from automl.data.images.table import unlabelled_folder

pytestmark = pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")


def link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(os.path.relpath(target, place.parent))


def labels(root: Path) -> dict[str, int]:
    return dict(Counter(file.label for file in scan_classes(root).files))


def test_class_folders_that_are_links_inside_are_read_and_their_store_is_not_a_class(tmp_path: Path) -> None:
    lay(tmp_path, "store/cat/", "store/dog/")
    for name in ("cat", "dog"):
        link(tmp_path / name, tmp_path / "store" / name)
    assert labels(tmp_path) == {"cat": 2, "dog": 2}
    assert scan_classes(tmp_path).notes() == [
        "'store' is not a class: links in the other folders lead into it."
    ]
    assert len(scan_images(tmp_path).files) == 4  # each once, where it lies itself


@pytest.mark.parametrize("store", ["blobs", ".blobs"])
def test_images_that_are_links_inside_are_read(tmp_path: Path, store: str) -> None:
    lay(tmp_path, f"{store}/a/", f"{store}/b/")
    for name, place in (("cat", "a"), ("dog", "b")):
        for number in (1, 2):
            link(tmp_path / name / f"{number}.png", tmp_path / store / place / f"{number}.png")
    assert labels(tmp_path) == {"cat": 2, "dog": 2}


def test_parts_made_of_links_into_a_store_beside_them_are_read(tmp_path: Path) -> None:
    lay(tmp_path, "all/cat/", "all/dog/")
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            link(tmp_path / part / name, tmp_path / "all" / name)
    scan = scan_classes(tmp_path)
    assert Counter(file.part for file in scan.files) == {"train": 4, "val": 4}
    assert "'all' is not a part of the split: links in the parts lead into it." in scan.notes()


def test_links_out_of_the_folder_are_named_and_said_where_nothing_else_is_there(tmp_path: Path) -> None:
    root = lay(tmp_path / "root", "cat/", "dog/one.txt")
    outside = lay(tmp_path / "outside", "dog/")
    link(root / "dog" / "1.png", outside / "dog" / "1.png")
    with pytest.raises(
        DataError,
        match=r"'dog' in .* contains no images. Found: 1 .txt and 1 not opened, such as "
        r"'dog/1.png' \(a link that leads out of the folder\). Links are only followed within",
    ):
        scan_classes(root)
    (root / "dog" / "1.png").unlink()
    (root / "dog" / "one.txt").unlink()
    (root / "dog").rmdir()
    link(root / "dog", outside / "dog")
    with pytest.raises(DataError, match=r"only one class \(cat\).*'dog' \(a link that leads out"):
        scan_classes(root)


def test_circles_of_links_end_and_no_class_gets_the_images_of_all(tmp_path: Path) -> None:
    lay(tmp_path, "cat/a/", "dog/")
    for place, target in (
        ("cat/up", "."),
        ("cat/self", "cat"),
        ("cat/again", "cat/a"),
        ("cat/a/away", "dog"),
    ):
        link(tmp_path / place, tmp_path / target)
    link(tmp_path / "dog" / "back", tmp_path / "cat")
    scan = scan_classes(tmp_path)
    assert Counter(file.label for file in scan.files) == {"cat": 4, "dog": 4}
    assert {"cat/up", "cat/self"} <= set(scan.refused)
    assert "cat/again" in scan.repeated
    assert len(scan_images(tmp_path).files) == 4


def test_many_links_to_one_another_are_read_in_no_time(tmp_path: Path) -> None:
    places = [f"{name}/{name}{number}/" for name in ("cat", "dog") for number in range(12)]
    lay(tmp_path, *places)
    for first in places:
        for second in places:
            link(tmp_path / first / f"to_{second.replace('/', '_')}", tmp_path / second)
    assert len(scan_images(tmp_path).files) == 48
    assert labels(tmp_path) == {"cat": 48, "dog": 48}


def test_classes_that_link_to_one_another_stay_classes(tmp_path: Path) -> None:
    names = ("cat", "dog", "fox")
    lay(tmp_path, *(f"{name}/{name}s/" for name in names))
    for first, second in ((first, second) for first in names for second in names if first != second):
        link(tmp_path / first / second, tmp_path / second / f"{second}s")
    assert labels(tmp_path) == {"cat": 6, "dog": 6, "fox": 6}


def test_a_folder_that_is_a_link_itself_is_read(tmp_path: Path) -> None:
    lay(tmp_path / "real", "cat/", "dog/")
    link(tmp_path / "pets", tmp_path / "real")
    assert labels(tmp_path / "pets") == {"cat": 2, "dog": 2}
    assert len(unlabelled_folder(tmp_path / "pets")[0]) == 4
