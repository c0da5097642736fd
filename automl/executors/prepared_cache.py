"""Prepared data kept between the trials of one worker, bounded by bytes and by number."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np

from automl.core.machine import GIBIBYTE

T = TypeVar("T")
_DEPTH = 6
# Objects of native libraries show Python a few bytes only. What they hold is judged by their shape, as
# (method for rows, method for columns, bytes per cell): LightGBM's Dataset, then XGBoost's and CatBoost's.
_NATIVE = (("num_data", "num_feature", 2), ("num_row", "num_col", 4))


class PreparedCache:
    """A least-recently-used store; implements :class:`automl.core.family.Cache`.

    Parameters
    ----------
    max_bytes:
        Approximate bound of all entries; an entry larger than this is built and not kept.
    max_entries:
        Bound of their number.
    """

    def __init__(self, max_bytes: int = GIBIBYTE, max_entries: int = 256) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._entries: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes(self) -> int:
        """Approximate bytes of all entries."""
        return self._bytes

    def get(self, key: Hashable, build: Callable[[], T]) -> T:
        """The value built for ``key``, building it first if need be."""
        if key in self._entries:
            self._entries.move_to_end(key)
            value: T = self._entries[key][0]
            return value
        value = build()
        size = approximate_bytes(value)
        if size <= self._max_bytes:
            self._entries[key] = (value, size)
            self._bytes += size
            while self._bytes > self._max_bytes or len(self._entries) > self._max_entries:
                _, (_, dropped) = self._entries.popitem(last=False)
                self._bytes -= dropped
        return value

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0


def approximate_bytes(value: object) -> int:
    """Bytes that ``value`` keeps alive: arrays by their size, containers and objects by their parts."""
    return _bytes_of(value, set(), _DEPTH)


def _bytes_of(value: object, seen: set[int], depth: int) -> int:
    if value is None or isinstance(value, type) or id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, np.ndarray):
        # A view keeps its whole base alive; a memory map belongs to the page cache.
        if isinstance(value, np.memmap):
            return 0
        return int(value.nbytes) + (64 * value.size if value.dtype == object else 0)
    own = sys.getsizeof(value, 64)
    if depth == 0 or isinstance(value, str | bytes | int | float | complex):
        return own
    own += _native_bytes(value)
    parts: list[object] = []
    if isinstance(value, Mapping):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        parts = list(value)
    else:
        parts = [getattr(value, name, None) for name in _attributes(value)]
    return own + sum(_bytes_of(part, seen, depth - 1) for part in parts)


def _attributes(value: object) -> list[str]:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
    return [*getattr(value, "__dict__", {}), *slots]


def _native_bytes(value: object) -> int:
    if "torch" in sys.modules and type(value).__module__.startswith("torch"):
        return int(getattr(value, "nbytes", 0) or 0)
    for rows, columns, cell in _NATIVE:
        count, width = getattr(value, rows, None), getattr(value, columns, None)
        if callable(count) and callable(width):
            try:
                return int(count()) * int(width()) * cell
            except (TypeError, ValueError, RuntimeError):  # e.g. a LightGBM Dataset not yet constructed
                return 0
    return 0


class _Store(Protocol):
    def get(self, key: Hashable, build: Callable[[], T]) -> T: ...


class RepeatCache:
    """Keeps what was prepared for other deals of the folds apart: fold 0 of each has other rows."""

    def __init__(self, cache: _Store, repeat: int) -> None:
        self._cache = cache
        self._repeat = repeat

    def get(self, key: Hashable, build: Callable[[], T]) -> T:
        """The value built for ``key`` in this deal, building it first if need be."""
        return self._cache.get((self._repeat, key), build)
