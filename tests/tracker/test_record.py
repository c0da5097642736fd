from __future__ import annotations

import json
import math

from automl.core.trial import Candidate, Curve, Scores, Status, TrialResult
from automl.tracker import record
from automl.tracker.notes import LONGEST, board_views, leaderboard_note, with_plots
from automl.tracker.record import LeaderboardRow, SearchIds


def test_curves_are_averaged_over_folds_and_thinned() -> None:
    steps = tuple(range(0, 1000))
    curves = [Curve(f"valid_loss/fold_{fold}", steps, tuple(float(fold) for _ in steps)) for fold in (0, 1)]
    means = record.curve_means(curves)
    assert list(means) == ["valid_loss"]
    assert len(means["valid_loss"]) == record.CURVE_POINTS
    assert means["valid_loss"][0] == (0, 0.5)
    assert means["valid_loss"][-1] == (999, 0.5)


def test_a_fold_that_stopped_early_has_no_say_later() -> None:
    curves = [Curve("loss/fold_0", (0, 1, 2), (4.0, 4.0, 4.0)), Curve("loss/fold_1", (0,), (2.0,))]
    assert record.curve_means(curves)["loss"] == [(0, 3.0), (1, 4.0), (2, 4.0)]


def test_values_that_are_not_finite_are_left_out() -> None:
    result = TrialResult(status=Status.DONE, seconds=1.0, facts={"worst": math.inf, "best": 2.0})
    metrics = record.trial_metrics(result, Scores(math.nan, 0.1, (1.0, 2.0)), "rmse")
    assert "worst" not in metrics
    assert "val_rmse" not in metrics
    assert metrics["best"] == 2.0
    assert metrics["val_rmse_std"] > 0


def test_names_that_mlflow_would_refuse_are_mended() -> None:
    assert record.plain_params({"a*b": 1, "list": [1]}) == {"a_b": "1"}
    params = record.trial_params(Candidate(family="net", params={"width": 8, "note": "x" * 9000}))
    assert params["net.width"] == "8"
    assert len(params["net.note"]) < 6000


def test_folders_of_searches_need_no_quoting_and_differ() -> None:
    assert record.folder_name("wine-2.0") == "wine-2.0"
    odd = [record.folder_name(name) for name in ("a b", "a_b", "a?b", "../a", "ä%20", "")]
    assert len(set(odd)) == len(odd)
    assert not any(set(name) & set("/%?# ") or name.startswith(".") for name in odd)


def test_the_note_of_a_long_leaderboard_fits_into_a_tag() -> None:
    rows = [
        LeaderboardRow(
            trial=n,
            run_id="r",
            family="random_forest",
            params={},
            state="done",
            origin="sampler",
            validation=n / 7,
            standard_error=0.1,
            seconds=1.0,
            predict_ms_per_1000_rows=2.0,
            model_bytes=100,
        )
        for n in range(2000)
    ]
    note = leaderboard_note(rows, "rmse", greater_is_better=False)
    assert len(note) < 8000
    assert "| #0 random_forest&emsp; |" in note
    assert "more" in note.splitlines()[-1]


def test_plots_stand_before_the_leaderboard_and_only_as_many_as_fit() -> None:
    note = "Go to\n\nresult\n\n| trial | rmse |\n|---|---|"
    shown = with_plots(note, "ab", ["plots/a b.svg", "plots/c.svg"], before="| trial |")
    assert shown.index("a%20b.svg") < shown.index("c.svg") < shown.index("| trial |")
    assert shown.count("\n\n| trial |") == 1
    full = "x" * (LONGEST - 100)
    assert with_plots(full, "ab", ["plots/a.svg", "plots/c.svg"]).count("![](") == 1
    assert with_plots(note, "ab", []) == note


def test_the_views_of_a_search_are_what_mlflow_saves_and_fit_an_experiments_tags() -> None:
    views = board_views(
        "x" * 60, False, SearchIds(run_id="0123456789" * 3, experiment_id="1", tracking_uri="sqlite:///x"), 5
    )
    assert [key for key, _ in views] == [
        "mlflow.sharedViewState.01234567",
        "mlflow.sharedViewState.01234567-charts",
        "mlflow.sharedViewState.searches",
    ]
    table, charts, searches = (json.loads(json.loads(text)["state"]) for _, text in views)
    assert "attributes.`User`" in searches["selectedColumns"]
    assert (json.loads(views[0][1])["createdAt"], table["orderByAsc"]) == (5, True)
    sections = {section["uuid"] for section in charts["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in charts["compareRunCharts"]} <= sections
    assert len({chart["uuid"] for chart in charts["compareRunCharts"]}) == len(charts["compareRunCharts"])
    assert "dummy" in charts["searchFilter"]
    assert all(len(text) < 5000 for _, text in views)
