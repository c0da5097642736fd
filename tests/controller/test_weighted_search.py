"""A search with weights, from the table to new rows: heavy rows decide, and everything says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import automl
from automl.cli.commands import commands
from automl.controller.strategy.chosen_families import fitting_families
from automl.core.errors import UsageError
from automl.families import families
from automl.problem.preparation import prepare
from automl.problem.settings import Settings


def table() -> pd.DataFrame:
    """Light rows that are mostly ``no``, heavy ones that are mostly ``yes``; the columns do not tell them."""
    random = np.random.default_rng(0)
    rows = 300
    heavy = random.random(rows) < 0.2
    x = random.normal(size=rows)
    label = np.where(0.5 * x + random.normal(size=rows) + np.where(heavy, 1.2, -1.2) > 0, "yes", "no")
    return pd.DataFrame({"x": x, "z": random.normal(size=rows), "w": np.where(heavy, 20.0, 1.0), "y": label})


@pytest.fixture(scope="module")
def weighted(tmp_path_factory) -> tuple[automl.SearchResult, Path]:
    store = tmp_path_factory.mktemp("weighted") / "mlruns"
    how = {"trials": 3, "families": ("linear",), "executor": "inline", "metric": "accuracy"}
    return automl.search(table(), target="y", weight="w", name="weighed", store=store, **how), store


def test_heavy_rows_decide(weighted):
    result, _ = weighted
    frame = table()
    said = result.predictor.predict(frame.drop(columns=["w", "y"]))
    assert np.mean(said == "yes") > 0.8
    assert np.mean(frame["y"] == "yes") < 0.4


def test_the_score_and_the_baseline_are_weighted(weighted):
    result, _ = weighted
    frame = table()
    share = frame["w"][frame["y"] == "yes"].sum() / frame["w"].sum()
    assert result.baseline.validation == pytest.approx(share, abs=1e-6)
    assert result.best.validation >= share


def test_new_rows_need_no_weights_and_theirs_are_ignored(weighted):
    result, _ = weighted
    frame = table().drop(columns="y")
    assert (result.predictor.predict(frame) == result.predictor.predict(frame.drop(columns="w"))).all()


def test_the_record_and_its_pages_name_the_weights(weighted):
    result, store = weighted
    assert result.evidence.story.weighting.startswith("weighted by w (effective rows ")
    assert len(result.evidence.weights) == len(result.evidence.target)
    page = store.parent / "page.html"
    done = CliRunner().invoke(
        commands,
        ["report", "weighed", "--store", str(store), "-o", str(page)],
        standalone_mode=False,
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    text = page.read_text(encoding="utf-8")
    assert "Rows are weighted by w (effective rows" in text
    assert "300 rows counted by weight" in text
    assert "of the weight)" in text


def test_intervals_and_figures_count_by_weight(weighted):
    result, _ = weighted
    evidence, (first, *_) = result.evidence, result.evidence.story.coverage
    effective = evidence.weights.sum() ** 2 / (evidence.weights**2).sum()
    assert first["rows"] == pytest.approx(effective, rel=1e-3)
    assert result.predictor.conformal.doubts.rows == pytest.approx(effective, rel=1e-3)


def test_a_family_that_cannot_weigh_rows_is_left_out_and_named(monkeypatch):
    careless = {**families(), "linear": replace(families()["linear"], sample_weights=False)}
    monkeypatch.setattr("automl.controller.strategy.chosen_families.known_families", lambda: careless)
    settings = Settings.from_choices({"data": table(), "target": "y", "weight": "w", "trials": 1})
    prepared = prepare(settings)
    fitting = fitting_families(("dummy", "linear", "lightgbm"), prepared, settings, device="cpu")
    assert set(fitting.spaces) == {"dummy", "lightgbm"}
    assert "linear is left out: it cannot weigh rows, as --weight asks." in fitting.notes
    with pytest.raises(UsageError, match="None of the families dummy, linear"):
        fitting_families(("dummy", "linear"), prepared, settings, device="cpu")


def test_a_champion_by_other_weights_is_not_comparable(weighted):
    _, store = weighted
    how = {"trials": 1, "families": ("dummy",), "executor": "inline", "metric": "accuracy"}
    plain = automl.search(table(), target="y", drop=("w",), name="weighed", store=store, **how)
    assert not plain.ids.is_champion
    assert "not comparable: its rows were weighted by w (effective rows" in plain.ids.succession
