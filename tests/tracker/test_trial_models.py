"""Trials' models on disk without a store: what is kept, what goes, what an earlier process left."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from automl.core.trial import Trial
from automl.model.predictor import Predictor
from automl.tracker.writing.model_retention import KeepModels
from automl.tracker.writing.trial_models import TrialModels


@pytest.fixture
def forests(fresh_trials: Any) -> tuple[Trial, Trial]:
    """Two trials of one family, the worse one first."""
    worse, better = fresh_trials.trials[1], fresh_trials.trials[2]
    better = replace(better, candidate=replace(better.candidate, family=worse.candidate.family))
    return replace(worse, scores=replace(worse.scores, validation=0.1)), better


def scratch(trial: Trial) -> Path:
    assert trial.result is not None
    return Path(trial.result.model_folder)


def test_a_stored_model_predicts(fresh_trials: Any, tmp_path: Path) -> None:
    models = TrialModels(KeepModels())
    models.store(tmp_path / "model", fresh_trials.trials[1], fresh_trials.record())
    predicted = Predictor.load(tmp_path / "model").predict(fresh_trials.frame.head(5))
    assert len(predicted) == 5


def test_a_worse_model_goes_with_its_scratch_where_there_is_no_room(
    forests: tuple[Trial, Trial], fresh_trials: Any, tmp_path: Path
) -> None:
    models, search = TrialModels(KeepModels(bytes=0, best=1)), fresh_trials.record()
    for trial in forests:
        models.store(tmp_path / str(trial.number), trial, search)
    assert models.dropped == {1}
    assert [(tmp_path / name).exists() for name in "12"] == [False, True]
    assert [scratch(trial).exists() for trial in forests] == [False, True]


def test_a_model_without_room_is_not_stored_at_all(
    forests: tuple[Trial, Trial], fresh_trials: Any, tmp_path: Path
) -> None:
    models, search = TrialModels(KeepModels(bytes=0, best=1)), fresh_trials.record()
    for trial in reversed(forests):
        models.store(tmp_path / str(trial.number), trial, search)
    assert models.dropped == {1}
    assert not (tmp_path / "1").exists()


def test_protected_models_stay_beyond_the_bound(
    forests: tuple[Trial, Trial], fresh_trials: Any, tmp_path: Path
) -> None:
    models, search = TrialModels(KeepModels(bytes=0, best=1)), fresh_trials.record()
    models.protected = frozenset({1})
    for trial in forests:
        models.store(tmp_path / str(trial.number), trial, search)
    assert models.dropped == frozenset()


def test_what_an_earlier_process_stored_counts_and_what_it_dropped_is_gone(
    forests: tuple[Trial, Trial], fresh_trials: Any, tmp_path: Path
) -> None:
    worse, better = forests
    models, search = TrialModels(KeepModels(bytes=0, best=1)), fresh_trials.record()
    models.take_in(worse, search, None)
    models.note_gone(worse)
    assert models.dropped == frozenset()
    models.store(tmp_path / "2", better, search)
    assert models.dropped == {1}
    shutil.rmtree(scratch(better))
    models.note_gone(better)
    assert models.dropped == {1, 2}
