"""The data doctor finds what was planted, and nothing in honest data."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.data.checks import Finding, check_frame
from automl.data.layout import Layout
from automl.tasks import choose_task

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
    category = np.where(np.arange(ROWS) == 5, "other", np.where(labels == "yes", "p", "q"))
    found = find(honest.assign(leaky=leaky, category=category), labels)
    assert "AUC 1.0000" in found["leak leaky"].evidence
    assert found["leak category"].severity == "warning"
    found = find(honest.assign(leaky=honest["x"] * 3 + noise / 100), honest["x"])
    assert "R²" in found["leak leaky"].evidence


def test_duplicates_are_counted(honest: pd.DataFrame, labels: np.ndarray) -> None:
    twice = pd.concat([honest, honest.head(100)], ignore_index=True)
    found = find(twice, np.concatenate([labels, labels[:100]]))
    assert "100 of 700 rows" in found["duplicates"].evidence


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


def test_warnings_come_first(honest: pd.DataFrame, labels: np.ndarray) -> None:
    found = find(honest.assign(same=1, copy=labels), labels)
    assert [finding.severity for finding in found.values()] == ["warning", "note"]


def test_large_data_is_sampled() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(50_000, 20)), columns=[f"x{i}" for i in range(20)])
    started = time.process_time()
    find(frame, np.where(frame["x0"] > 0, 1, 0))
    assert time.process_time() - started < 5  # about 0.4 s alone on a core
