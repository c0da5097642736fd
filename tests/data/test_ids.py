"""Row numbers are left out; measurements that look like them are looked at first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from automl.core.table import Column, Kind
from automl.data.columns.outcome import Outcome
from automl.data.layout import Layout

ROWS = 240
random = np.random.default_rng(4)
DEPTH = np.cumsum(random.integers(2, 9, ROWS)) + 100
NOISE = Outcome(random.normal(size=ROWS), False)


def column(name: str, values: object, outcome: Outcome | None) -> Column:
    frame = pd.DataFrame({name: values, "other": random.normal(size=ROWS)})
    return Layout.infer(frame, outcome=outcome).columns[0]


def told_by(values: np.ndarray, *, classes: bool = False) -> Outcome:
    signal = np.sin(np.argsort(np.argsort(values)) / 30) + random.normal(scale=0.2, size=ROWS)
    return Outcome.of(np.where(signal > 0, "a", "b") if classes else signal, classes=classes)


@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("depth", DEPTH),
        ("depth", DEPTH[::-1].copy()),
        ("epoch", 1_700_000_000 + np.cumsum(random.integers(1, 900, ROWS))),
        ("heat_index", random.permutation(DEPTH)),
        ("price key", random.permutation(DEPTH * 7)),
        ("rank", random.permutation(ROWS) + 1),
    ],
)
def test_a_measurement_that_tells_of_the_target_is_kept_and_that_is_said(
    name: str, values: np.ndarray, classes: bool
) -> None:
    found = column(name, values, told_by(values, classes=classes))
    assert found.kind is Kind.NUMBER
    assert "may only identify the rows" in found.reason


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n", np.arange(ROWS)),
        ("n", np.arange(ROWS) * 10 + 500),
        ("n", np.delete(np.arange(ROWS + 12), np.arange(0, 240, 20))),
        ("id", random.permutation(DEPTH)),
        ("ID", DEPTH),
        ("customer_id", random.permutation(DEPTH)),
        ("Unnamed: 0", random.permutation(ROWS)),
    ],
)
def test_row_numbers_and_named_ids_are_left_out_whatever_they_tell(name: str, values: np.ndarray) -> None:
    assert column(name, values, told_by(np.asarray(values))).kind is Kind.ID


@pytest.mark.parametrize("values", [DEPTH, random.permutation(ROWS) + 1])
def test_numbers_that_tell_nothing_are_left_out(values: np.ndarray) -> None:
    found = column("ticket", values, NOISE)
    assert found.kind is Kind.ID
    assert "on which the target does not depend" in found.reason
    assert "--keep ticket" in found.reason


def test_without_a_target_they_are_kept_in_doubt() -> None:
    assert "kept in doubt" in column("depth", DEPTH, None).reason


def test_noise_is_seldom_taken_for_a_relation() -> None:
    told = [
        Outcome(np.random.default_rng(seed).normal(size=ROWS), False).depends_on(DEPTH) for seed in range(300)
    ]
    assert sum(told) <= 12  # 3 are expected by chance


def _parcels() -> np.ndarray:
    """Numbers of nine digits as a land register gives them out: by map sheet, then in small steps."""
    sheets = random.choice(np.arange(500, 980), 12, replace=False) * 1_000_000
    return random.permutation(
        np.concatenate([sheet + np.cumsum(random.integers(5, 90, ROWS // 12)) * 10 for sheet in sheets])
    )


def test_parcel_numbers_name_their_rows_although_a_district_tells_of_the_price() -> None:
    parcels = _parcels()
    found = column("PID", parcels, told_by(parcels))
    assert found.kind is Kind.ID
    assert "of 9 digits, in blocks" in found.reason


def test_wide_numbers_without_blocks_are_kept_where_they_tell_of_the_target() -> None:
    wide = random.permutation(random.integers(10_000_000, 99_000_000, ROWS))
    assert column("plate", wide, NOISE).kind is Kind.ID
    assert column("reading", wide, told_by(wide)).kind is Kind.NUMBER


@pytest.mark.parametrize(
    "values",
    [
        1_600_000_000 + random.permutation(np.cumsum(random.integers(1, 90_000, ROWS))),
        random.permutation(np.round(np.exp(random.normal(16, 2, ROWS))).astype(np.int64)),
        random.integers(1_000_000, 1_000_200, ROWS),
    ],
    ids=["seconds since 1970", "revenues of every width", "repeated"],
)
def test_wide_numbers_that_no_register_gives_out_stay_numbers(values: np.ndarray) -> None:
    assert column("amount", values, NOISE).kind is Kind.NUMBER
