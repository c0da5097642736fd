"""What every runner shares: read a job, fit, write predictions and timings.

It runs in every tool's own environment and needs numpy, pandas and psutil there. A runner is called as
``PYTHON runner.py job.json``. The job holds ``train``, ``test`` (paths), ``target``, ``task`` (binary,
multiclass, regression), ``metric``, ``seconds``, ``threads``, ``seed``, ``dates``, ``options``, ``work``
(a scratch folder), ``predictions`` and ``report`` (paths to write).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil

TIMED_ROWS = 1000


@dataclass(frozen=True)
class Job:
    train: pd.DataFrame
    test: pd.DataFrame
    target: str
    task: str
    metric: str
    seconds: float
    threads: int
    seed: int
    options: dict[str, Any]
    work: Path

    @property
    def inputs(self) -> pd.DataFrame:
        return self.train.drop(columns=self.target)


@dataclass(frozen=True)
class Model:
    """``predict`` gives labels or values; ``probabilities`` a frame with one column per label, or None."""

    predict: Callable[[pd.DataFrame], Any]
    probabilities: Callable[[pd.DataFrame], pd.DataFrame] | None
    package: str


def run(fit: Callable[[Job], Model]) -> None:
    """Do the job that the command line names."""
    raw = json.loads(Path(sys.argv[1]).read_text())
    train, test = (pd.read_csv(raw[part]) for part in ("train", "test"))
    for column in raw["dates"]:
        train[column], test[column] = pd.to_datetime(train[column]), pd.to_datetime(test[column])
    fields = ("target", "task", "metric", "seconds", "threads", "seed", "options")
    job = Job(train, test, **{name: raw[name] for name in fields}, work=Path(raw["work"]))
    model = fit(job)
    # Since the process started: imports and reading the file are part of what a user waits for.
    fit_seconds = time.time() - psutil.Process().create_time()
    predictions = pd.DataFrame({"prediction": np.asarray(model.predict(test)).ravel()})
    if job.task != "regression" and model.probabilities is not None:
        shares = model.probabilities(test).reset_index(drop=True)
        predictions = predictions.join(shares.rename(columns=lambda label: f"p:{label}"))
    predictions.to_csv(raw["predictions"], index=False)
    report = {
        "fit_seconds": fit_seconds,
        "predict_ms_per_1000_rows": timed(model.predict, test),
        "version": f"{model.package} {version(model.package)}",
    }
    Path(raw["report"]).write_text(json.dumps(report))


def timed(predict: Callable[[pd.DataFrame], Any], test: pd.DataFrame) -> float:
    """Milliseconds in which 1000 rows are predicted: the best of three, after a first call."""
    rows = test.iloc[np.resize(np.arange(len(test)), TIMED_ROWS)].reset_index(drop=True)
    predict(rows)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        predict(rows)
        best = min(best, time.perf_counter() - started)
    return best * 1000
