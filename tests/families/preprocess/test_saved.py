from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from automl.families.preprocess.saved import Saved, like


@dataclass(frozen=True)
class Leaf(Saved):
    values: npt.NDArray[np.float64]
    name: str


@dataclass(frozen=True)
class Tree(Saved):
    first: Leaf
    absent: Leaf | None
    leaves: tuple[Leaf, ...]
    nested: tuple[tuple[str, ...], ...]
    count: int


@dataclass(frozen=True)
class Sides(Saved):
    left: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64] = field(metadata=like("left"))


def leaf(value: float) -> Leaf:
    return Leaf(np.array([value]), f"leaf {value}")


def test_nested_values_come_back_as_they_were(tmp_path: Path) -> None:
    tree = Tree(leaf(1), None, (leaf(2), leaf(3)), (("a", "é"), ()), 4)
    tree.save(tmp_path)
    again = Tree.load(tmp_path)
    assert again.first.values.tolist() == [1.0]
    assert again.absent is None
    assert [item.name for item in again.leaves] == ["leaf 2", "leaf 3"]
    assert (again.nested, again.count) == ((("a", "é"), ()), 4)


def test_an_empty_tuple_of_values_comes_back_empty(tmp_path: Path) -> None:
    Tree(leaf(1), leaf(2), (), (), 0).save(tmp_path, "other")
    again = Tree.load(tmp_path, "other")
    assert again.leaves == ()
    assert again.absent is not None


def test_arrays_of_objects_are_refused_since_numpy_would_pickle_them(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"[Oo]bject"):
        Leaf(np.array([object()], dtype=object), "x").save(tmp_path)


def test_an_array_that_an_earlier_version_did_not_write_equals_the_one_that_it_names() -> None:
    state = Sides(np.array([1.0]), np.array([2.0])).state()
    assert Sides.from_state(state).right.tolist() == [2.0]
    del state["right"]
    assert Sides.from_state(state).right.tolist() == [1.0]
    del state["left"]
    with pytest.raises(KeyError):
        Sides.from_state(state)
