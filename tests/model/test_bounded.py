"""Predictions with bounds, by a model that was trained and saved: columns, levels, servers, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searched

from automl.controller.coverage import fitted_conformal
from automl.core.errors import UsageError
from automl.core.trial import Candidate
from automl.model.bounded import predict_bounded
from automl.model.predictor import Predictor, PredictorSource, build_predictor
from automl.tracker.pyfunc_model import PyfuncModel


def bounded(finished: Any, folder: Path, number: int) -> Predictor:
    """The model of a trial, with bounds from its held-out predictions."""
    problem, result = finished.problem, finished.trials[number].result
    source = PredictorSource(
        name="flowers",
        task=problem.task,
        layout=finished.layout,
        members=((Path(result.model_folder), 1.0),),
        conformal=fitted_conformal(problem, result.held_out),
    )
    return Predictor.load(build_predictor(folder, source).folder)


@pytest.fixture(scope="module")
def petals(tmp_path_factory: pytest.TempPathFactory) -> tuple[Predictor, Any]:
    """A regression."""
    frame, folder = searched.flowers(regression=True), tmp_path_factory.mktemp("petals")
    trees = Candidate(family="extra_trees", params={"n_estimators": 20}, seed=1)
    finished = searched.finish_trials(frame, "petal width", [trees], folder)
    return bounded(finished, folder / "predictor", 0), frame


def test_an_interval_stands_beside_its_prediction(petals: Any) -> None:
    model, frame = petals
    made = model.predict_interval(frame, level=0.9)
    assert list(made.columns) == ["petal width", "petal width_low", "petal width_high"]
    assert made.index.equals(frame.index)
    assert made["petal width"].equals(model.predict(frame))
    assert made["petal width"].between(made["petal width_low"], made["petal width_high"]).all()
    inside = frame["petal width"].between(made["petal width_low"], made["petal width_high"])
    assert inside.mean() > 0.9
    narrow = model.predict_interval(frame, level=0.5)
    assert (narrow["petal width_high"] <= made["petal width_high"]).all()


def test_a_set_of_classes_has_a_column_per_class(finished_trials: Any, tmp_path: Path) -> None:
    model, frame = bounded(finished_trials, tmp_path / "model", 1), finished_trials.frame
    made = model.predict_set(frame, level=0.99)
    assert list(made.columns) == ["setosa", "versicolor", "virginica"]
    answers = model.predict(frame)
    assert all(made.loc[row, answers[row]] for row in frame.index)
    written = predict_bounded(model, frame, 0.99)
    assert list(written.columns) == ["species", "species_set"]
    assert [len(text.split("|")) for text in written["species_set"]] == made.sum(axis=1).tolist()
    assert all(
        text.split("|")[0] == answer for text, answer in zip(written["species_set"], answers, strict=True)
    )


def test_a_server_gives_intervals_and_sets_by_a_parameter(
    petals: Any, finished_trials: Any, tmp_path: Path
) -> None:
    model, frame = petals
    served = PyfuncModel(model).predict(frame, {"interval": 0.8})
    assert served.equals(model.predict_interval(frame, level=0.8))
    assert PyfuncModel(model).predict(frame, {"interval": 0.0}).equals(model.predict(frame))
    classes = bounded(finished_trials, tmp_path / "model", 1)
    served = PyfuncModel(classes).predict(finished_trials.frame, {"proba": False, "interval": 0.9})
    assert list(served.columns) == ["species", "species_set"]


def test_what_has_no_bounds_says_so(petals: Any, finished_trials: Any, tmp_path: Path) -> None:
    model, frame = petals
    with pytest.raises(UsageError, match="predict_interval"):
        model.predict_set(frame)
    with pytest.raises(UsageError, match="not a level"):
        model.predict_interval(frame, level=90)
    members = ((Path(finished_trials.trials[1].result.model_folder), 1.0),)
    source = PredictorSource(
        name="flowers", task=finished_trials.problem.task, layout=finished_trials.layout, members=members
    )
    trial = build_predictor(tmp_path / "trial", source)
    with pytest.raises(UsageError, match="model of a single trial"):
        trial.predict_set(finished_trials.frame)
    with pytest.raises(UsageError, match="predict_set"):
        trial.predict_interval(finished_trials.frame)


def test_no_rows_have_no_bounds(petals: Any) -> None:
    model, frame = petals
    assert len(model.predict_interval(frame.iloc[:0])) == 0
    assert np.isfinite(model.predict_interval(frame.iloc[:1]).to_numpy()).all()
