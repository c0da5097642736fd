"""A search by a function of the user's: the record has its scores, and nothing new is called by its name."""

from __future__ import annotations

import numpy as np
import pytest
from subjects import Searched, hostile_frame

import automl
from automl.report.build import open_search, write_card, write_report
from automl.report.compare import compare
from automl.tracker.library import leaderboard_rows


def share_wrong(actual: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean(actual != predicted))


share_wrong.greater_is_better = False  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    folder = tmp_path_factory.mktemp("function")
    hostile_frame().to_csv(folder / "data.csv", index=False)
    result = automl.search(
        folder / "data.csv",
        target="class",
        name="wrong",
        metric=share_wrong,
        trials=2,
        families=("linear",),
        folds=3,
        executor="inline",
        store=folder / "mlruns",
    )
    return Searched(folder, "wrong", result)


def test_its_score_has_no_interval_of_another_metric(searched: Searched) -> None:
    subject = open_search(searched.record, "wrong", explained=False)
    assert subject.metric == "share_wrong"
    assert subject.validation is not None
    assert subject.validation.value == searched.result.best.validation
    assert subject.validation.low is None


def test_what_is_scored_anew_has_the_name_of_what_scores_it(searched: Searched) -> None:
    for write, out in ((write_report, "page.html"), (write_card, "card.md")):
        path = write("wrong", out=searched.folder / out, slices=["日本語"], store=searched.store)
        text = path.read_text(encoding="utf-8").replace("\\", "")
        assert "share_wrong is a function, which is not recorded" in text
        assert "log_loss worse by" in text
        assert "share_wrong worse by" not in text
    page = (searched.folder / "page.html").read_text(encoding="utf-8")
    assert "--metric" not in page
    assert "which a command cannot take" in page


def test_two_of_its_runs_are_compared_by_their_own_scores(searched: Searched) -> None:
    best, other = (row for row in leaderboard_rows("wrong", store=searched.store))
    found = compare(best.run_id, other.run_id, store=searched.store)
    assert best.validation is not None
    assert other.validation is not None
    assert found.gain == best.validation - other.validation
    assert (found.low, found.high) == (None, None)
    assert "share_wrong is a function" in found.verdict
