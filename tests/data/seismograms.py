"""A kind of data of somebody else, whole in one file: recordings of the ground, a number in each line.

Tests install it as a package with two entry points: for the kind of data and for a family that reads it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from automl.plugins import (
    LABEL,
    NEW_FILE,
    Encoded,
    Family,
    FileNumbers,
    FitContext,
    FolderTable,
    Modality,
    Saved,
    Table,
    Task,
)

KIND, SUFFIX = "seismogram", ".seis"
SPACE = """
family: shakiness
params:
  sharpness: {float: [0.1, 10.0], log: true, default: 1.0}
portfolio:
  - {name: S1}
  - {name: S2, sharpness: 3.0}
"""


def described(paths: Sequence[str]) -> np.ndarray:
    """Strength and roughness of each recording: ``(rows, 2)``."""
    recordings = [np.loadtxt(path) for path in paths]
    return np.array([[one.std(), np.abs(np.diff(one)).mean()] for one in recordings]).reshape(-1, 2)


@dataclass(frozen=True)
class Params:
    sharpness: float = 1.0


@dataclass(frozen=True)
class Nearest(Saved):
    """The middle of each class, ``(n_outputs, 2)``."""

    middles: np.ndarray
    sharpness: float

    def predict(self, inputs: Table) -> np.ndarray:
        points = described(inputs.files[KIND][0])
        distances = ((points[:, None] - self.middles) ** 2).sum(axis=2)
        shares = np.exp(-self.sharpness * (distances - distances.min(axis=1, keepdims=True)))
        return shares / shares.sum(axis=1, keepdims=True)


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Nearest:
    points = described(inputs.files[KIND][0])
    middles = [points[np.asarray(target) == code].mean(axis=0) for code in range(task.n_outputs)]
    return Nearest(np.array(middles), params.sharpness)


FAMILY = Family(
    name="shakiness",
    summary="The class whose recordings are as strong and as rough.",
    params=Params,
    fit=fit,
    load=Nearest.load,
    tasks=frozenset({"binary", "multiclass"}),
    kinds=frozenset({KIND}),
    opening=(10, 20),
)


def folder(path: Path) -> FolderTable | None:
    """A folder per class."""
    import pandas as pd

    found = sorted(path.glob(f"*/*{SUFFIX}"))
    if not found:
        return None
    names = [file.relative_to(path).as_posix() for file in found]
    frame = pd.DataFrame({KIND: names, LABEL: [file.parent.name for file in found]})
    return FolderTable(frame, path, (f"{len(found)} recordings.",))


def new_files(path: Path) -> tuple[Any, tuple[str, ...]]:
    import pandas as pd

    found = sorted(path.rglob(f"*{SUFFIX}"))
    index = pd.Index([file.relative_to(path).as_posix() for file in found], name=NEW_FILE)
    return pd.DataFrame({KIND: [str(file) for file in found]}, index=index), ()


def unreadable(cells: Sequence[Any]) -> Mapping[int, str]:
    return {place: "holds nothing" for place, path in enumerate(cells) if not Path(path).read_text().strip()}


def learn(table: Table, report: Any) -> dict[str, Any]:
    return {"names": [f"{name} {part}" for name in table.features.files[KIND] for part in ("std", "rough")]}


def add(table: Table, learnt: Mapping[str, Any]) -> Table:
    made = [described(column) for column in table.files[KIND]]
    features = replace(table.features, numbers=(*table.features.numbers, *learnt["names"]))
    return replace(table, features=features, numbers=np.concatenate([table.numbers, *made], axis=1))


NUMBERS = FileNumbers(learn, add)


def sheets(evidence: Any, predictor: Any) -> dict[str, bytes]:
    """The first recordings of the judged rows."""
    from matplotlib.figure import Figure

    figure, content = Figure(figsize=(6, 2)), io.BytesIO()
    for path in evidence.sample.table.files[KIND][0][:3]:
        figure.gca().plot(np.loadtxt(path))
    figure.savefig(content, format="png")
    return {"seismograms/traces.png": content.getvalue()}


MODALITY = Modality(
    name="seismograms",
    kind=KIND,
    rows="seismograms",
    timed_rows=20,
    sample_rows=50,
    chunk_rows=500,
    side_by_side=False,
    trials_in_budget=(5, 4),
    folds_up_to=(0, 100.0),
    example="recordings/",
    value="'recordings/'",
    accepts="a folder of recordings",
    suffixes=(SUFFIX,),
    folder=folder,
    new_files=new_files,
    unreadable=unreadable,
    numbers="seismograms:NUMBERS",
    sheets="seismograms:sheets",
    captions={"seismograms/traces.png": "What the ground did at three of the held-out times."},
)
