"""What frozen nets see is kept within the cache's bound, and found again whatever else is removed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl.data.cache import set_bound
from automl.data.images.pixels import Pictures, pictures_of
from automl.data.images.store import store_pixels
from automl.families.nets import feature_shelf
from automl.families.nets.feature_shelf import NoRoom, Shelf, ShelfGone
from automl.families.nets.images.features import frozen_outputs, keep_outputs, view_of
from automl.families.nets.surroundings import Surroundings

COUNT = 6


def halves(rows: int, start: float = 0.0) -> np.ndarray:
    return (np.arange(rows * 4).reshape(rows, 4) + start).astype(np.float16)


def named(*keys: str) -> np.ndarray:
    return np.array([key * 64 for key in keys], dtype=object)


@pytest.fixture
def pictures(tmp_path: Path) -> Pictures:
    generator = np.random.default_rng(0)
    files = [tmp_path / f"{number}.png" for number in range(COUNT)]
    for file in files:
        Image.fromarray(generator.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(file)
    stored = store_pixels(files, tmp_path / "cache")
    return pictures_of(np.array(list(stored.references.values()), dtype=object), 40)


def kept(cache: Path) -> int:
    return sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())


def test_what_is_added_is_found_in_any_order(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "net")
    shelf.add(list(named("a", "b")), halves(2), ms=1.5)
    shelf.add(list(named("c")), halves(1, 100), ms=2.5)
    found = shelf.find(named("c", "a"))
    np.testing.assert_array_equal(shelf.take(found), np.concatenate([halves(1, 100), halves(2)[:1]]))
    assert list(shelf.find(named("d", "b")).places) == [-1, 1]


def test_parts_of_outputs_are_taken_alone(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "net")
    values = np.arange(2 * 5 * 3).reshape(2, 5, 3).astype(np.float16)
    shelf.add(list(named("a", "b")), values, ms=1.0)
    found = shelf.find(named("b", "a"))
    taken = shelf.take(found, (slice(0, 1), slice(-2, None)))
    np.testing.assert_array_equal(taken, values[::-1][:, [0, 3, 4]])


@pytest.mark.parametrize("what", ["keys", "values"])
def test_a_file_that_a_crash_left_incomplete_is_computed_again(what: str, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "net")
    shelf.add(list(named("a")), halves(1), ms=1.0)
    shelf.add(list(named("b")), halves(1, 7), ms=1.0)
    cut = sorted(tmp_path.rglob(f"*.{what}.npy"))[1]
    cut.write_bytes(cut.read_bytes()[:-2])
    if what == "values":
        with pytest.raises(ShelfGone):
            shelf.take(shelf.find(named("b")))
    assert list(shelf.find(named("a", "b")).places) == [0, -1]
    np.testing.assert_array_equal(shelf.take(shelf.find(named("a"))), halves(1))
    assert len(list(tmp_path.rglob("*.npy"))) == 2


def test_of_a_shelf_that_grows_the_latest_index_alone_is_held(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "net")
    for number in range(70):
        shelf.add([f"{number:064}"], halves(1, number), ms=1.0)
        found = shelf.find(np.array([f"{number:064}", f"{0:064}"], dtype=object))
        assert list(found.places) == [number, 0]
    held = [index for folder, index in feature_shelf._indices.items() if str(tmp_path) in folder]
    assert [len(index.places) for index in held] == [70]


def test_the_time_of_an_output_is_the_mean_of_all_and_not_that_of_the_last_few(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path, "net")
    assert shelf.milliseconds() == 0.0
    shelf.add(list(named("a", "b", "c")), halves(3), ms=2.0)
    shelf.add(list(named("d")), halves(1), ms=10.0)
    assert shelf.milliseconds() == 4.0


def test_a_shelf_that_is_removed_between_looking_and_taking_says_so(tmp_path: Path) -> None:
    first, second = Shelf(tmp_path, "first"), Shelf(tmp_path, "second")
    first.add(list(named("a", "b")), halves(2), ms=1.0)
    found = first.find(named("b"))
    set_bound(tmp_path, 2000)
    second.add(list(named(*"cdefghijkl")), halves(10), ms=1.0)
    assert (first.find(named("b")).places < 0).all()
    with pytest.raises(ShelfGone):
        first.take(found)
    first.add(list(named("b")), halves(1, 7), ms=1.0)  # another pair under a new name
    with pytest.raises(ShelfGone):
        first.take(found)
    with pytest.raises(NoRoom):
        first.make_room(4000)


def test_the_cache_never_exceeds_its_bound_while_features_are_written(pictures: Pictures) -> None:
    assert pictures.cache is not None
    views = [
        view_of("efficientnet_lite0", px, 40, flip=flip) for px in (32, 48, 64) for flip in (False, True)
    ]
    around = Surroundings(1)
    first = frozen_outputs(pictures, views[0], around)
    bound = kept(pictures.cache) + 3 * first.nbytes
    set_bound(pictures.cache, bound)
    for view in views:
        keep_outputs(pictures, view, around)
        assert kept(pictures.cache) <= bound + 500  # the bound's own file and a lock
    shelves = {path.parent for path in pictures.cache.glob("features-*/*.values.npy")}
    assert 1 < len(shelves) < len(views)
    np.testing.assert_array_equal(frozen_outputs(pictures, views[0], around), first)


def test_without_room_features_are_computed_and_not_kept(pictures: Pictures) -> None:
    assert pictures.cache is not None
    view = view_of("efficientnet_lite0", 32, 40)
    set_bound(pictures.cache, 1000)
    keep_outputs(pictures, view, Surroundings(1))
    assert frozen_outputs(pictures, view, Surroundings(1)).shape[0] == COUNT
    assert not list(pictures.cache.glob("features-*/*.values.npy"))
