"""What the parts of a search cost, one figure each, the best of several rounds on an otherwise idle machine.

    python benchmarks/speed.py

Each part runs in a process of its own with one thread, so that no figure depends on what ran before. CPU
seconds count all threads of the process; milliseconds are wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from automl.core.table import Table
    from automl.core.tasks import Task
    from automl.data.layout import Layout

_ROUNDS = 5
_FIGURES: dict[str, tuple[str, Callable[[Path], float]]] = {}


def main() -> None:
    """Measure the named parts, all by default, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_FIGURES)}; all by default")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.parts) - set(_FIGURES))
    if unknown:
        parser.error(f"{unknown[0]!r} is none of {', '.join(_FIGURES)}")
    if arguments.one:
        with tempfile.TemporaryDirectory(prefix="speed-") as folder:
            print(json.dumps(_FIGURES[arguments.parts[0]][1](Path(folder))))
        return
    print(f"{'part':18s} {'best':>10s} {'median':>10s}  unit")
    for name in arguments.parts or _FIGURES:
        values = [_measured(name) for _ in range(_ROUNDS)]
        print(
            f"{name:18s} {min(values):10.3f} {float(np.median(values)):10.3f}  {_FIGURES[name][0]}",
            flush=True,
        )


def _measured(name: str) -> float:
    done = subprocess.run(
        [sys.executable, __file__, "--one", name],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def _figure(name: str, unit: str) -> Callable[[Callable[[Path], float]], Callable[[Path], float]]:
    def register(measure: Callable[[Path], float]) -> Callable[[Path], float]:
        _FIGURES[name] = unit, measure
        return measure

    return register


def _best_ms(call: Callable[[], object], rounds: int = 10) -> float:
    call()
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds) * 1000


@_figure("help", "CPU s of automl --help")
def _help(folder: Path) -> float:
    import resource

    subprocess.run([sys.executable, "-m", "automl", "--help"], check=True, capture_output=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@_figure("wide_layout", "s to infer and encode 200 rows of 10,000 columns")
def _wide_layout(folder: Path) -> float:
    import pandas as pd

    from automl.data.layout import Layout

    values = np.random.default_rng(0).normal(size=(200, 10_000))
    frame = pd.DataFrame(values, columns=[f"x{i}" for i in range(10_000)])
    began = time.perf_counter()
    Layout.infer(frame).encode(frame)
    return time.perf_counter() - began


@_figure("encode", "ms to encode 1000 rows of 8 numbers and 8 categories")
def _encode(folder: Path) -> float:
    from automl.data.layout import Layout

    frame = _mixed(5_000)
    layout = Layout.infer(frame, target="y")
    head = frame.head(1000)
    return _best_ms(lambda: layout.encode(head))


@_figure("tree_matrix", "ms to prepare 1000 encoded rows for boosted trees")
def _tree_matrix(folder: Path) -> float:
    from automl.families.preprocess.tree_matrix import TreeMatrix

    table, target, task = _problem(5_000)
    matrix, _ = TreeMatrix.fit(table, target, task)
    rows = table.take(np.arange(1000))
    return _best_ms(lambda: matrix.transform(rows))


@_figure("forest_predict", "ms for 1000 rows in a forest of 100 trees")
def _forest_predict(folder: Path) -> float:
    from automl.core.family import FitContext
    from automl.families import families

    table, target, task = _problem(5_000)
    family = families()["random_forest"]
    model = family.fit(family.params(min_samples_leaf=3), table, target, task, FitContext())
    rows = table.take(np.arange(1000))
    return _best_ms(lambda: model.predict(rows))


@_figure("linear_fit", "s for the path of a linear model on 200,000 rows of 20 numbers")
def _linear_fit(folder: Path) -> float:
    from automl.core.family import FitContext
    from automl.core.table import Features, Table
    from automl.core.task_choice import choose_task
    from automl.families import families

    generator = np.random.default_rng(0)
    values = generator.normal(size=(200_000, 20))
    labels = np.where(values[:, 0] + generator.normal(size=200_000) > 0, "yes", "no").astype(object)
    task = choose_task(labels).task
    features = Features(tuple(f"x{i}" for i in range(20)))
    table = Table(features, values, np.empty((200_000, 0), np.int32))
    family = families()["linear"]
    target = task.encode(labels)
    context = FitContext(valid=(table.take(np.arange(1000)), target[:1000]))
    began = time.perf_counter()
    family.fit(family.params(), table, target, task, context)
    return time.perf_counter() - began


@_figure("checks", "CPU s of the data checks on 50,000 rows of 16 columns")
def _checks(folder: Path) -> float:
    import automl

    frame = _mixed(50_000)
    automl.check(frame.head(1000), target="y")
    began = time.process_time()
    automl.check(frame, target="y")
    return time.process_time() - began


@_figure("tracking", "CPU s to record a search of 40 trials, MLflow's import and a new store included")
def _tracking(folder: Path) -> float:
    from dataclasses import replace

    from automl.core.trial import Candidate, Scores, Ticket, Trial
    from automl.executors.evaluate import Control, evaluate
    from automl.problem.fold_rules import SplitPlan, make_split
    from automl.problem.problem import Problem
    from automl.tracker import DatasetRecord, SearchRecord, SearchSummary, Tracker, open_store

    table, target, task = _problem(500)
    split = make_split(target, task, SplitPlan(folds=5))
    problem = Problem(table=table, target=target, task=task, split=split)
    trials = []
    for number, family in enumerate(("dummy", "linear", "random_forest", "lightgbm")):
        candidate = Candidate(family=family, params={}, seed=number)
        place = folder / str(number)
        place.mkdir()
        result = evaluate(
            Ticket(number=number, candidate=candidate, folder=str(place), seconds=60.0), problem, Control()
        )
        trials.append(Trial(number, candidate).finished(result, Scores(0.5, 0.1, (0.5,) * 5, 0.6)))
    layout = _layout(500)
    dataset = DatasetRecord(
        name="speed", source="speed.csv", digest="0" * 16, rows=500, columns={"y": "category"}
    )
    record = SearchRecord(
        name="speed",
        task=task,
        layout=layout,
        dataset=dataset,
        configuration={},
        split_digest=split.digest,
        split_reason=split.reason,
    )
    began = time.process_time()
    with Tracker(open_store(None, folder / "mlruns")) as tracker:
        tracker.begin_search(record)
        for number in range(40):
            tracker.finish_trial(replace(trials[number % 4], number=number))
            tracker.best_so_far(number, 0.5)
        tracker.finish_search(SearchSummary({}))
    return time.process_time() - began


@_figure("leaderboard", "s of automl leaderboard as a process, on a search of 8 trials")
def _leaderboard(folder: Path) -> float:
    import automl

    automl.search(
        _mixed(500), target="y", trials=8, families=["linear"], name="speed", store=folder, executor="inline"
    )
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "automl", "leaderboard", "speed", "--store", str(folder)],
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - began


def _mixed(rows: int) -> pd.DataFrame:
    """Eight numbers, eight categories and a target with two classes."""
    import pandas as pd

    generator = np.random.default_rng(0)
    frame = pd.DataFrame(generator.normal(size=(rows, 8)), columns=[f"x{i}" for i in range(8)])
    for i, levels in enumerate((2, 3, 5, 8, 12, 30, 60, 120)):
        frame[f"c{i}"] = np.char.add("level ", generator.integers(0, levels, rows).astype(str))
    score = frame["x0"] + (frame["c1"] == "level 1") + generator.normal(size=rows)
    return frame.assign(y=np.where(score > 0.3, "yes", "no"))


def _layout(rows: int) -> Layout:
    from automl.data.layout import Layout

    return Layout.infer(_mixed(rows), target="y")


def _problem(rows: int) -> tuple[Table, np.ndarray, Task]:
    from automl.core.task_choice import choose_task

    frame = _mixed(rows)
    labels = frame["y"].to_numpy(dtype=object)
    task = choose_task(labels).task
    return _layout(rows).encode(frame).table, task.encode(labels), task


if __name__ == "__main__":
    main()
