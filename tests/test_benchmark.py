"""The parts of the benchmark that decide who is called better: the split, the scores and the standings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmark_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_a_fifth_of_every_class_is_held_out_and_rare_classes_only_train() -> None:
    from tables import held_out_rows

    classes = np.array(["a"] * 100 + ["b"] * 10 + ["c"] * 4)
    mask = held_out_rows(classes, seed=0)
    assert [int(mask[classes == name].sum()) for name in "abc"] == [20, 2, 0]
    assert (mask == held_out_rows(classes, seed=0)).all()
    assert (mask != held_out_rows(classes, seed=1)).any()


def test_labels_agree_however_a_tool_writes_them() -> None:
    from scoring import score

    answers = pd.Series([0, 1, 1])
    predictions = pd.DataFrame({"prediction": ["0.0", "1", " 1.0"]})
    assert score("accuracy", answers, predictions) == 1.0


def test_area_under_the_curve_reads_the_positive_class() -> None:
    from scoring import score

    answers = pd.Series(["No", "Yes", "Yes", "No"])
    frame = pd.DataFrame({"prediction": answers, "p:No": [0.9, 0.2, 0.4, 0.6], "p:Yes": [0.1, 0.8, 0.6, 0.4]})
    assert score("roc_auc", answers, frame) == 1.0


def test_missing_predictions_are_an_error() -> None:
    from scoring import score

    with pytest.raises(ValueError, match="2 predictions for 3 rows"):
        score("rmse", pd.Series([1.0, 2.0, 3.0]), pd.DataFrame({"prediction": [1.0, 2.0]}))


def test_normalised_scores_run_from_the_forest_to_the_best() -> None:
    from contestants import Turn
    from standings import standings

    scores = {"forest": 0.8, "lightgbm": 0.7, "flaml": 0.85, "automl": 0.9, "mljar": None}
    turns = [
        Turn("t", name, 0, 60, 2, "accuracy", score=value, error="" if value else "crashed")
        for name, value in scores.items()
    ]
    (entries,) = standings(turns).values()
    assert [entry.contestant for entry in entries] == ["automl", "flaml", "forest", "lightgbm", "mljar"]
    assert [entry.rank for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry.normalised for entry in entries] == pytest.approx([1.0, 0.5, 0.0, -1.0, -1.0])


def test_rows_of_a_group_are_searched_or_judged_together() -> None:
    from coverage import grouped

    frame = pd.DataFrame({"day": np.arange(60) % 12, "x": np.arange(60)}).sample(frac=1, random_state=0)
    ordered, count = grouped("rides", frame, "day", 23)
    assert count == 25
    assert not set(ordered["day"][:count]) & set(ordered["day"][count:])
    assert sorted(ordered["x"]) == list(range(60))
    with pytest.raises(SystemExit, match="rides has no column 'week', only day, x"):
        grouped("rides", frame, "week", 23)
