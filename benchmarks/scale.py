"""What a trial costs the controller when a search has had 100, 1,000 or 10,000 of them; then the readers.

    python benchmarks/scale.py --trials 10000
    python benchmarks/scale.py --trials 10000 --store /tmp/large --copies 9

A search of instant trials (`simulated_trials.py`) through `automl.search`, with the real controller, search
folder and record. Each line is the mean over the trials before a mark: milliseconds of processor time by
part, of the controller's thread and of the tracker's, wall milliseconds, and megabytes of the process. With
``--copies`` the search is then copied so many times within its store, row by row, and the commands that read
the record are timed there, each in a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
from simulated_trials import NAMES, InstantExecutor, installed

MARKS = (100, 1_000, 10_000)
_NAME = "scale"
_COLUMNS = ("trials", "ask", "tell", "ensemble", "score", "journal", "other", "all", "record", "wall")
_MEMORY = ("resident", "anonymous", "waiting")


@dataclass
class Meter:
    """Processor seconds of every call, by part, and what was seen at the end of every trial."""

    calls: dict[str, list[float]] = field(default_factory=dict)
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    memory: dict[int, tuple[float, float, int]] = field(default_factory=dict)

    def timed(self, owner: Any, name: str, part: str) -> Callable[[], None]:
        """Time a method or a function from now on; what is returned ends that."""
        whole, calls = getattr(owner, name), self.calls.setdefault(part, [])

        @functools.wraps(whole)
        def measured(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return whole(*arguments, **named)
            finally:
                calls.append(time.thread_time() - began)

        setattr(owner, name, measured)
        return lambda: setattr(owner, name, whole)

    def trial_ended(self, number: int) -> None:
        """Note the state of the process after a trial."""
        self.cpu.append(time.thread_time())
        self.wall.append(time.perf_counter())
        if number in MARKS:
            used = psutil.Process().memory_info()
            waiting = number - len(self.calls["record"])
            self.memory[number] = used.rss / 1e6, (used.rss - used.shared) / 1e6, waiting

    def line(self, mark: int) -> list[float]:
        """The means before a mark, in the order of the columns."""
        begins = mark - max(50, min(500, mark // 5))
        means = {
            part: 1000 * sum(calls[begins * times : mark * times]) / (mark - begins)
            for part, calls in self.calls.items()
            for times in [2 if part == "journal" else 1]
        }
        trial = means.pop("trial")
        whole = 1000 * (self.cpu[mark - 1] - self.cpu[begins]) / (mark - begins) - trial
        wall = 1000 * (self.wall[mark - 1] - self.wall[begins]) / (mark - begins)
        own = [means[part] for part in ("ask", "tell", "ensemble", "score", "journal")]
        return [mark, *own, whole - sum(own), whole, means["record"], wall, *self.memory[mark]]


def main() -> None:
    """Search, print the costs, and read the store again."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--trials", type=int, default=1_000, help="of the search [1000]")
    parser.add_argument("--rows", type=int, default=1_000, help="of its table [1000]")
    parser.add_argument("--families", type=int, default=3, choices=(1, 2, 3), help="that take turns [3]")
    parser.add_argument("--regression", action="store_true", help="values instead of two classes")
    parser.add_argument("--store", type=Path, help="a new folder to keep; default: one that goes")
    parser.add_argument("--copies", type=int, default=0, help="of the search within its store, to be read")
    parser.add_argument("--unread", action="store_true", help="do not time the commands that read")
    parser.add_argument("--profile", type=Path, help="file for a profile of the controller's thread")
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scale-")))
        root = arguments.store or scratch / "store"
        root.mkdir(parents=True, exist_ok=True)
        spaces = stack.enter_context(installed(scratch / "plug-ins"))
        searched(arguments, root, spaces)
        if arguments.unread:
            return
        read(root / "mlruns", f"one search of {arguments.trials:,} trials")
        if arguments.copies:
            copy_search(root / "mlruns" / "mlflow.db", arguments.copies)
            read(root / "mlruns", f"{arguments.copies + 1} of them in one store")


def searched(arguments: argparse.Namespace, root: Path, spaces: Path) -> None:
    """One search, and its costs on the screen."""
    import automl

    meter = Meter()
    marks = [mark for mark in MARKS if mark <= arguments.trials]
    source = root / "scale.csv"
    table(arguments.rows, regression=arguments.regression).to_csv(source, index=False)
    with measured(meter):
        profile = _profiler(arguments.profile)
        began, cpu = time.perf_counter(), time.process_time()
        result = automl.search(
            source,
            target="y",
            name=_NAME,
            trials=arguments.trials,
            families=["dummy", *NAMES[: arguments.families]],
            spaces=spaces,
            executor="instant",
            store=root / "mlruns",
            watcher=_Marks(meter),
        )
        whole, used = time.perf_counter() - began, time.process_time() - cpu
        if profile is not None:
            profile.disable()
            profile.dump_stats(arguments.profile)
    print(" ".join(f"{name:>9s}" for name in (*_COLUMNS, *_MEMORY)))
    for mark in marks:
        print(" ".join(f"{value:9.2f}" if value < 100 else f"{value:9,.0f}" for value in meter.line(mark)))
    last = whole - (meter.wall[-1] - began)
    peak = psutil.Process().memory_info().rss / 1e6
    print(
        f"{whole:.0f} s in all, {used:.0f} s of processor, {last:.1f} s after the last trial; "
        f"{peak:.0f} MB; {result.metric} {result.best.validation:.4f}; {sum(result.trials.values())} trials"
    )


def _profiler(place: Path | None) -> Any:
    """A running profiler; None without a place for it."""
    if place is None:
        return None
    import cProfile

    profile = cProfile.Profile()
    profile.enable()
    return profile


class _Marks:
    """A watcher that tells the meter of every trial that ended."""

    def __init__(self, meter: Meter) -> None:
        from automl.controller.watchers import NOBODY

        self._nobody, self._meter, self._ended = NOBODY, meter, 0

    def finished(self, trial: Any, best: float | None) -> None:
        """Count it."""
        self._ended += 1
        self._meter.trial_ended(self._ended)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._nobody, name)


@contextlib.contextmanager
def measured(meter: Meter) -> Iterator[None]:
    """Time the parts of the controller for as long as the block runs."""
    from automl.controller import loop
    from automl.controller.folder import SearchFolder
    from automl.controller.strategy.ensemble import EnsembleBuilder
    from automl.controller.strategy.optimizer import Optimizer
    from automl.tracker.writing.trial_runs import TrialRuns

    parts = (
        (Optimizer, "ask", "ask"),
        (Optimizer, "tell", "tell"),
        (EnsembleBuilder, "add", "ensemble"),
        (loop, "scores_of", "score"),
        (SearchFolder, "begin", "journal"),
        (SearchFolder, "keep", "journal"),
        (TrialRuns, "write", "record"),
        (InstantExecutor, "submit", "trial"),
    )
    ends = [meter.timed(*part) for part in parts]
    try:
        yield
    finally:
        for end in ends:
            end()


def table(rows: int, *, regression: bool) -> pd.DataFrame:
    """A table whose target nothing explains but the simulated predictions."""
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=(rows, 4))
    target = generator.normal(size=rows)
    frame = pd.DataFrame(numbers.round(6), columns=["a", "b", "c", "d"])
    return frame.assign(y=target.round(6) if regression else np.where(target > 0.5, "yes", "no"))


def copy_search(database: Path, copies: int) -> None:
    """Put copies of the only search into the store, each with its own name, ids and runs."""
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        (experiment,) = connection.execute(
            "SELECT experiment_id FROM experiments WHERE name = ?", [_NAME]
        ).fetchone()
        for copy in range(1, copies + 1):
            _copied(connection, experiment, copy)


def _copied(connection: sqlite3.Connection, experiment: int, copy: int) -> None:
    name, other = f"{_NAME}-{copy}", experiment + copy
    begins = f"{copy:02x}"
    own = {
        "experiment_id": str(other),
        "name": f"CASE WHEN name = '{_NAME}' THEN '{name}' ELSE name END",
        "run_uuid": f"substr('{begins}' || run_uuid, 1, 32)",
    }
    inside = f"run_uuid IN (SELECT run_uuid FROM runs WHERE experiment_id = {experiment})"
    tags = {
        **own,
        "value": f"CASE key WHEN 'mlflow.parentRunId' THEN substr('{begins}' || value, 1, 32) "
        f"WHEN 'automl.search' THEN '{name}' ELSE value END",
    }
    here = f"experiment_id = {experiment}"
    _copy_rows(connection, "experiments", own, here)
    _copy_rows(connection, "experiment_tags", own, here)
    for place in ("tags", "params", "metrics", "latest_metrics"):
        _copy_rows(connection, place, tags if place == "tags" else own, inside)
    _copy_rows(connection, "runs", own, here)


def _copy_rows(connection: sqlite3.Connection, place: str, changed: dict[str, str], which: str) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({place})")]
    chosen = ", ".join(changed.get(column, column) for column in columns)
    connection.execute(f"INSERT INTO {place} SELECT {chosen} FROM {place} WHERE {which}")


def read(store: Path, what: str) -> None:
    """Time the commands that read the record."""
    runs = _some_runs(store / "mlflow.db")
    print(f"\n{what}: seconds of processor, wall seconds, megabytes, kilobytes of output")
    commands: Sequence[Sequence[str]] = (
        ("list",),
        ("leaderboard", _NAME),
        ("leaderboard", _NAME, "--sort", "latency"),
        ("leaderboard", _NAME, "-n", "0", "--json"),
        ("show", _NAME),
        ("show", runs[0][:8]),
        ("compare", runs[0][:8], runs[1]),
        ("report", _NAME, "-o", str(store.parent / "report.html")),
    )
    for words in commands:
        cpu, wall, peak, size = _run([*words, "--store", str(store)], store.parent)
        print(f"  {' '.join(words[:4]):44} {cpu:7.2f} {wall:7.2f} {peak:7.0f} {size:9.1f}", flush=True)
    print(f"  the report: {(store.parent / 'report.html').stat().st_size / 1e3:,.0f} KB")


def _some_runs(database: Path) -> list[str]:
    """Ids of two of the trials."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT r.run_uuid FROM runs r JOIN experiments e USING (experiment_id) JOIN tags t ON "
            "t.run_uuid = r.run_uuid AND t.key = 'automl.trial' WHERE e.name = ? ORDER BY t.value LIMIT 2",
            [_NAME],
        ).fetchall()
    return [str(run_id) for (run_id,) in rows]


def _run(words: Sequence[str], folder: Path) -> tuple[float, float, float, float]:
    """Run a command; its seconds of processor, wall seconds, peak megabytes, and kilobytes of output."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "automl", *words],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # the plug-ins, too
            stdout=out,
            stderr=log,
        )
        _, status, used = os.wait4(process.pid, 0)
        if status:
            log.seek(0)
            sys.exit(f"{json.dumps(list(words))} failed:\n{log.read().decode()}")
        size = out.tell() / 1e3
    return used.ru_utime + used.ru_stime, time.perf_counter() - began, used.ru_maxrss / 1e3, size


if __name__ == "__main__":
    main()
