"""How soon a search is on record, and what it holds: seconds to its first runs, trials, memory.

    python benchmarks/beginning.py --data DIR --table titanic
    python benchmarks/beginning.py --data DIR --table titanic --time 60 --rounds 1 --busy 4

Each search is a process of its own in a new store, timed from the start of that process: when its MLflow run
is in the store, when that of the first trial is (the constant's), when that of the first model is. In
``run_cpu`` is what the search's own process computed until then, which depends less on what else runs.
Memory is proportional (pages that processes share are divided among them), summed over the tree every half
second; its peak is shown with the part of the controller, of the servers that fork, and of the workers.
Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from overrun import busy
from tables import TABLES

_PARTS = ("controller", "servers", "workers")
_LOOK_SECONDS = 0.05
_SAMPLE_SECONDS = 0.5
_FIELDS = ("run", "run_cpu", "trial", "model", "seconds", "cpu", "trials", "peak", *_PARTS)
_RUNS = """
SELECT DISTINCT CASE WHEN t.value IS NULL THEN 'run' WHEN t.value = 'dummy' THEN 'trial' ELSE 'model' END
FROM runs r LEFT JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'automl.family'
"""


@dataclass
class Beginning:
    """What was seen of one search: seconds since its start, and megabytes."""

    seen: dict[str, float] = field(default_factory=dict)
    held: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    cpu: float = 0.0
    trials: int = 0

    def value(self, name: str) -> float:
        """The figure of one column; NaN where it was not reached."""
        if name in ("seconds", "cpu", "trials"):
            return float(getattr(self, name))
        return {**self.seen, **self.held}.get(name, float("nan"))


def main() -> None:
    """Search and print one line per round, and their medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--table", default="titanic", choices=sorted(TABLES))
    parser.add_argument("--time", type=int, default=20, help="budget in seconds [20]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=0, help="processes that compute all the time beside it")
    arguments = parser.parse_args()
    print(" ".join(f"{name:>10s}" for name in _FIELDS), flush=True)
    rounds = []
    with busy(arguments.busy) if arguments.busy else nullcontext():
        for _ in range(arguments.rounds):
            with tempfile.TemporaryDirectory(prefix="beginning-") as folder:
                rounds.append(measure(arguments.data, arguments.table, arguments.time, Path(folder)))
            _show([rounds[-1].value(name) for name in _FIELDS])
    if len(rounds) > 1:
        print("median")
        _show([statistics.median(one.value(name) for one in rounds) for name in _FIELDS])


def _show(values: list[float]) -> None:
    print(" ".join(f"{value:10.2f}" if value < 100 else f"{value:10.0f}" for value in values), flush=True)


def measure(data: Path, table: str, seconds: int, folder: Path) -> Beginning:
    """Run one search in ``folder`` and look at its store and its processes until it ends."""
    source = TABLES[table]
    command = [sys.executable, "-m", "automl", "search", str(data.absolute() / source.file)]
    command += ["--target", source.target, "--time", f"{seconds}s", "--json"]
    found, database = Beginning(), folder / "mlruns" / "mlflow.db"
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as log:
        began = sampled = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, stdout=out, stderr=log, env=compiling())
        root = psutil.Process(process.pid)
        while process.poll() is None:
            for kind in _on_record(database):
                found.seen.setdefault(kind, time.monotonic() - began)
                with contextlib.suppress(psutil.Error):
                    found.seen.setdefault("run_cpu", sum(root.cpu_times()[:2]))
            if time.monotonic() - sampled > _SAMPLE_SECONDS:
                sampled = time.monotonic()
                _sample(root, found)
            time.sleep(_LOOK_SECONDS)
        found.seconds = time.monotonic() - began
    if process.returncode:
        sys.exit((folder / "err").read_text(encoding="utf-8"))
    result = json.loads((folder / "out").read_text(encoding="utf-8"))
    found.trials = result["trials"]["done"]
    return found


def compiling() -> dict[str, str]:
    """The environment of a command whose modules are kept compiled, as an installation has them."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _on_record(database: Path) -> list[str]:
    if not database.exists():
        return []
    uri = f"file:{database}?mode=ro"
    with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(uri, uri=True)) as connection:
        return [kind for (kind,) in connection.execute(_RUNS)]
    return []


def _sample(root: psutil.Process, found: Beginning) -> None:
    """Add up what each kind of process holds now; keep the figures of the largest sum."""
    held = dict.fromkeys(_PARTS, 0.0)
    cpu = 0.0
    with contextlib.suppress(psutil.Error):
        for process in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                used = process.cpu_times()
                cpu += used.user + used.system + used.children_user + used.children_system
                held[_kind(process, root)] += process.memory_full_info().pss / 1e6
    found.cpu = max(found.cpu, cpu)
    total = sum(held.values())
    if total > found.held.get("peak", 0.0):
        found.held = {"peak": total, **held}


def _kind(process: psutil.Process, root: psutil.Process) -> str:
    if process.pid == root.pid:
        return "controller"
    # Servers that fork are sessions of their own or in the session of the first; workers make their own.
    # The first server is a session of its own, and the later ones are in it; every worker makes its own.
    first = process.ppid() == root.pid
    return "servers" if first or os.getsid(process.pid) != process.pid else "workers"


if __name__ == "__main__":
    main()
