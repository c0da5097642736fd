"""Digests see content and order, not storage; duplicates are found by content."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from automl.data.digest import duplicate_groups, frame_digest
from automl.data.layout import Layout

FRAME = pd.DataFrame(
    {
        "n": [1, 2, 3],
        "f": [0.5, np.nan, -0.0],
        "s": ["a", None, "c"],
        "b": [True, False, True],
        "d": pd.date_range("2024", periods=3),
    }
)


def test_equal_content_in_other_types_has_the_same_digest() -> None:
    other = FRAME.assign(
        n=FRAME["n"].astype("float32"),
        f=FRAME["f"].replace(0, 0.0).astype("Float64"),
        s=FRAME["s"].astype("category"),
        b=FRAME["b"].astype("object"),
    ).set_axis([7, 7, 7])
    assert frame_digest(other) == frame_digest(FRAME)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.rename(columns={"n": "m"}),
        lambda frame: frame.iloc[::-1],
        lambda frame: frame.iloc[:2],
        lambda frame: frame[["f", "n", "s", "b", "d"]],
        lambda frame: frame.assign(n=[1, 2, 4]),
        lambda frame: frame.assign(s=["a", "", "d"]),
        lambda frame: frame.assign(f=[0.5, 0.0, np.nan]),
    ],
)
def test_any_change_changes_the_digest(change: object) -> None:
    assert frame_digest(change(FRAME)) != frame_digest(FRAME)  # type: ignore[operator]


def test_integers_beyond_floats_are_told_apart() -> None:
    first, second = (pd.DataFrame({"n": [2**53 + i, 0]}) for i in (0, 1))
    assert frame_digest(first) != frame_digest(second)


def test_an_empty_frame_has_a_digest() -> None:
    assert len(frame_digest(FRAME.iloc[:0])) == 64


def test_duplicate_rows_share_a_group() -> None:
    random = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "x": random.normal(size=60).round(1),
            "c": random.choice(["a", "b", None], 60),
            "t": [f"text number {i} of them all" for i in range(60)],
        }
    )
    twice = pd.concat([frame, frame.sample(frac=1, random_state=0)], ignore_index=True)
    groups = duplicate_groups(Layout.infer(frame).encode(twice).table)
    assert groups.dtype == np.int64
    assert groups[:60].tolist() == list(range(60))
    expected = twice.groupby("t").ngroup()
    assert len(set(zip(groups, expected, strict=True))) == 60


def test_swapped_values_are_no_duplicates() -> None:
    frame = pd.DataFrame({"a": [1.5, 2.5] * 20, "b": [2.5, 1.5] * 20})
    assert len(np.unique(duplicate_groups(Layout.infer(frame).encode(frame).table))) == 2
