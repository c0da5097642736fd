"""The data doctor finds what was planted, and nothing in honest data."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.core.finding import Finding
from automl.core.task_choice import choose_task
from automl.data.checks import check_frame
from automl.data.layout import Layout

ROWS = 600


def find(frame: pd.DataFrame, target: Any, **options: Any) -> dict[str, Finding]:
    values = np.asarray(target)
    layout = Layout.infer(frame, **options)
    found = check_frame(frame, values, choose_task(values).task, layout)
    return {f"{finding.code} {finding.column or ''}".strip(): finding for finding in found}


@pytest.fixture
def honest() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame({"x": random.normal(size=ROWS), "c": random.choice(list("abc"), ROWS)})


@pytest.fixture
def labels(honest: pd.DataFrame) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=ROWS)
    return np.where(honest["x"] + noise > 0, "yes", "no").astype(object)


def test_honest_data_has_no_findings(honest: pd.DataFrame, labels: np.ndarray) -> None:
    assert find(honest, labels) == {}
    assert find(honest, honest["x"] + np.random.default_rng(1).normal(size=ROWS)) == {}


def test_constants_and_ids_are_noted(honest: pd.DataFrame, labels: np.ndarray) -> None:
    found = find(honest.assign(same=1, key=range(ROWS)), labels)
    assert set(found) == {"constant same", "id key"}
    assert "--keep key" in found["id key"].remedy


@pytest.mark.parametrize("names", [("1", "0"), (1, 0), (True, False), ("no", "yes")])
def test_a_renamed_target_is_a_copy(honest: pd.DataFrame, labels: np.ndarray, names: tuple[Any, Any]) -> None:
    copy = [names[0] if label == "yes" else names[1] for label in labels]
    found = find(honest.assign(copy=copy), labels)
    assert found["target_copy copy"].severity == "warning"
    assert "leak copy" not in found


def test_a_rescaled_number_is_a_copy_of_a_target(honest: pd.DataFrame) -> None:
    target = honest["x"] ** 3
    assert "target_copy copy" in find(honest.assign(copy=7 - 2 * target), target)


def test_a_nearly_perfect_column_is_a_leak_with_its_score(honest: pd.DataFrame, labels: np.ndarray) -> None:
    noise = np.random.default_rng(2).normal(scale=0.1, size=ROWS)
    leaky = np.where(labels == "yes", 1.0, 0.0) + noise
    grades = np.random.default_rng(4).choice(["a", "b", "c"], ROWS)
    found = find(honest.assign(leaky=leaky, grades=np.where(labels == "yes", grades, "fail")), labels)
    assert "AUC 1.0000" in found["leak leaky"].evidence
    assert found["leak grades"].severity == "warning"
    found = find(honest.assign(leaky=honest["x"] * 3 + noise / 100), honest["x"])
    assert "R²" in found["leak leaky"].evidence


def test_duplicates_are_counted(honest: pd.DataFrame, labels: np.ndarray) -> None:
    twice = pd.concat([honest, honest.head(100)], ignore_index=True)
    found = find(twice, np.concatenate([labels, labels[:100]]))
    assert "100 of 700 rows" in found["duplicates"].evidence
    assert "conflicts" not in found


def test_copies_with_other_targets_are_conflicts_with_the_best_that_is_possible(
    honest: pd.DataFrame, labels: np.ndarray
) -> None:
    twice = pd.concat([honest, honest.head(100)], ignore_index=True)
    other = np.where(labels[:100] == "yes", "no", "yes")
    found = find(twice, np.concatenate([labels, other]))
    assert "200 rows have equal inputs but different targets (first row 1)" in found["conflicts"].evidence
    assert "85.7% of the rows" in found["conflicts"].evidence
    assert "R²" in find(twice, np.concatenate([honest["x"], -honest["x"][:100]]))["conflicts"].evidence


def test_imbalance_and_rare_classes_are_noted(honest: pd.DataFrame) -> None:
    target = np.where(np.arange(ROWS) < 4, "rare", "common").astype(object)
    found = find(honest, target)
    assert "0.67%" in found["imbalance"].evidence
    assert "rare" in found["rare_classes"].evidence


def test_missing_cells_and_mixed_types_are_noted(honest: pd.DataFrame, labels: np.ndarray) -> None:
    mostly = honest["x"].where(np.arange(ROWS) % 5 == 0)
    mixed = pd.Series([i % 7 if i % 3 else "unknown" for i in range(ROWS)], dtype="object")
    found = find(honest.assign(mostly=mostly, mixed=mixed), labels)
    assert "80%" in found["missing mostly"].evidence
    assert "str" in found["mixed_types mixed"].evidence


def test_near_copies_of_the_target_are_told_from_honest_columns(
    honest: pd.DataFrame, labels: np.ndarray
) -> None:
    changed = labels.copy()
    changed[:3] = np.where(changed[:3] == "yes", "no", "yes")
    assert "99.5%" in find(honest.assign(status=changed), labels)["near_copy status"].evidence
    target = honest["x"] * 3
    revised = target.where(np.arange(ROWS) % 20 != 3, target + 1)
    assert (
        "95.0%"
        in find(honest.drop(columns="x").assign(revised=revised), target)["near_copy revised"].evidence
    )


def test_a_column_that_is_filled_in_after_the_outcome_tells_it(
    honest: pd.DataFrame, labels: np.ndarray
) -> None:
    reason = pd.Series(np.random.default_rng(3).choice(list("pqr"), ROWS)).where(labels == "yes")
    assert "missing_tells reason" in find(honest.assign(reason=reason), labels)


def test_cells_that_are_dirty_are_counted_with_their_row(honest: pd.DataFrame, labels: np.ndarray) -> None:
    numbers = [str(i % 50 + 0.5) for i in range(ROWS)]
    found = find(
        honest.assign(
            nearly=["unknown" if i == 7 else word for i, word in enumerate(numbers)],
            texts=pd.Series(numbers, dtype="object"),
            endless=honest["x"].where(np.arange(ROWS) != 4, np.inf),
        ),
        labels,
    )
    assert "'unknown' in row 8" in found["numbers_as_text nearly"].evidence
    assert "--kind nearly=number" in found["numbers_as_text nearly"].remedy
    assert found["numbers_as_text texts"].severity == "note"
    assert "1 infinite value (first in row 5)" in found["infinite endless"].evidence


def test_dates_in_several_ways_are_noted(honest: pd.DataFrame, labels: np.ndarray) -> None:
    days = pd.date_range("2024-01-13", periods=ROWS, freq="h")
    mixed = [f"{day:%Y-%m-%d}" if i % 2 else f"{day:%d.%m.%Y}" for i, day in enumerate(days)]
    zones = [f"{day:%Y-%m-%dT%H:%M}{'+02:00' if i % 2 else 'Z'}" for i, day in enumerate(days)]
    broken = ["soon" if i == 9 else f"{day:%Y-%m-%d}" for i, day in enumerate(days)]
    found = find(honest.assign(mixed=mixed, zones=zones, broken=broken), labels)
    assert "'13.01.2024'" in found["date_formats mixed"].evidence
    assert "+02:00, UTC" in found["time_zones zones"].evidence
    assert "'soon' in row 10" in found["bad_dates broken"].evidence
    ambiguous = [f"{i % 12 + 1:02}/{i % 11 + 1:02}/2024" for i in range(ROWS)]
    assert "swapped" in find(honest.assign(when=ambiguous), labels)["date_formats when"].evidence


def test_blank_cells_among_dates_are_missing_and_not_bad(honest: pd.DataFrame, labels: np.ndarray) -> None:
    days = pd.date_range("2024-01-01", periods=ROWS).strftime("%Y-%m-%d").to_numpy(dtype=object)
    days[::7] = " "
    assert find(honest.assign(day=days), labels).keys() <= {"dated day"}
    days[4] = "unknown"
    assert "1 values are not dates" in find(honest.assign(day=days), labels)["bad_dates day"].evidence


@pytest.mark.parametrize("cells", [([1, 2], [3]), ({"a": 1}, {"b": 2}), (np.ones(2), np.zeros(1))])
def test_cells_that_cannot_be_hashed_are_checked_like_others(
    honest: pd.DataFrame, labels: np.ndarray, cells: tuple[Any, Any]
) -> None:
    column = pd.Series([cells[label == "yes"] for label in labels], dtype=object)
    assert set(find(honest.assign(cells=column), labels)) == {"target_copy cells"}
    column = pd.Series([cells[i % 3 == 0] for i in range(ROWS)], dtype=object)
    assert find(honest.assign(cells=column), labels) == {}


def test_many_levels_and_equal_columns_are_noted(honest: pd.DataFrame, labels: np.ndarray) -> None:
    letters = np.random.default_rng(6).choice(list("abcdefghij"), (1200, 8))
    levels = ["".join(letters[i // 2 % 1200]) for i in range(4 * ROWS)]
    wide = pd.concat([honest] * 4, ignore_index=True).assign(twin=lambda frame: frame["x"], many=levels)
    found = find(wide, np.tile(labels, 4))
    assert "1,200 different values" in found["many_levels many"].evidence
    assert "'x'" in found["same_column twin"].evidence


def test_the_distribution_of_numbers_is_described(honest: pd.DataFrame) -> None:
    target = np.exp(np.random.default_rng(5).normal(size=ROWS) * 0.8)
    target[17] = 9000
    target[100:140] = 0.0
    found = find(honest, target)
    assert "9,000 in row 18" in found["target_outliers"].evidence
    assert "6.7% of the target is exactly 0, the smallest value" in found["target_spike"].evidence
    assert "logarithm" in found["target_skew"].remedy


def test_few_rows_and_wide_tables_are_warned_of() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(120, 150)), columns=[f"x{i}" for i in range(150)])
    assert "wide" in find(frame, random.normal(size=120))
    assert "few_rows" in find(frame.iloc[:40, :3], random.normal(size=40))


def test_warnings_come_first(honest: pd.DataFrame, labels: np.ndarray) -> None:
    found = find(honest.assign(same=1, copy=labels), labels)
    assert [finding.severity for finding in found.values()] == ["warning", "note"]


def test_every_code_is_explained_on_the_page() -> None:
    root = Path(__file__).resolve().parents[2]
    sources = "".join(path.read_text(encoding="utf-8") for path in (root / "automl").rglob("*.py"))
    codes = set(re.findall(r"Finding\(\s*\"(\w+)\"", sources))
    page = (root / "docs" / "checks.md").read_text(encoding="utf-8")
    assert {code for code in codes if f"`{code}`" not in page} == set()
    assert len(codes) > 25


def test_rows_are_numbered_as_the_file_has_them_and_labelled_as_the_frame_has_them(tmp_path):
    from automl.data.files.readers import read_table
    from automl.data.target import clean_target

    scattered = np.random.default_rng(0).permutation(59).astype(float)
    frame = pd.DataFrame({"x": [*range(59), np.inf], "y": [np.nan, *scattered]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    labelled = frame.set_index(pd.Index([f"row-{place}" for place in range(60)]))
    shifted = frame.set_index(pd.RangeIndex(100, 160))
    for source, name in (
        (tmp_path / "rows.csv", "60"),
        (frame, "60"),
        (labelled, "row-59"),
        (shifted, "159"),
    ):
        clean = clean_target(read_table(source).frame, "y", task="regression")  # the first row is left out
        layout = Layout.infer(clean.frame, target="y")
        task = choose_task(clean.values).task
        found = check_frame(clean.frame, clean.values, task, layout)
        said = next(item.evidence for item in found if item.code == "infinite")
        assert f"first in row {name})" in said


def _counts(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(5)
    return pd.DataFrame(
        {
            "casual": random.poisson(30, rows),
            "registered": random.poisson(120, rows),
            "price": random.uniform(1, 50, rows).round(2),
            "hour": random.integers(0, 24, rows),
        }
    )


@pytest.mark.parametrize(
    ("made", "parts", "how"),
    [
        (lambda f: f["casual"] + f["registered"], ("casual", "registered"), "sum"),
        (lambda f: f["casual"] - 0.5 * f["hour"] + 3, ("casual", "hour"), "sum"),
        (lambda f: f["price"] * f["registered"], ("registered", "price"), "product"),
    ],
)
def test_a_target_made_of_columns_is_said_with_all_of_them(
    made: Callable[[pd.DataFrame], pd.Series[Any]], parts: tuple[str, ...], how: str
) -> None:
    frame = _counts()
    found = find(frame, made(frame).to_numpy(dtype=float))[
        f"composition {min(parts, key=list(frame.columns).index)}"
    ]
    assert f"a {how} of" in found.evidence
    assert all(repr(part) in found.evidence and f"--drop {part}" in found.remedy for part in parts)


def test_a_target_that_columns_tell_with_noise_is_not_made_of_them() -> None:
    frame = _counts()
    noisy = frame["casual"] + frame["registered"] + np.random.default_rng(0).normal(0, 0.5, len(frame))
    assert not [key for key in find(frame, noisy.to_numpy(dtype=float)) if "composition" in key]


def test_rows_in_the_order_of_a_date_are_said_to_be_a_history(
    honest: pd.DataFrame, labels: np.ndarray
) -> None:
    days = pd.date_range("2024-01-01", periods=len(honest), freq="h")
    sorted_by_day = honest.assign(day=days)
    assert find(sorted_by_day, labels)["dated day"].remedy.endswith("--time-column day.")
    assert "dated day" not in find(honest.assign(day=np.random.default_rng(0).permutation(days)), labels)
    task, layout = choose_task(labels).task, Layout.infer(sorted_by_day)
    grouped = check_frame(sorted_by_day, labels, task, layout, dealt=False)
    assert "dated" not in {finding.code for finding in grouped}
