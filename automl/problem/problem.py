"""The data that every trial shares: table, target, task, splits; on disk once, memory-mapped by workers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.feather as feather

from automl.core.folds import WHOLE, Fold, Split
from automl.core.modality import Modality
from automl.core.table import Features, Kind, Strings, Table
from automl.core.task_choice import task_from_json
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights, weights_of
from automl.data.modalities import modality_of

_TEXTS = "texts"
_WEIGHTS = "weights.npy"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """The whole of what a trial needs besides its candidate.

    Attributes
    ----------
    table, target:
        All rows that may be trained on or validated with (test rows are not in it), ``target`` encoded.
    split:
        The folds, by row numbers of ``table``.
    repeats:
        Other deals of the same rows, for trials with ``candidate.repeat`` 1, 2, …: other folds, or beside a
        single holdout one in which all rows train.
    untouched:
        Inputs of the test part. Trials predict them while their models are in memory; the target of
        these rows stays with the controller, which scores the champion's predictions once.
    threads:
        Threads per worker.
    device:
        ``cpu`` or ``cuda``.
    digest:
        Digest of data and split.
    nets:
        Frozen nets that the search may use.
    weights_dir:
        Folder with published weights, beside the usual ones; empty for none.
    cache_dir:
        Folder for what is worth keeping between trials and searches; empty for none.
    weights:
        Of the rows, ``(rows,)`` with a mean of 1; None where each counts once.
    """

    table: Table
    target: Encoded
    task: Task
    split: Split
    threads: int = 1
    device: str = "cpu"
    digest: str = ""
    repeats: tuple[Split, ...] = ()
    untouched: Table | None = None
    nets: tuple[str, ...] = ()
    weights_dir: str = ""
    cache_dir: str = ""
    weights: Weights | None = None

    @property
    def modality(self) -> Modality:
        """The kind of data that decides what its rows cost."""
        return modality_of(self.table.features.kinds)

    @property
    def judging_digest(self) -> str:
        """SHA-256 of the folds and the weights of the rows, hexadecimal."""
        if self.weights is None:
            return self.split.digest
        return hashlib.sha256(self.split.digest.encode() + self.weights.tobytes()).hexdigest()

    @property
    def can_refit(self) -> bool:
        """True where trials may be fitted again on all rows: their ``candidate.repeat`` is 1."""
        return bool(self.repeats) and self.repeats[0].scheme == WHOLE

    def split_for(self, repeat: int) -> Split:
        """The folds of a trial with this ``candidate.repeat``; 0 is the main split."""
        return self.split if repeat == 0 else self.repeats[repeat - 1]

    def weights_of(self, rows: npt.NDArray[np.integer[Any]]) -> Weights | None:
        """The weights of these rows, ``(rows,)``; None where each counts once."""
        return weights_of(self.weights, rows)

    def save(self, folder: Path) -> None:
        """Write it as arrays that :meth:`load` maps into memory."""
        folder.mkdir(parents=True, exist_ok=True)
        _save_table(self.table, folder)
        if self.untouched is not None:
            _save_table(self.untouched, folder / "untouched")
        np.save(folder / "target.npy", self.target)
        if self.weights is not None:
            np.save(folder / _WEIGHTS, self.weights)
        if self.split.units is not None:
            np.save(folder / "units.npy", self.split.units)
        splits = (self.split, *self.repeats)
        for repeat, split in enumerate(splits):
            for i, fold in enumerate(split.folds):
                np.save(folder / f"train_{repeat}_{i}.npy", fold.train)
                np.save(folder / f"valid_{repeat}_{i}.npy", fold.valid)
        body = {
            "features": asdict(self.table.features),
            "task": self.task.to_json(),
            "splits": [[len(split.folds), split.scheme, split.reason] for split in splits],
            "threads": self.threads,
            "device": self.device,
            "digest": self.digest,
            "nets": self.nets,
            "weights_dir": self.weights_dir,
            "cache_dir": self.cache_dir,
        }
        (folder / "problem.json").write_text(json.dumps(body), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Problem:
        """The problem in ``folder``; numbers, codes and target stay on disk until they are touched."""
        body = json.loads((folder / "problem.json").read_text(encoding="utf-8"))
        features = features_from_json(body["features"])
        untouched, units = folder / "untouched", folder / "units.npy"
        splits = [
            Split(
                tuple(
                    Fold(
                        np.load(folder / f"train_{repeat}_{i}.npy", mmap_mode="r"),
                        np.load(folder / f"valid_{repeat}_{i}.npy", mmap_mode="r"),
                    )
                    for i in range(count)
                ),
                scheme,
                reason,
            )
            for repeat, (count, scheme, reason) in enumerate(body["splits"])
        ]
        return cls(
            table=_load_table(features, folder),
            target=np.load(folder / "target.npy", mmap_mode="r"),
            task=task_from_json(body["task"]),
            split=replace(splits[0], units=np.load(units, mmap_mode="r") if units.exists() else None),
            threads=body["threads"],
            device=body["device"],
            digest=body["digest"],
            repeats=tuple(splits[1:]),
            untouched=_load_table(features, untouched) if untouched.is_dir() else None,
            nets=tuple(body.get("nets", ())),
            weights_dir=body.get("weights_dir", ""),
            cache_dir=body.get("cache_dir", ""),
            weights=np.load(folder / _WEIGHTS, mmap_mode="r") if (folder / _WEIGHTS).exists() else None,
        )


def features_from_json(data: dict[str, Any]) -> Features:
    """The features that ``dataclasses.asdict`` turned into plain data."""
    files = {kind: tuple(names) for kind, names in data.get("files", {}).items()}
    if data.get("images"):  # as they were written before there were files of other kinds
        files[Kind.IMAGE] = tuple(data["images"])
    return Features(
        tuple(data["numbers"]),
        tuple(data["categories"]),
        tuple(tuple(levels) for levels in data["levels"]),
        tuple(data["texts"]),
        files,
    )


def _save_table(table: Table, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "numbers.npy", np.ascontiguousarray(table.numbers))
    np.save(folder / "codes.npy", np.ascontiguousarray(table.codes))
    for name, columns in {_TEXTS: table.texts, **table.files}.items():
        if columns:
            arrays = {str(i): pa.array(column, pa.string()) for i, column in enumerate(columns)}
            feather.write_feather(pa.table(arrays), folder / f"{name}.arrow", compression="uncompressed")


def _load_table(features: Features, folder: Path) -> Table:
    return Table(
        features,
        np.load(folder / "numbers.npy", mmap_mode="r"),
        np.load(folder / "codes.npy", mmap_mode="r"),
        _strings(folder / f"{_TEXTS}.arrow", len(features.texts)),
        {kind: _strings(folder / f"{kind}.arrow", len(names)) for kind, names in features.files.items()},
    )


def _strings(path: Path, columns: int) -> tuple[Strings, ...]:
    if not columns:
        return ()
    table = feather.read_table(path, memory_map=True)
    return tuple(
        np.asarray(table.column(str(i)).to_numpy(zero_copy_only=False), dtype=object) for i in range(columns)
    )
