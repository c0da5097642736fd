"""What is kept of images stays within its bound."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from automl.data import cache as images_cache
from automl.data.cache import DESCRIPTION, Hold, bound_of, room_for, set_bound, trim
from automl.data.images import store as images_store
from automl.data.images.decode import DecodedImage, decode
from automl.data.images.pixels import close_stores


def fill(cache: Path, name: str, size: int, used: float) -> Path:
    folder = cache / name
    folder.mkdir(parents=True)
    (folder / "values.npy").write_bytes(bytes(size))
    (folder / DESCRIPTION).touch()
    os.utime(folder, (used, used))
    return folder


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    old, new = fill(tmp_path, "features-a", 400, 1.0), fill(tmp_path, "features-b", 400, 2.0)
    pixels = fill(tmp_path, "pixels-a", 400, 0.0)
    set_bound(tmp_path, 1500)
    with room_for(tmp_path, 500, starts="features-") as enough:
        assert enough
    assert not old.exists()
    assert new.exists()
    assert pixels.exists()
    set_bound(tmp_path, 500)
    trim(tmp_path, keep=pixels)
    assert not new.exists()
    assert pixels.exists()


def test_a_bound_of_the_folder_above_is_that_of_all_kinds_of_data(tmp_path: Path) -> None:
    images, texts = tmp_path / "images", tmp_path / "texts"
    old, new = fill(images, "features-a", 400, 1.0), fill(texts, "features-b", 400, 2.0)
    set_bound(tmp_path, 1000)
    set_bound(images, 900)  # by a search on images, later
    assert bound_of(texts) == 900
    with room_for(texts, 300, starts="features-") as enough:
        assert enough
    assert not old.exists()
    assert new.exists()


def test_decoded_images_that_are_worked_with_stay(tmp_path: Path) -> None:
    folder = fill(tmp_path, "pixels-a", 400, 1.0)
    set_bound(tmp_path, 500)
    held = Hold(folder)
    with room_for(tmp_path, 400) as enough:
        assert not enough
    assert folder.exists()
    held.release()
    with room_for(tmp_path, 400) as enough:
        assert enough
    assert not folder.exists()


def test_images_that_are_being_decoded_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, asked = tmp_path / "cache", []

    def decode_beside_another_search(path: Path, side: int) -> DecodedImage:
        with room_for(cache, 1 << 20) as enough:
            asked.append(enough)
        return decode(path, side)

    monkeypatch.setattr(images_store, "decode", decode_beside_another_search)
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    stored = images_store.store_pixels([tmp_path / "a.png"], cache, most_bytes=1 << 20)
    assert asked == [False]
    assert stored.store.pixels.shape == (1, 40, 40, 3)
    assert [folder.name for folder in cache.glob("pixels-*")] == [stored.store.folder.name]


def test_a_removal_that_is_killed_leaves_no_half_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path, "pixels-a", 400, 1.0)
    set_bound(tmp_path, 100)

    def killed(path: Path, **_: bool) -> None:
        if path.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(images_cache.shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            trim(tmp_path)
    assert not folder.exists()
    trim(tmp_path)
    assert [path for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize("lost", [DESCRIPTION, "aspects.npy"])
def test_images_whose_store_lost_a_file_are_decoded_anew(tmp_path: Path, lost: str) -> None:
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    first = images_store.store_pixels([tmp_path / "a.png"], tmp_path / "cache")
    (first.store.folder / lost).unlink()
    close_stores()
    again = images_store.store_pixels([tmp_path / "a.png"], tmp_path / "cache")
    assert not again.reused
    assert again.store.pixels.shape == (1, 40, 40, 3)


@pytest.mark.parametrize("content", ["", "[]", '{"bytes": null}'])
def test_a_damaged_bound_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "bound.json").write_text(content, encoding="utf-8")
    assert bound_of(tmp_path) is None
    with room_for(tmp_path, 1 << 40) as enough:
        assert enough
