"""Who takes part, and one turn of one of them on one job: every tool in a process of its own."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from measured_process import run_measured
from scoring import score
from tables import Job

OURS = "automl_runner.py"
_PEERS = Path(__file__).resolve().parent / "peers"


@dataclass(frozen=True)
class Contestant:
    """``environment`` names the command-line option with its Python; "" is the benchmark's own."""

    name: str
    title: str
    runner: str
    environment: str = ""
    options: dict[str, Any] = field(default_factory=dict)


CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("automl", "automl", OURS),
        Contestant("forest", "untuned random forest", "baseline_runner.py", options={"model": "forest"}),
        Contestant("lightgbm", "untuned LightGBM", "baseline_runner.py", options={"model": "lightgbm"}),
        Contestant("flaml", "FLAML", "flaml_runner.py", "flaml"),
        Contestant("mljar", "mljar (Compete)", "mljar_runner.py", "mljar"),
        Contestant("autogluon", "AutoGluon best_quality", "autogluon_runner.py", "autogluon"),
        Contestant(
            "autogluon_strongest",
            "AutoGluon best_quality, strongest on two cores",
            "autogluon_runner.py",
            "autogluon",
            # Neither Ray nor the trial of the stacking: on two cores both cost more than they bring.
            {"dynamic_stacking": False, "ag_args_ensemble": {"fold_fitting_strategy": "sequential_local"}},
        ),
    )
}


@dataclass(frozen=True)
class Turn:
    """What came of it. ``score`` is None, and ``error`` says why, when there are no predictions."""

    table: str
    contestant: str
    seed: int
    seconds: float
    threads: int
    metric: str
    score: float | None = None
    fit_seconds: float | None = None
    peak_bytes: int | None = None
    predict_ms_per_1000_rows: float | None = None
    version: str = ""
    error: str = ""

    @property
    def key(self) -> tuple[str, str, int, float]:
        return self.table, self.contestant, self.seed, self.seconds


def take_turn(
    contestant: Contestant, job: Job, *, python: str, seconds: float, threads: int, folder: Path
) -> Turn:
    """Fit on the job's training rows within ``seconds``, predict its test rows, and score them once."""
    shutil.rmtree(folder, ignore_errors=True)  # an earlier turn's models
    folder.mkdir(parents=True)
    log, predictions, report = (folder / name for name in ("log.txt", "predictions.csv", "report.json"))
    turn = Turn(job.name, contestant.name, job.seed, seconds, threads, job.metric)
    options = dict(contestant.options)
    limit = 5 * seconds + 120
    search_seconds, peak = None, 0
    if contestant.runner == OURS:
        options["name"] = job.name.replace("_", "-")
        searched = run_measured(
            _search_command(job, options["name"], seconds, options.pop("families", "")),
            log=folder / "search_log.txt",
            folder=folder,
            limit_seconds=limit,
        )
        search_seconds, peak = searched.seconds, searched.peak_bytes
        if searched.code != 0:
            return _failed(turn, searched.code, folder / "search_log.txt")
    body = {
        **{name: str(getattr(job, name)) for name in ("train", "test")},
        **{name: getattr(job, name) for name in ("target", "task", "metric", "seed", "dates")},
        **{"seconds": seconds, "threads": threads, "options": options, "work": str(folder)},
        **{"predictions": str(predictions), "report": str(report)},
    }
    (folder / "job.json").write_text(json.dumps(body))
    command = [python, str(_PEERS / contestant.runner), str(folder / "job.json")]
    measured = run_measured(command, log=log, folder=folder, limit_seconds=limit)
    if measured.code != 0 or not report.is_file():
        return _failed(turn, measured.code, log)
    found = json.loads(report.read_text())
    try:
        value = score(job.metric, job.answers, pd.read_csv(predictions, dtype={"prediction": object}))
    except ValueError as error:
        return _replaced(turn, error=f"its predictions cannot be scored: {error}")
    return _replaced(
        turn,
        score=value,
        fit_seconds=found["fit_seconds"] if search_seconds is None else search_seconds,
        # Ours fits in one process and predicts in another: the peak is that of the search.
        peak_bytes=measured.peak_bytes if search_seconds is None else peak,
        predict_ms_per_1000_rows=found["predict_ms_per_1000_rows"],
        version=found["version"],
    )


def _search_command(job: Job, name: str, seconds: float, families: str) -> list[str]:
    command = Path(sys.executable).with_name("automl")
    return [
        *(str(command), "search", str(job.divided or job.train), "--target", job.target),
        *("--time", f"{seconds:g}s"),
        *("--task", "regression" if job.task == "regression" else "classification", "--metric", job.metric),
        *("--name", name, "--seed", str(job.seed), "--json"),
        *(("--families", families) if families else ()),
        *(("--fold-column", job.fold_column) if job.divided else ()),
    ]


def _failed(turn: Turn, code: int | None, log: Path) -> Turn:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    reason = lines[-1][:300] if lines else "no output"
    return _replaced(turn, error="ended at its limit" if code is None else f"exit code {code}: {reason}")


def _replaced(turn: Turn, **changes: Any) -> Turn:
    return Turn(**(asdict(turn) | changes))
