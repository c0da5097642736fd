"""The files of a run in its artifact folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from automl.core.trial import Trial, TrialResult
from automl.tracker import record

MODEL_FOLDER, PLOTS = "model", "plots"


def write_files(folder: Path, trial: Trial, result: TrialResult, drawn: Mapping[str, str]) -> None:
    """Write the files of a trial except for its model."""
    (folder / "candidate.json").write_text(pretty(trial.candidate.to_json()), encoding="utf-8")
    if result.held_out is not None:
        np.save(folder / "held_out.npy", result.held_out)
    if result.curves:
        (folder / "curves.json").write_text(record.curves_json(result.curves), encoding="utf-8")
    for name, text in drawn.items():
        (folder / PLOTS).mkdir(exist_ok=True)
        (folder / PLOTS / name).write_text(text, encoding="utf-8")
    if result.traceback:
        (folder / "traceback.txt").write_text(result.traceback, encoding="utf-8")


def place(target: Path, content: bytes | str | Path) -> None:
    """Write text, bytes, or a copy of a file or a folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        if content.is_dir():
            shutil.copytree(content, target, dirs_exist_ok=True)
        else:
            shutil.copy2(content, target)
    else:
        target.write_bytes(content if isinstance(content, bytes) else content.encode())


def pretty(body: Mapping[str, object]) -> str:
    """JSON for people and programs."""
    return json.dumps(dict(body), indent=1, default=str)
