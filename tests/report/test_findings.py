"""What reports are made of: evidence, explanations, groups, cards, comparisons, promotion."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from subjects import HOSTILE_CLASS, HOSTILE_COLUMN

import automl
from automl.cli.pages import print_comparison
from automl.cli.show import print_description
from automl.core.errors import UsageError
from automl.core.metrics import METRICS
from automl.core.score_intervals import gain_interval
from automl.report.build import open_search, write_card
from automl.report.card import escaped
from automl.report.compare import compare
from automl.report.facts.evidence import ARRAYS, STORY, Evidence
from automl.report.facts.explain import blind_rows, explain, held_out_predictor
from automl.report.facts.slices import slice_by
from automl.tracker import LeaderboardRow
from automl.tracker.library import describe, front, leaderboard_rows, promote


def test_evidence_survives_its_files(multiclass):
    evidence = multiclass.result.evidence
    files = evidence.files()
    again = Evidence.load(files[ARRAYS], files[STORY])
    assert again.story == evidence.story
    assert (again.target == evidence.target).all()
    assert (again.raw == evidence.raw).all()
    assert (again.folds == evidence.folds).all()


def test_the_champion_scores_on_the_evidence_what_the_result_says(binary):
    evidence = binary.result.evidence
    score = evidence.task.metric.score(evidence.target, evidence.predictions)
    assert score == pytest.approx(binary.result.best.validation, abs=1e-6)


@pytest.mark.parametrize("which", ["binary", "multiclass", "regression"])
def test_held_out_predictions_come_back_from_the_models_of_the_folds(which, request):
    searched = request.getfixturevalue(which)
    evidence = searched.result.evidence
    predict = held_out_predictor(searched.result.predictor.members, evidence)
    again = predict(evidence.sample.table, np.arange(evidence.sample.table.rows))
    assert again == pytest.approx(evidence.raw[evidence.sample.places], abs=1e-4)


def test_a_champion_that_kept_the_models_of_some_folds_is_judged_on_the_rows_these_are_blind_to(regression):
    evidence = regression.result.evidence
    whole = regression.result.predictor.preload().members[0]
    thinned = [replace(whole, weight=0.7), replace(whole.some_of([0, 1]), weight=0.3)]
    blind = blind_rows(thinned, evidence)
    assert set(evidence.folds[0, evidence.sample.places[blind]]) == {0, 1}
    places = np.arange(evidence.sample.table.rows)
    alone = held_out_predictor([whole], evidence)(evidence.sample.table, places)
    assert held_out_predictor(thinned, evidence)(evidence.sample.table, places) == pytest.approx(alone)
    few = [replace(whole.some_of([0]), weight=0.7), replace(whole.some_of([1]), weight=0.3)]
    assert len(blind_rows(few, evidence)) == len(blind)


def test_what_drives_the_target_comes_first_and_noise_last(regression):
    found = explain(regression.result.predictor, regression.result.evidence)
    order = [item.feature for item in found.importances]
    assert order[:2] == ["x0", "x1"]
    assert found.importances[0].low > found.importances[1].high
    assert all(item.low <= 0.05 for item in found.importances[2:])
    line = found.dependences[0]
    assert line.feature == "x0"
    assert np.polyfit(line.grid, line.mean[:, 0], 1)[0] == pytest.approx(3, abs=0.6)


def test_with_little_time_a_quick_champion_is_still_explained(regression):
    found = explain(regression.result.predictor, regression.result.evidence, seconds=0.01)
    assert len(found.importances) == found.features == 4


def test_the_data_read_again_gives_the_features_that_the_search_had(multiclass, monkeypatch):
    monkeypatch.chdir(multiclass.folder)
    subject = open_search(multiclass.record, multiclass.name)
    kept = multiclass.result.evidence
    assert subject.explanation.importances[0].feature == HOSTILE_COLUMN
    assert len(subject.rows.frame) == len(kept.target)
    truth = kept.task.encode(subject.rows.frame["class"].to_numpy())
    assert (truth == kept.target).all()


def test_infinite_cells_of_a_column_are_a_group_with_the_missing_ones(binary):
    evidence = binary.result.evidence
    values = np.arange(100_000.0, 100_000.0 + len(evidence.target))
    values[:30], values[30:40], values[40:60] = np.inf, -np.inf, np.nan
    found = slice_by(evidence, pd.DataFrame({"x": values}), "x")
    assert found.groups[-1].label == "missing"
    assert found.groups[-1].rows == 60
    assert sum(group.rows for group in found.groups) == len(values)
    assert found.groups[0].label == "100060 to 100108"


def test_groups_split_the_rows_and_small_ones_get_no_score(binary):
    subject = open_search(binary.record, binary.name, explained=False)
    frame = subject.rows.frame.copy()
    frame["rare"] = ["few"] * 5 + ["many"] * (len(frame) - 5)
    found = slice_by(subject.evidence, frame, "rare")
    assert [(group.label, group.rows) for group in found.groups] == [("many", 295), ("few", 5)]
    assert np.isnan(found.groups[1].score)
    numbers = slice_by(subject.evidence, frame, "x2")
    assert sum(group.rows for group in numbers.groups) == 300
    assert len(numbers.groups) == 5


def test_the_card_tells_scores_groups_and_limits_and_escapes_the_data(multiclass, tmp_path):
    path = write_card(multiclass.name, out=tmp_path / "card.md", store=multiclass.store)
    text = path.read_text(encoding="utf-8")
    assert HOSTILE_CLASS not in text
    assert escaped(HOSTILE_CLASS) in text
    for head in ("# Model card", "## How well it does", "### By class", "## Limits", "## Versions"):
        assert head in text
    assert f"Honest score: {multiclass.result.honest.how}" in text
    assert multiclass.result.evidence.story.data_digest in text
    from automl.tracker import locate_store
    from automl.tracker.reading.query import Record

    record = Record(locate_store(None, multiclass.store))
    version = record.client.get_model_version_by_alias(multiclass.name, "champion")
    assert "\n" not in version.description
    assert multiclass.result.metric in version.description


def test_a_run_compared_with_itself_gains_nothing_and_with_the_baseline_clearly(regression):
    rows = leaderboard_rows(regression.name, store=regression.store)
    best = next(row for row in rows if row.validation is not None)
    dummy = next(row for row in rows if row.family == "dummy")
    same = compare(best.run_id, best.run_id[:8], store=regression.store)
    assert (same.gain, same.low, same.high, same.changed) == (0, 0, 0, ())
    assert same.verdict == "There is no difference."
    other = compare(dummy.run_id, best.run_id, store=regression.store)
    assert other.low > 0
    assert other.rows == 260
    assert other.gain == pytest.approx(dummy.validation - best.validation, rel=1e-4)
    assert ("family", "dummy", best.family) in other.changed
    with pytest.raises(UsageError, match="nothing"):
        compare(best.run_id, "nothing", store=regression.store)


@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_a_champion_is_compared_with_a_trial_by_its_model(kind, request):
    searched = request.getfixturevalue(kind)
    trial = leaderboard_rows(searched.name, store=searched.store)[-1]
    found = compare(searched.name, trial.run_id, store=searched.store)
    assert found.first.predict_ms_per_1000_rows == searched.result.predict_ms_per_1000_rows
    assert found.first.model_bytes == searched.result.model_bytes
    names = {name for name, _, _ in found.changed}
    assert "family" in names
    assert not names & set(found.first.settings)
    assert ("members" in names) == (len(searched.result.best.members) > 1)


def test_runs_of_different_targets_are_not_compared(regression):
    options = {"trials": 1, "families": ("linear",), "folds": 3, "executor": "inline", "metric": "rmse"}
    store = regression.store
    automl.search(regression.folder / "data.csv", target="x0", name="other", store=store, **options)
    with pytest.raises(UsageError, match="predicts 'price', the second 'x0'"):
        compare(regression.name, "other", store=store)


def test_runs_on_different_data_get_a_difference_and_no_interval(binary, regression, tmp_path):
    with pytest.raises(UsageError, match="no search"):
        compare(binary.name, regression.name, store=binary.store)


def test_the_paired_interval_is_narrower_than_what_separate_ones_would_tell():
    rng = np.random.default_rng(0)
    target = rng.normal(size=500)
    shared = rng.normal(size=500)
    first = (target + shared)[:, None]
    second = (target + 0.9 * shared)[:, None]
    found = gain_interval(METRICS["rmse"], target, first, second)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(0.1, abs=0.02)
    assert found.low > 0.05


def test_promoting_a_trial_makes_its_model_the_champion_and_back(regression):
    import pandas as pd

    frame = pd.read_csv(regression.folder / "data.csv")
    rows = leaderboard_rows(regression.name, store=regression.store)
    trial = next(row for row in rows if row.family == "extra_trees")
    before = automl.load(regression.name, store=regression.store).predict(frame)
    assert promote(regression.name, trial.run_id[:7], store=regression.store) == "2"
    own = automl.load(trial.run_id[:9], store=regression.store).predict(frame)
    assert (automl.load(regression.name, store=regression.store).predict(frame) == own).all()
    assert "models:/prices/1; the champion is version 2" in shown(regression)
    assert promote(regression.name, regression.result.run_id, store=regression.store) == "1"
    assert (automl.load(regression.name, store=regression.store).predict(frame) == before).all()
    assert "models:/prices@champion, version 1" in shown(regression)
    with pytest.raises(UsageError, match="belongs to"):
        promote("other", trial.run_id, store=regression.store)


def shown(searched) -> str:
    """What `automl show` prints of a search."""
    stream = io.StringIO()
    print_description(describe(searched.name, store=searched.store), stream, as_json=False)
    return stream.getvalue()


def test_the_leaderboard_can_be_sorted_by_what_a_trial_costs(regression):
    for sort, name in (("latency", "predict_ms_per_1000_rows"), ("size", "model_bytes"), ("trial", "trial")):
        rows = leaderboard_rows(regression.name, sort=sort, store=regression.store)
        values = [getattr(row, name) for row in rows]
        assert values == sorted(values)
    with pytest.raises(UsageError, match="latency"):
        leaderboard_rows(regression.name, sort="latancy", store=regression.store)


def test_a_trial_is_on_the_front_where_no_other_beats_it_in_both():
    def row(
        number: int, score: float | None, latency: float | None, family: str = "linear"
    ) -> LeaderboardRow:
        return LeaderboardRow(
            trial=number,
            run_id="r",
            family=family,
            params={},
            state="done",
            origin="sampler",
            validation=score,
            standard_error=0.1,
            seconds=1.0,
            predict_ms_per_1000_rows=latency,
            model_bytes=100,
        )

    best_first = [
        row(4, 0.9, 50.0),
        row(2, 0.8, 60.0),
        row(1, 0.7, 5.0),
        row(0, 0.1, 0.1, "dummy"),
        row(3, None, 1.0),
    ]
    assert front(best_first, "latency") == {4, 1}
    assert front(best_first, "score") == frozenset()
    assert front(best_first, "size") == {4}


def test_a_search_leaves_its_card_on_the_run_and_a_report_only_where_it_is_a_small_part(binary, tmp_path):
    from automl.core.processor_share import Pace
    from automl.core.time_budget import Clock
    from automl.report.run_pages import leave_pages
    from automl.tracker import locate_store
    from automl.tracker.reading.query import Record
    from automl.tracker.reading.report_material import read_file

    location = locate_store(None, binary.store)
    result = binary.result
    card = read_file(Record(location), result.run_id, "model_card.md")
    assert card.decode().startswith("# Model card")

    import shutil

    moved = tmp_path / "copy"
    shutil.copytree(binary.store, moved)
    for made in moved.rglob("report.html"):  # by another test
        made.unlink()
    location = locate_store(None, moved)
    record = Record(location)
    given = {"evidence": result.evidence, "predictor": result.predictor}
    leave_pages(location, result.run_id, clock=Clock(60, spent=55), **given)  # five seconds are left
    assert read_file(record, result.run_id, "report.html") is None
    # other programs take their part
    leave_pages(location, result.run_id, clock=Clock(300, spent=285, pace=Pace(0.05)), **given)
    assert read_file(record, result.run_id, "report.html") is None
    leave_pages(location, result.run_id, clock=Clock(300, spent=285), **given)
    assert b"What drives it" in read_file(record, result.run_id, "report.html")


def test_searches_by_different_metrics_are_compared_by_both(binary):
    options = {"trials": 4, "folds": 3, "families": ("linear", "extra_trees"), "executor": "inline"}
    source, store = binary.folder / "data.csv", binary.store
    automl.search(source, target="sold", name="ranked", metric="roc_auc", store=store, **options)
    found = compare(binary.name, "ranked", store=store)
    assert [item.metric for item in found.scored] == ["f1", "roc_auc"]
    assert found.rows == 300
    assert found.scored[0].first == pytest.approx(binary.result.best.validation, abs=1e-6)
    assert all(item.low <= item.gain <= item.high for item in found.scored)
    assert "By f1: " in found.verdict
    assert "By roc_auc: " in found.verdict
    body = found.to_json()
    assert body["metric"] == "f1"
    assert [item["metric"] for item in body["scored"]] == ["f1", "roc_auc"]
    shown = io.StringIO()
    print_comparison(found, shown)
    assert shown.getvalue().count("interval of the gain") == 2


def test_of_different_data_it_says_what_the_scores_are_of(binary):
    frame = pd.read_csv(binary.folder / "data.csv").iloc[:-40]
    options = {"trials": 2, "folds": 3, "families": ("linear",), "executor": "inline", "store": binary.store}
    automl.search(frame, target="sold", name="fewer", metric="roc_auc", **options)
    found = compare(binary.name, "fewer", store=binary.store)
    assert found.rows == 0
    assert "different data (300 and 260 rows)" in found.verdict
    assert "own held-out rows" in found.verdict
    assert [item.metric for item in found.scored] == ["f1", "roc_auc"]
    assert all(item.gain is not None and item.low is None for item in found.scored)
