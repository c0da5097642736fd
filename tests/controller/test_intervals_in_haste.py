"""Intervals of a search without time to learn which rows are hard to predict: it says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl import search
from automl.controller import finish
from automl.model.conformal import Bounds


@pytest.mark.parametrize("hasty", [True, False])
def test_a_search_says_where_intervals_have_one_width_for_lack_of_time(
    hasty: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finish, "DIFFICULTY_SECONDS", 1e9 if hasty else 0.0)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.uniform(0, 9, 400)})
    frame["price"] = 5 * frame["x"] + frame["x"] ** 2 * rng.normal(size=400)
    result = search(
        frame,
        target="price",
        trials=2,
        time="10m",
        folds=3,
        families=("linear",),
        executor="inline",
        store=tmp_path / "mlruns",
        name="houses",
    )
    said = [words for words in result.warnings if "one width for all rows" in words]
    bounds = result.predictor.conformal
    assert isinstance(bounds, Bounds)
    assert (bounds.difficulty is None) == hasty
    assert len(said) == hasty
    assert all("--time 1200s" in words for words in said)
