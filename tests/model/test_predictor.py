from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from automl.core.errors import DataError, ModelFileError, UsageError
from automl.core.modality import TABLES
from automl.core.sealed import seal
from automl.model.decision import Decision
from automl.model.predictor import Predictor, PredictorSource, build_predictor


def built(finished: Any, folder: Path, weights: dict[int, float], **more: Any) -> Predictor:
    members = tuple((Path(finished.trials[n].result.model_folder), weight) for n, weight in weights.items())
    return build_predictor(
        folder,
        PredictorSource(
            name="flowers", task=finished.problem.task, layout=finished.layout, members=members, **more
        ),
    )


@pytest.fixture
def predictor(finished_trials: Any, tmp_path: Path) -> Predictor:
    return built(finished_trials, tmp_path / "predictor", {1: 0.75, 2: 0.25})


def test_predict_gives_the_targets_own_labels_with_the_frames_index(
    predictor: Predictor, finished_trials: Any
) -> None:
    frame = finished_trials.frame
    predicted = predictor.predict(frame)
    assert isinstance(predicted, pd.Series)
    assert predicted.name == "species"
    assert predicted.index.equals(frame.index)
    assert set(predicted) == {"setosa", "versicolor", "virginica"}
    assert (predicted == frame["species"]).mean() > 0.95


def test_predict_proba_has_a_column_per_class_and_rows_that_sum_to_one(
    predictor: Predictor, finished_trials: Any
) -> None:
    proba = predictor.predict_proba(finished_trials.frame)
    assert list(proba.columns) == ["setosa", "versicolor", "virginica"]
    assert proba.index.equals(finished_trials.frame.index)
    assert np.allclose(proba.sum(axis=1), 1, atol=1e-6)
    assert (proba.idxmax(axis=1) == predictor.predict(finished_trials.frame)).all()


def test_members_average_their_folds_and_the_predictor_its_members(
    finished_trials: Any, predictor: Predictor, tmp_path: Path
) -> None:
    frame = finished_trials.frame
    one = built(finished_trials, tmp_path / "one", {1: 1.0}).predict_proba(frame)
    two = built(finished_trials, tmp_path / "two", {2: 1.0}).predict_proba(frame)
    pd.testing.assert_frame_equal(predictor.predict_proba(frame), 0.75 * one + 0.25 * two)
    table = finished_trials.layout.encode(frame).table
    folds = [np.asarray(fold.predict(table), dtype=float) for fold in predictor.members[0].folds]
    assert len(folds) == 3
    np.testing.assert_allclose(one.to_numpy(), np.mean(folds, axis=0))


def test_weights_need_not_sum_to_one(finished_trials: Any, tmp_path: Path) -> None:
    frame = finished_trials.frame
    one = built(finished_trials, tmp_path / "one", {1: 1.0}).predict_proba(frame)
    half = built(finished_trials, tmp_path / "half", {1: 0.5}).predict_proba(frame)
    pd.testing.assert_frame_equal(one, half)


def test_class_weights_move_the_decision_but_not_the_probabilities(
    finished_trials: Any, predictor: Predictor, tmp_path: Path
) -> None:
    frame = finished_trials.frame
    decision = Decision(class_weights=(1e-9, 1.0, 1e9))
    tilted = built(finished_trials, tmp_path / "tilted", {1: 0.75, 2: 0.25}, decision=decision)
    pd.testing.assert_frame_equal(tilted.predict_proba(frame), predictor.predict_proba(frame))
    assert (tilted.predict(frame) == "virginica").mean() > (predictor.predict(frame) == "virginica").mean()
    assert Predictor.load(tilted.folder).decision == decision


def test_a_loaded_predictor_answers_as_the_one_that_was_saved(
    predictor: Predictor, finished_trials: Any, tmp_path: Path
) -> None:
    predictor.save(tmp_path / "elsewhere" / "copy")
    loaded = Predictor.load(tmp_path / "elsewhere" / "copy")
    assert loaded.name == "flowers"
    assert loaded.task == predictor.task
    assert loaded.facts == predictor.facts
    pd.testing.assert_frame_equal(
        loaded.predict_proba(finished_trials.frame), predictor.predict_proba(finished_trials.frame)
    )


def test_a_saved_copy_shares_no_file_with_its_source(predictor: Predictor, tmp_path: Path) -> None:
    predictor.save(tmp_path / "copy")
    for path in (tmp_path / "copy").rglob("*"):
        assert path.is_dir() or path.stat().st_nlink == 1


def test_save_overwrites_nothing(predictor: Predictor, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="nothing is overwritten"):
        predictor.save(tmp_path / "full")


def test_a_changed_model_is_refused_before_it_is_opened(predictor: Predictor) -> None:
    model = next(path for path in predictor.folder.rglob("fold_0/*") if path.is_file())
    # A hard link leads to the trial's own file, which other tests read.
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.unlink()
    model.write_bytes(bytes(content))
    with pytest.raises(ModelFileError, match="SHA-256"):
        Predictor.load(predictor.folder)


def test_an_added_file_is_refused(predictor: Predictor) -> None:
    (predictor.folder / "members" / "0" / "extra.pkl").write_bytes(b"cos\nsystem\n")
    with pytest.raises(ModelFileError, match=r"extra\.pkl"):
        Predictor.load(predictor.folder)


@pytest.mark.parametrize("body", ["{}", "[]", '{"format": 1}', '{"format": 99}', "not json"])
def test_a_damaged_description_is_a_model_file_error(predictor: Predictor, body: str) -> None:
    (predictor.folder / "predictor.json").write_text(body)
    seal(predictor.folder, kind="predictor")
    with pytest.raises(ModelFileError):
        Predictor.load(predictor.folder)


def test_a_description_cannot_lead_out_of_the_folder(predictor: Predictor) -> None:
    path = predictor.folder / "predictor.json"
    body = json.loads(path.read_text())
    body["members"][0]["folder"] = "../../elsewhere"
    path.write_text(json.dumps(body))
    seal(predictor.folder, kind="predictor")
    inside = Predictor.load(predictor.folder)
    assert all(member.folder.is_relative_to(predictor.folder) for member in inside.members)


def test_an_unknown_family_names_the_remedy(predictor: Predictor, finished_trials: Any) -> None:
    path = predictor.folder / "members" / "0" / "member.json"
    body = json.loads(path.read_text())
    path.unlink()
    path.write_text(json.dumps({**body, "family": "someones_plug_in"}))
    seal(predictor.folder, kind="predictor")
    loaded = Predictor.load(predictor.folder)
    with pytest.raises(ModelFileError, match="someones_plug_in"):
        loaded.predict(finished_trials.frame)


def test_a_model_of_another_version_names_the_remedy(predictor: Predictor, finished_trials: Any) -> None:
    for path in predictor.folder.rglob("fold_0/*"):
        path.unlink()
    seal(predictor.folder, kind="predictor")
    loaded = Predictor.load(predictor.folder)
    with pytest.raises(ModelFileError, match="versions it was made with"):
        loaded.predict(finished_trials.frame)


def test_columns_may_come_in_any_order_and_with_others(predictor: Predictor, finished_trials: Any) -> None:
    frame = finished_trials.frame
    turned = frame[frame.columns[::-1]].assign(weather="fine")
    pd.testing.assert_series_equal(predictor.predict(turned), predictor.predict(frame))


def test_missing_columns_are_named(predictor: Predictor, finished_trials: Any) -> None:
    with pytest.raises(DataError, match="petal width"):
        predictor.predict(finished_trials.frame.drop(columns="petal width"))


def test_unseen_categories_and_missing_cells_are_predicted(
    predictor: Predictor, finished_trials: Any
) -> None:
    frame = finished_trials.frame.head(4).copy()
    frame["garden"] = ["roof", None, "north", "west"]
    frame["sepal length"] = [np.nan, 5.0, 6.0, np.nan]
    assert predictor.predict(frame).notna().all()


def test_no_row_and_one_row_are_predicted(predictor: Predictor, finished_trials: Any) -> None:
    empty = predictor.predict(finished_trials.frame.head(0))
    assert len(empty) == 0
    assert empty.name == "species"
    assert list(predictor.predict_proba(finished_trials.frame.head(0)).columns) == list(predictor.classes)
    pd.testing.assert_series_equal(
        predictor.predict(finished_trials.frame.head(1)), predictor.predict(finished_trials.frame).head(1)
    )


def test_many_rows_are_predicted_in_chunks(
    predictor: Predictor, finished_trials: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = finished_trials.frame
    whole = predictor.predict_proba(frame)
    monkeypatch.setattr("automl.data.modalities.TABLES", replace(TABLES, chunk_rows=40))
    pd.testing.assert_frame_equal(predictor.predict_proba(frame), whole)


def test_what_is_wrong_with_rows_is_told_of_all_chunks(
    predictor: Predictor, finished_trials: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    monkeypatch.setattr("automl.data.modalities.TABLES", replace(TABLES, chunk_rows=40))
    caplog.set_level(logging.INFO, "automl.model.predictor")
    column = finished_trials.layout.inputs[0]
    frame = finished_trials.frame.astype({column: object}).reset_index(drop=True)
    frame.loc[[3, 77], column] = np.inf
    predictor.predict(frame.astype({column: float}))
    assert f"'{column}' (2)" in caplog.text
    frame.loc[[3, 77], column] = [1.0, "many"]
    with pytest.raises(DataError, match=f"1 of {len(frame)} values are not such numbers: 'many' in row 78"):
        predictor.predict(frame)


def test_a_file_is_predicted_like_its_frame(
    predictor: Predictor, finished_trials: Any, tmp_path: Path
) -> None:
    path = tmp_path / "new.csv"
    frame = finished_trials.frame.reset_index(drop=True)
    frame.to_csv(path, index=False)
    pd.testing.assert_series_equal(predictor.predict(path), predictor.predict(frame))
    pd.testing.assert_series_equal(predictor.predict(str(path)), predictor.predict(frame))


def test_other_data_is_a_usage_error(predictor: Predictor) -> None:
    with pytest.raises(UsageError, match="not list"):
        predictor.predict([[1, 2, 3]])  # type: ignore[arg-type]


def test_a_predictor_needs_a_member(finished_trials: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one"):
        built(finished_trials, tmp_path / "none", {})


def test_labels_of_every_type_come_back(finished_trials: Any, tmp_path: Path) -> None:
    for labels, kind in (((3, 7, 9), "int64"), ((0.5, 1.5, 2.5), "float64"), (("a", "b", "c"), None)):
        task = replace(finished_trials.problem.task, labels=labels)
        member = (Path(finished_trials.trials[1].result.model_folder), 1.0)
        folder = tmp_path / str(labels[0])
        build_predictor(
            folder, PredictorSource(name="x", task=task, layout=finished_trials.layout, members=(member,))
        )
        predicted = Predictor.load(folder).predict(finished_trials.frame)
        assert set(predicted) == set(labels)
        assert kind is None or predicted.dtype == kind


def test_a_regression_predicts_values_and_has_no_probabilities(tmp_path: Path) -> None:
    from searched import finish_trials, flowers

    from automl.core.trial import Candidate

    candidates = [
        Candidate(family="random_forest", params={"n_estimators": 10}, seed=1),
        Candidate(family="random_forest", params={"n_estimators": 10}, seed=1, log_target=True),
    ]
    finished = finish_trials(flowers(regression=True), "petal length", candidates, tmp_path / "work")
    for number in finished.trials:
        predictor = built(finished, tmp_path / f"p{number}", {number: 1.0})
        predicted = Predictor.load(predictor.folder).predict(finished.frame)
        assert predicted.dtype == "float64"
        assert predicted.name == "petal length"
        assert np.sqrt(np.mean((predicted - finished.frame["petal length"]) ** 2)) < 0.4
        with pytest.raises(UsageError, match="probabilities"):
            predictor.predict_proba(finished.frame)
