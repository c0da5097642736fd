"""The trials' models on disk: all while there is room, then the best. Used by the tracker's thread."""

from __future__ import annotations

from pathlib import Path
from typing import final

import numpy as np

from automl.core.sealed import folder_bytes
from automl.core.trial import Trial
from automl.core.version import __version__
from automl.model.decision import Decision
from automl.model.predictor import PredictorSource, build_predictor
from automl.tracker.record import SearchRecord
from automl.tracker.store.location import remove_folder
from automl.tracker.writing.model_retention import KeepModels, KeptModel


@final
class TrialModels:
    """The stored models of one search.

    A model that is dropped is deleted from its run, if that is a local folder, and from the trial's scratch
    folder, so that it takes no space.

    Attributes
    ----------
    protected:
        Trials whose model stays, whatever its size; another thread may set it.
    dropped:
        Trials whose model was deleted.
    """

    def __init__(self, keep: KeepModels) -> None:
        self.protected: frozenset[int] = frozenset()
        self.dropped: frozenset[int] = frozenset()
        self._keep = keep
        self._stored: dict[int, KeptModel] = {}
        self._bytes = 0  # of the stored ones, which may be thousands
        self._folders: dict[int, tuple[Path, ...]] = {}

    def store(
        self,
        place: Path,
        trial: Trial,
        search: SearchRecord,
        *,
        class_weights: tuple[float, ...] = (),
        stays: bool = True,
    ) -> None:
        """Build a trial's model at ``place`` from its scratch folder, if there is room for it.

        Parameters
        ----------
        stays:
            True if the model is kept at ``place``; False if it is sent to a server from there.
        """
        scratch = _scratch(trial)
        if scratch is None:
            return
        model = _kept_model(trial, search)
        if not self._make_room(model):
            remove_folder(scratch)
            return
        facts: dict[str, str | int | float | bool | None] = {"trial": trial.number}
        if trial.scores is not None:
            facts[f"val_{search.task.metric.name}"] = trial.scores.validation
        facts["automl"] = __version__
        source = PredictorSource(
            name=search.name,
            task=search.task,
            layout=search.layout,
            members=((scratch, 1.0),),
            decision=Decision(class_weights=class_weights),
            background=search.background,
            facts=facts,
        )
        build_predictor(place, source)
        self._take(model)
        self._folders[model.number] = (scratch, place) if stays else (scratch,)

    def take_in(self, trial: Trial, search: SearchRecord, place: Path | None) -> None:
        """Add a model that an earlier process stored; ``place`` if that is a local folder.

        Without its scratch folder the model was dropped, and can no longer be a member.
        """
        scratch = _scratch(trial)
        if scratch is not None:
            self._take(_kept_model(trial, search))
            self._folders[trial.number] = (scratch,) if place is None else (scratch, place)

    def forget(self, number: int) -> None:
        """Remove the model of a trial that is written again from the stored ones."""
        gone = self._stored.pop(number, None)
        self._bytes -= 0 if gone is None else gone.bytes

    def note_gone(self, trial: Trial) -> None:
        """Count a model as dropped if an earlier process deleted it to limit the disk space."""
        result = trial.result
        if result is not None and result.model_folder and _scratch(trial) is None:
            self.dropped |= {trial.number}

    def _make_room(self, model: KeptModel) -> bool:
        """Drop models that no longer fit with a new one; True if the new one may be stored."""
        if self._keep.hold(self._bytes + model.bytes):
            return True
        dropping = self._keep.to_drop([*self._stored.values(), model], self.protected)
        for number in dropping:
            if number != model.number:
                self._drop(number)
        self.dropped |= frozenset(dropping)
        return model.number not in dropping

    def _drop(self, number: int) -> None:
        for folder in self._folders.pop(number):
            remove_folder(folder)
        self.forget(number)

    def _take(self, model: KeptModel) -> None:
        self.forget(model.number)
        self._stored[model.number] = model
        self._bytes += model.bytes


def _kept_model(trial: Trial, search: SearchRecord) -> KeptModel:
    result, scores = trial.result, trial.scores
    assert result is not None
    loss = None
    if scores is not None and np.isfinite(scores.validation):
        loss = scores.validation * (-1.0 if search.task.metric.greater_is_better else 1.0)
    size = result.model_bytes or folder_bytes(Path(result.model_folder))
    return KeptModel(trial.number, trial.candidate.family, loss, size)


def _scratch(trial: Trial) -> Path | None:
    """The folder with the models of a trial's folds; None if it no longer exists."""
    folder = trial.result.model_folder if trial.result is not None else ""
    return Path(folder) if folder and Path(folder).is_dir() else None
