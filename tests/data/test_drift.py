"""Two parts of one table look alike; different worlds are told apart, with the columns that do it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from automl.core.finding import Finding
from automl.data.checks.drift import check_drift
from automl.data.layout import Layout


def table(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "x": random.normal(size=rows),
            "z": random.exponential(size=rows),
            "c": random.choice(["a", "b", "c"], rows),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 900, rows), unit="D"),
        }
    )


def drift(first: pd.DataFrame, second: pd.DataFrame) -> dict[tuple[str, str | None], Finding]:
    layout = Layout.infer(first)
    found = check_drift(layout, layout.encode(first).table, layout.encode(second).table)
    return {(finding.code, finding.column): finding for finding in found}


@pytest.mark.parametrize("rows", [100, 1000])
def test_parts_of_one_table_are_not_told_apart(rows: int) -> None:
    assert drift(table(rows, 1), table(rows, 2)) == {}


def test_a_shifted_number_is_named_with_what_changed() -> None:
    found = drift(table(800, 1), table(400, 2).assign(x=lambda frame: frame["x"] + 3))
    assert set(found) == {("drift", None), ("drift", "x")}
    assert found["drift", None].severity == "warning"
    assert "AUC 0.9" in found["drift", None].evidence
    assert "median -0.0" in found["drift", "x"].evidence


def test_a_level_and_missing_cells_that_came_are_named() -> None:
    random = np.random.default_rng(3)
    later = table(600, 2)
    later["c"] = random.choice(["a", "b", "new"], 600, p=[0.1, 0.1, 0.8])
    later["z"] = later["z"].where(random.random(600) < 0.3)
    found = drift(table(600, 1), later)
    assert "missing in 0% of the rows, in the test part in" in found["drift", "c"].evidence
    assert "missing in" in found["drift", "z"].evidence


def test_later_rows_are_told_by_their_date() -> None:
    later = table(500, 2).assign(when=lambda frame: frame["when"] + pd.Timedelta(days=2000))
    found = drift(table(500, 1), later)
    assert "in the test part 2030-" in found["drift", "when"].evidence


def test_dates_that_one_part_lacks_are_said_to_be_missing() -> None:
    first, second = table(1000, 1), table(1000, 2)
    for number in range(10):
        rows = np.arange(1000) // 95 == number
        first[f"event {number}"] = first["when"].where(rows)
        second[f"event {number}"] = pd.Series(pd.NaT, second.index, dtype=first["when"].dtype)
    found = drift(first, second)
    evidence = [found[code, name].evidence for code, name in found if name is not None]
    assert evidence
    assert all("missing in 90% of the rows, in the test part in 100%" in text for text in evidence)


def test_rows_in_both_parts_are_counted() -> None:
    first = table(300, 1)
    found = drift(first, pd.concat([table(90, 2), first.head(10)]))
    assert "10 of 100 rows" in found["overlap", None].evidence
    assert found["overlap", None].severity == "warning"


def test_a_few_rows_are_not_judged() -> None:
    assert drift(table(300, 1), table(5, 2).assign(x=99.0)) == {}
