from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from automl.executors.prepared_cache import PreparedCache, approximate_bytes

MEGABYTE = 1 << 20


@dataclass
class Prepared:
    matrix: np.ndarray
    names: tuple[str, ...]


def megabytes(count: int) -> Prepared:
    return Prepared(np.zeros(count * MEGABYTE // 8), ("a", "b"))


def test_a_value_is_built_once() -> None:
    cache, built = PreparedCache(), []
    for _ in range(3):
        assert cache.get("key", lambda: built.append(1) or "value") == "value"  # type: ignore[func-returns-value]
    assert built == [1]


def test_what_was_used_longest_ago_goes_first() -> None:
    cache = PreparedCache(max_bytes=10 * MEGABYTE)
    for key in "ab":
        cache.get(key, lambda: megabytes(4))
    cache.get("a", lambda: megabytes(4))
    cache.get("c", lambda: megabytes(4))
    again: list[str] = []
    cache.get("a", lambda: again.append("a"))
    cache.get("b", lambda: again.append("b"))
    assert again == ["b"]
    assert cache.bytes <= 10 * MEGABYTE


def test_what_is_too_large_is_not_kept() -> None:
    cache = PreparedCache(max_bytes=MEGABYTE)
    assert cache.get("key", lambda: megabytes(2)).matrix.nbytes == 2 * MEGABYTE
    assert len(cache) == 0
    assert cache.bytes == 0


def test_entries_are_bounded_too() -> None:
    cache = PreparedCache(max_entries=3)
    for key in range(10):
        cache.get(key, object)
    assert len(cache) == 3


def test_sizes_are_seen_inside_objects() -> None:
    matrix = scipy.sparse.random(1000, 100, density=0.1, format="csr")
    stored = matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
    assert stored <= approximate_bytes([{"sparse": matrix}]) < stored + 10_000
    assert MEGABYTE <= approximate_bytes((megabytes(1),)) < MEGABYTE + 10_000


def test_shared_parts_count_once() -> None:
    part = megabytes(1)
    assert approximate_bytes([part, part]) < 2 * MEGABYTE


def test_native_data_sets_are_judged_by_their_shape() -> None:
    import lightgbm

    data = lightgbm.Dataset(np.random.default_rng(0).random((10_000, 50)), np.zeros(10_000))
    data.construct()
    data.data = None
    assert approximate_bytes(data) >= 500_000
