"""Folders of images: classes, given splits, what is left aside and what is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from automl.core.errors import DataError, StorageError
from automl.data.images.folder import scan_classes, scan_images
from automl.data.images.modality import MODALITY
from automl.data.images.pixels import pictures_of, stored_side
from automl.data.images.store import store_pixels
from automl.data.images.table import open_images, read_folder
from automl.data.named_files import path_columns, refuse_path


def write(path: Path, shade: int = 100, size: int = 40) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(shade).integers(0, 60, (size, size, 3))
    Image.fromarray((noise + shade).clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for name, shade in (("cats", 20), ("dogs", 120)):
        for number in range(4):
            write(root / name / f"{number}.png", shade + number)
    return root


def test_classes_are_the_names_of_folders(photos: Path) -> None:
    write(photos / "dogs" / "more" / "deep.JPG", 130)
    folder = read_folder(photos)
    assert folder.frame["label"].value_counts().to_dict() == {"cats": 4, "dogs": 5}
    assert "part" not in folder.frame


def test_a_given_split_is_kept(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        for name in ("a", "b"):
            write(tmp_path / part / name / "1.png", len(part) * 20 + ord(name))
    frame = read_folder(tmp_path).frame
    assert sorted(set(frame["part"])) == ["test", "train", "val"]


def test_hidden_files_and_rubbish_are_ignored_and_counted(photos: Path) -> None:
    for name in (".hidden.png", "Thumbs.db", "notes.txt"):
        (photos / "cats" / name).write_bytes(b"x")
    write(photos / "__MACOSX" / "cats" / "1.png")
    scan = scan_classes(photos)
    assert len(scan.files) == 8
    assert scan.ignored == 3
    assert dict(scan.others) == {".txt": 1}


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs links")
def test_links_out_of_the_folder_loops_and_pipes_are_refused_by_name(photos: Path) -> None:
    outside = write(photos.parent / "outside.png")
    (photos / "cats" / "away.png").symlink_to(outside)
    (photos / "cats" / "loop.png").symlink_to(photos / "cats" / "loop.png")
    (photos / "cats" / "up").symlink_to(photos, target_is_directory=True)
    (photos / "cats" / "inside.png").symlink_to(photos / "cats" / "0.png")
    os.mkfifo(photos / "cats" / "pipe.png")
    scan = scan_classes(photos)
    assert set(scan.refused) == {"cats/away.png", "cats/loop.png", "cats/up", "cats/pipe.png"}
    assert "cats/inside.png" in [file.path for file in scan.files]


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
def test_names_that_are_not_in_utf8_are_refused_by_name(photos: Path) -> None:
    latin = os.fsencode(photos / "cats") + b"/caf\xe9.png"
    os.link(photos / "cats" / "0.png", latin)
    assert list(scan_classes(photos).refused.values()) == ["a name that is not in UTF-8"]
    assert len(scan_images(photos).files) == 8
    os.rename(photos / "cats", os.fsencode(photos) + b"/caf\xe9")
    with pytest.raises(DataError, match="not in UTF-8"):
        read_folder(photos)


@pytest.mark.parametrize("wrong", ["loose", "empty", "single", "nothing", "strange"])
def test_other_layouts_are_refused_with_the_expected_one(photos: Path, wrong: str) -> None:
    root = photos
    if wrong == "loose":
        write(root / "loose.png")
    elif wrong == "empty":
        (root / "birds").mkdir()
    elif wrong == "single":
        root = photos / "only"
        write(root / "cats" / "1.png")
    elif wrong == "nothing":
        root = photos / "none"
        root.mkdir()
    else:
        root = photos / "split"
        for place in ("train/a", "train/b", "val/c"):
            write(root / place / "1.png")
    with pytest.raises(DataError, match=r"Expected: |rename or remove"):
        scan_classes(root)


def test_paths_that_lead_out_are_refused(tmp_path: Path) -> None:
    assert not refuse_path("a/b.png", tmp_path)
    assert refuse_path("../b.png", tmp_path)
    assert refuse_path("/etc/passwd", tmp_path)
    assert not refuse_path(str(tmp_path / "x.png"), tmp_path)
    assert not refuse_path("../b.png", tmp_path, outside=True)
    assert refuse_path("a\0.png", tmp_path) == "holds a NUL character"
    if hasattr(os, "symlink"):
        (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
        refuse_path("loop.png", tmp_path)  # refused, or set aside once it is read: no error in any case


def test_images_are_decoded_once_and_found_again_where_they_move(photos: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = store_pixels([photos / file.path for file in scan_images(photos).files], cache)
    assert not first.reused
    moved = photos.rename(tmp_path / "moved")
    again = store_pixels([moved / file.path for file in scan_images(moved).files], cache)
    assert again.reused
    assert again.store.pixels.shape[1:] == (40, 40, 3)
    references = np.array(sorted(again.references.values()), dtype=object)
    assert stored_side(references) == 40
    shown = pictures_of(references, 40)
    assert len(shown) == 8
    files = np.array(list(again.references), dtype=object)
    seen = pictures_of(np.array([again.references[name] for name in files], dtype=object), 40)
    now = pictures_of(files, 40)
    assert (seen.take(slice(None))[0] == now.take(slice(None))[0]).all()
    assert list(seen.hashes) == list(now.hashes)


def test_the_cache_is_bounded(photos: Path, tmp_path: Path) -> None:
    paths = [photos / file.path for file in scan_images(photos).files]
    small = store_pixels(paths, tmp_path / "cache", most_bytes=8 * 40 * 40 * 3)
    assert small.store.pixels.shape[1] == 32
    with pytest.raises(StorageError, match=r"cache of at least 1 MiB.* --cache-size"):
        store_pixels(paths, tmp_path / "cache", most_bytes=1000)


def test_broken_images_are_set_aside_and_listed(photos: Path, tmp_path: Path) -> None:
    (photos / "cats" / "cut.png").write_bytes((photos / "cats" / "0.png").read_bytes()[:300])
    (photos / "dogs" / "words.jpg").write_text("hello", encoding="utf-8")
    (photos / "dogs" / "empty.jpg").touch()
    folder = read_folder(photos)
    images = open_images(folder.frame, path_columns(MODALITY, folder.frame, {}), photos, tmp_path / "cache")
    assert len(images.frame) == 8
    (finding,) = images.findings
    assert finding.evidence.startswith("3 of 11 images were set aside: ")
    for name in ("cats/cut.png", "dogs/words.jpg", "dogs/empty.jpg"):
        assert name in finding.evidence
        assert (photos / name).exists()


def test_a_reason_stands_once_after_its_files_and_odd_names_are_quoted(photos: Path, tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "line\nbreak.jpg"):
        (photos / "dogs" / name).touch()
    folder = read_folder(photos)
    images = open_images(folder.frame, ("image",), photos, tmp_path / "cache")
    (finding,) = images.findings
    assert "dogs/a.jpg, dogs/b.jpg, 'dogs/line\\nbreak.jpg' (empty (0 bytes))." in finding.evidence


def test_rows_without_an_image_are_counted(photos: Path, tmp_path: Path) -> None:
    frame = pd.DataFrame({"photo": ["cats/0.png", None, "dogs/1.png", " ", "dogs/none.png"]})
    images = open_images(frame, ("photo",), photos, tmp_path / "cache")
    (finding,) = images.findings
    assert finding.evidence == (
        "3 of 5 rows were set aside because of their images: dogs/none.png (there is no such file); "
        "2 rows have no image path."
    )


def test_an_image_in_two_classes_is_reported(photos: Path, tmp_path: Path) -> None:
    (photos / "cats" / "copy.png").write_bytes((photos / "dogs" / "0.png").read_bytes())
    folder = read_folder(photos)
    images = open_images(folder.frame, ("image",), photos, tmp_path / "cache")
    labels = images.frame["label"].to_numpy(dtype=object)
    (finding,) = images.copies(images.frame, labels, None)
    assert finding.code == "image_in_two_classes"
    assert finding.evidence.startswith("1 image is in several classes: ")
    assert "cats/copy.png" in finding.evidence
