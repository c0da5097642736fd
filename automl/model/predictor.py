"""The model that people keep: it predicts from raw data, and lies in a folder."""

from __future__ import annotations

import json
import logging
import os
import shutil
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import numpy.typing as npt

from automl.core.errors import AutoMLError, ModelFileError, UsageError
from automl.core.labels import Label
from automl.core.predictions import Answer
from automl.core.sealed import FROZEN, seal, verify
from automl.core.table import Table
from automl.core.task_choice import task_from_json
from automl.core.tasks import Task
from automl.core.version import library_versions
from automl.data.layout import Layout
from automl.data.modalities import modality_of
from automl.model.averaging import averaged, in_threads
from automl.model.background import Background
from automl.model.bounded import intervals_of, sets_of
from automl.model.conformal import Bounds, ClassSets, load_conformal
from automl.model.decision import Decision
from automl.model.file_input import frame_of_files, frame_of_table, with_full_paths
from automl.model.file_numbers import with_file_numbers
from automl.model.known_rows import KnownRows
from automl.model.member import Member, read_json
from automl.model.model_files import copy_member, hashes_of, share_frozen

if TYPE_CHECKING:
    import pandas as pd

    from automl.model.explanation import ExplainedRows

    Data = pd.DataFrame | str | os.PathLike[str] | Sequence[Any]

FORMAT = 3  # since 2 the frozen nets of all members lie once, in the folder FROZEN; since 3 with a decision
_READ_FORMATS = (1, 2, FORMAT)
KIND = "predictor"
_BODY = "predictor.json"
_MEMBERS = "members"
_log = logging.getLogger(__name__)

Fact = str | int | float | bool | None
Facts = Mapping[str, Fact]


@final
class Predictor:
    """A search's champion or one trial's model: ``predict`` takes the columns that training had.

    Made by :meth:`load` and :func:`build_predictor`; there is always a folder behind it.

    Attributes
    ----------
    name:
        The search it comes from.
    task:
        What the target means, with its classes and metric.
    layout:
        The columns it reads, and how they become features.
    members:
        The trials it averages.
    decision:
        From probabilities to the answer.
    known_rows:
        Known targets of rows that equal training rows, or None.
    conformal:
        Intervals or sets of classes at a level; None for the model of a single trial.
    background:
        Typical values of the columns, for explanations; None for models of earlier versions.
    facts:
        What is worth knowing about it: scores, when it was made, by which versions.
    folder:
        Where it lies.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        task: Task,
        layout: Layout,
        members: Sequence[Member],
        decision: Decision | None = None,
        known_rows: KnownRows | None = None,
        conformal: Bounds | ClassSets | None = None,
        background: Background | None = None,
        facts: Facts | None = None,
    ) -> None:
        self.folder = folder
        self.name = name
        self.task = task
        self.layout = layout
        self.members = tuple(members)
        self.decision = decision or Decision()
        self.known_rows = known_rows
        self.conformal = conformal
        self.background = background
        self.facts = dict(facts or {})

    def __repr__(self) -> str:
        families = ", ".join(f"{member.family} {member.weight:.2f}" for member in self.members)
        return f"Predictor({self.name!r}, {self.task.name}, target {self.target_name!r}: {families})"

    @property
    def target_name(self) -> str:
        """Name of the column that is predicted."""
        return self.layout.target_name

    @property
    def classes(self) -> tuple[Label, ...]:
        """The target's own labels, in the order of the columns of :meth:`predict_proba`; or none."""
        return self.task.labels

    def predict(self, data: Data, *, image_root: str | os.PathLike[str] | None = None) -> pd.Series:
        """Predict the target: its own labels, or values.

        Parameters
        ----------
        data:
            A DataFrame with the columns that training had (their order and further columns do not
            matter), or a path to a file with them. A model of images also takes a folder of
            images (the index is then their path in it), the path of an image, a PIL image, an array of
            uint8, or a list of these.
        image_root:
            Folder that the paths of images in a table start from; default: the file's own folder.

        Returns
        -------
        pandas.Series
            With the index of ``data`` and the name of the target.
        """
        return self.answered(data, image_root)[2]

    def predict_proba(self, data: Data, *, image_root: str | os.PathLike[str] | None = None) -> pd.DataFrame:
        """Predict the probability of each class: one column per class, rows as in ``data``.

        Raises
        ------
        UsageError
            For a task whose answers are numbers, which has no classes.
        """
        import pandas as pd

        if self.task.answer is not Answer.CLASSES:
            raise UsageError(
                f"{self.name!r} predicts numbers ({self.task.name}); only a classification has "
                "probabilities. Use predict."
            )
        frame = self._as_frame(data, image_root)
        return pd.DataFrame(
            self._outputs(frame),
            index=frame.index,
            columns=pd.Index(list(self.task.labels), tupleize_cols=False),
        )

    def predict_interval(
        self, data: Data, *, level: float = 0.9, image_root: str | os.PathLike[str] | None = None
    ) -> pd.DataFrame:
        """Predict a number with an interval that holds the truth for a share ``level`` of new rows.

        That is a promise about all rows together that are to the training rows as the held-out ones were
        (``conformal.holds_for``), not about each kind of row.

        Returns
        -------
        pandas.DataFrame
            Columns ``NAME``, ``NAME_low`` and ``NAME_high``, NAME being the target's; rows as in ``data``.

        Raises
        ------
        UsageError
            For a model of classes, or one without intervals, and for a level that is not between 0 and 1 or
            needs more held-out rows than there were.
        """
        bounds = intervals_of(self, level)
        frame, outputs, made = self.answered(data, image_root)
        low, high = bounds.ends(self.encode(frame), outputs, level).T
        return made.to_frame().assign(**{f"{self.target_name}_low": low, f"{self.target_name}_high": high})

    def predict_set(
        self, data: Data, *, level: float = 0.9, image_root: str | os.PathLike[str] | None = None
    ) -> pd.DataFrame:
        """Predict the classes a row may have: sets with the true one for a share ``level`` of new rows.

        The class that :meth:`predict` gives is always among them; see :meth:`predict_interval` for what the
        level promises.

        Returns
        -------
        pandas.DataFrame
            One column of bool per class, as in :meth:`predict_proba`; rows as in ``data``.

        Raises
        ------
        UsageError
            For a model of numbers; else as :meth:`predict_interval`.
        """
        import pandas as pd

        sets = sets_of(self, level)
        frame, outputs, _ = self.answered(data, image_root)
        answers = self.decision.answers(outputs).argmax(axis=1)
        labels = pd.Index(list(self.task.labels), tupleize_cols=False)
        return pd.DataFrame(sets.members(outputs, answers, level), index=frame.index, columns=labels)

    def explain(
        self,
        data: Data,
        *,
        label: Label | None = None,
        scale: str = "prediction",
        seconds: float = 30.0,
        seed: int = 0,
        image_root: str | os.PathLike[str] | None = None,
    ) -> ExplainedRows:
        """Explain predictions: what each column contributes, compared with typical values of it.

        Parameters
        ----------
        data, image_root:
            1 to 1,000 rows, as for :meth:`predict`.
        label:
            The class whose probability is explained; default: the predicted class of each row.
        scale:
            ``prediction``: the value, or the probability of the class; or its ``log-odds``.
        seconds:
            Time that it may take once the model is loaded: the more, the more accurate what is sampled.

        Raises
        ------
        UsageError
            For a model of files alone or without typical values, and for more rows than the time allows.
        """
        from automl.model.explanation import explain_rows

        frame = self._as_frame(data, image_root)
        return explain_rows(self, frame, label=label, scale=scale, seconds=seconds, seed=seed)

    def preload(self) -> Predictor:
        """Load all models now instead of at the first prediction; returns itself."""
        in_threads([partial(getattr, member, "folds") for member in self.members])
        return self

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a copy that :meth:`load` reads into ``folder``, which must be new or empty.

        Raises
        ------
        UsageError
            When the folder holds something.
        """
        path = Path(folder)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(f"{path} is not an empty folder: nothing is overwritten. Choose another one.")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.folder, path, dirs_exist_ok=True)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Predictor:
        """The predictor in ``folder``. Every file's hash is checked before anything is opened.

        Raises
        ------
        ModelFileError
            When the folder holds no predictor, or one that was changed.
        """
        path = Path(folder).absolute()
        hashes = verify(path, kind=KIND)
        body = read_json(path / _BODY)
        if body.get("format") not in _READ_FORMATS:
            raise ModelFileError(
                f"{path} has predictor format {body.get('format')}; this version of automl reads "
                f"{', '.join(map(str, _READ_FORMATS))}. "
                "Install the version that wrote it, or train again."
            )
        try:
            task = task_from_json(body["task"])
            return cls(
                path,
                name=body["name"],
                task=task,
                layout=Layout.from_json(body["layout"]),
                # Built, not read: a folder named in the file could lie outside.
                members=[
                    Member.open(
                        path / _MEMBERS / str(number),
                        item["weight"],
                        hashes_of(f"{_MEMBERS}/{number}/", hashes, frozen=number == 0),
                    )
                    for number, item in enumerate(body["members"])
                ],
                # Before format 3 the class weights stood in the body.
                decision=Decision.from_json(body.get("decision", body)),
                known_rows=KnownRows.load(path) if body["known_rows"] else None,
                conformal=load_conformal(path, task.answer) if body.get("conformal") else None,
                background=Background.read(path),
                facts=body["facts"],
            )
        except AutoMLError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, OSError) as error:
            raise ModelFileError(f"{path / _BODY} is damaged ({error}): train again.") from error

    def owning(self, folder: Path) -> Predictor:
        """This predictor, which takes the temporary folder that it lies in with it when it is gone."""
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        return self

    def answered(
        self, data: Data, image_root: str | os.PathLike[str] | None = None
    ) -> tuple[pd.DataFrame, npt.NDArray[np.float64], pd.Series]:
        """The rows as a frame, probabilities or values ``(rows, n_outputs)`` of them, and the predictions."""
        import pandas as pd

        frame = self._as_frame(data, image_root)
        outputs = self._outputs(frame)
        values = self.task.decode(self.decision.answers(outputs))
        return frame, outputs, pd.Series(values, index=frame.index, name=self.target_name)

    def _outputs(self, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
        """``(rows, n_outputs)`` of the weighted members."""
        if len(frame) == 0:
            return np.empty((0, self.task.n_outputs))
        encoded = self.layout.encode(frame)
        for note in encoded.notes:
            _log.warning("%s", note)
        parts = []
        rows = modality_of(self.layout.features.kinds).chunk_rows
        for start in range(0, len(frame), rows):
            chunk = encoded.table.take(slice(start, start + rows))
            parts.append(self.outputs(with_file_numbers(chunk, self.layout.file_numbers)))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def encode(self, frame: pd.DataFrame) -> Table:
        """The features that the members read, as :meth:`outputs` takes them."""
        return with_file_numbers(self.layout.encode(frame).table, self.layout.file_numbers)

    def _as_frame(self, data: Data, image_root: str | os.PathLike[str] | None) -> pd.DataFrame:
        import pandas as pd

        root = None if image_root is None else Path(image_root)
        files = frame_of_files(data, self.layout)
        if files is not None:
            return files
        frame = frame_of_table(data, self.layout)
        if root is None and not isinstance(data, pd.DataFrame) and isinstance(data, str | os.PathLike):
            root = Path(data).parent
        return with_full_paths(frame, self.layout, root, inside=not isinstance(data, pd.DataFrame))

    def outputs(self, table: Table) -> npt.NDArray[np.float64]:
        """Probabilities or values ``(rows, n_outputs)`` of encoded rows, calibrated, not yet decided."""
        averages = averaged(self.members, table, self.task.n_outputs)
        mean = np.asarray(self.decision.probabilities(averages), dtype=np.float64)
        return mean if self.known_rows is None else self.known_rows.join(table, mean)


@dataclass(frozen=True, kw_only=True)
class PredictorSource:
    """The parts that a predictor is built from.

    Attributes
    ----------
    name, task, layout:
        As in :class:`Predictor`.
    members:
        Model folders of trials (``member.json`` and ``fold_<j>/``) with their weights.
    folds:
        Per member the positions of the folds whose models are taken; empty for all of them.
    decision, known_rows, conformal, background:
        See :class:`Predictor`.
    facts:
        Numbers and words worth keeping with the model.
    """

    name: str
    task: Task
    layout: Layout
    members: tuple[tuple[Path, float], ...]
    folds: tuple[tuple[int, ...], ...] = ()
    decision: Decision = field(default_factory=Decision)
    known_rows: KnownRows | None = None
    conformal: Bounds | ClassSets | None = None
    background: Background | None = None
    facts: Facts = field(default_factory=dict)


def build_predictor(folder: Path, source: PredictorSource) -> Predictor:
    """Lay a predictor into ``folder`` (new or empty) from the models of trials, and seal it.

    The models' files are linked where the file system allows it, else copied.
    """
    if not source.members:
        raise UsageError("A predictor needs at least one trial with a model.")
    folder.mkdir(parents=True, exist_ok=True)
    described = []
    for number, (model_folder, weight) in enumerate(source.members):
        inside = f"{_MEMBERS}/{number}"
        taken = source.folds[number] if source.folds else ()
        family = copy_member(model_folder, folder / inside, taken)
        share_frozen(folder / inside, folder / FROZEN)
        described.append({"family": family, "weight": weight, "folder": inside})
    body = {
        "format": FORMAT,
        "name": source.name,
        "task": source.task.to_json(),
        "layout": source.layout.to_json(),
        "members": described,
        "decision": source.decision.to_json(),
        "known_rows": source.known_rows is not None,
        "conformal": source.conformal is not None,
        "facts": dict(source.facts),
        "versions": library_versions(),
    }
    (folder / _BODY).write_text(json.dumps(body, indent=1), encoding="utf-8")
    if source.known_rows is not None:
        source.known_rows.save(folder)
    if source.conformal is not None:
        source.conformal.save(folder)
    if source.background is not None:
        source.background.save(folder)
    seal(folder, kind=KIND)
    place = folder.absolute()
    return Predictor(
        place,
        name=source.name,
        task=source.task,
        layout=source.layout,
        members=[
            Member.open(place / _MEMBERS / str(number), weight)
            for number, (_, weight) in enumerate(source.members)
        ],
        decision=source.decision,
        known_rows=source.known_rows,
        conformal=source.conformal,
        background=source.background,
        facts=source.facts,
    )
