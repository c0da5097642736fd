"""Small real searches on record: trials fitted on folds, written by the tracker into temporary stores."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    import pandas as pd

    from automl.core.trial import Trial
    from automl.data.layout import Layout
    from automl.problem.problem import Problem
    from automl.tracker import SearchIds, SearchRecord, StoreLocation
    from automl.tracker.models.succession import Judge


@dataclass(frozen=True)
class FinishedTrials:
    """Trials that were fitted for real on a table with numbers, categories and missing cells."""

    frame: pd.DataFrame
    layout: Layout
    problem: Problem
    trials: dict[int, Trial]

    def record(self, name: str = "flowers") -> SearchRecord:
        from automl.tracker import DatasetRecord, SearchRecord

        kinds = {column.name: str(column.kind) for column in self.layout.columns}
        dataset = DatasetRecord(
            name=name,
            source=f"{name}.csv",
            digest="0123456789abcdef",
            rows=len(self.frame),
            columns=kinds,
        )
        configuration = {"target": self.layout.target_name, "seconds": 60.0, "seed": 3, "families": ["dummy"]}
        return SearchRecord(
            name=name,
            task=self.problem.task,
            layout=self.layout,
            dataset=dataset,
            configuration=configuration,
            split_digest=self.problem.split.digest,
            split_reason=self.problem.split.reason,
            seed=3,
            truth=self.problem.target[self.problem.split.scored],
        )


@dataclass(frozen=True)
class RecordedSearch:
    """A search that is on record, with what was written."""

    location: StoreLocation
    ids: SearchIds
    run_ids: dict[int, str]
    finished: FinishedTrials
    champion: Path


def flowers(*, regression: bool = False) -> pd.DataFrame:
    """Iris with its species as words, a category, a few holes, and labels that start at row 100."""
    import pandas as pd
    from sklearn.datasets import load_iris

    data = load_iris(as_frame=True)
    frame = data.frame.drop(columns="target")
    frame.columns = ["sepal length", "sepal width", "petal length", "petal width"]
    generator = np.random.default_rng(0)
    frame["garden"] = generator.choice(["north", "south", "west"], len(frame))
    frame["count"] = generator.integers(0, 50, len(frame))
    frame.loc[generator.choice(len(frame), 9, replace=False), ["sepal width", "garden"]] = None
    frame.index = pd.RangeIndex(100, 100 + len(frame))
    if regression:
        return frame
    frame["species"] = data.target_names[data.target.to_numpy()]
    return frame


def finish_trials(frame: pd.DataFrame, target: str, candidates: list[Any], folder: Path) -> FinishedTrials:
    """Evaluate the candidates in this process, as a worker would."""
    from automl.core.task_choice import choose_task
    from automl.core.trial import Scores, Ticket, Trial
    from automl.data.layout import Layout
    from automl.executors.evaluate import Control, evaluate
    from automl.problem.fold_rules import SplitPlan, make_split
    from automl.problem.problem import Problem

    task = choose_task(frame[target].to_numpy()).task
    layout = Layout.infer(frame, target=target)
    encoded = task.encode(frame[target].to_numpy())
    split = make_split(encoded, task, SplitPlan(folds=3))
    problem = Problem(table=layout.encode(frame).table, target=encoded, task=task, split=split)
    trials = {}
    for number, candidate in enumerate(candidates):
        place = folder / f"{number:05d}"
        place.mkdir(parents=True)
        result = evaluate(
            Ticket(number=number, candidate=candidate, folder=str(place), seconds=60.0), problem, Control()
        )
        scores = None
        if result.held_out is not None:
            rows = split.scored
            folds = tuple(
                task.metric.score(encoded[fold.valid], result.held_out[np.searchsorted(rows, fold.valid)])
                for fold in split.folds
            )
            scores = Scores(task.metric.score(encoded[rows], result.held_out), 0.01, folds, 0.99)
        trials[number] = Trial(number, candidate).finished(result, scores)
    return FinishedTrials(frame, layout, problem, trials)


@pytest.fixture(scope="session")
def finished_trials(tmp_path_factory: pytest.TempPathFactory) -> FinishedTrials:
    """A dummy, two forests and a trial that failed."""
    from automl.core.trial import Candidate

    candidates = [
        Candidate(family="dummy", origin="portfolio"),
        Candidate(family="random_forest", params={"n_estimators": 20}, seed=1, origin="portfolio"),
        Candidate(family="extra_trees", params={"n_estimators": 20}, seed=2, origin="sampler"),
        Candidate(family="random_forest", params={"no_such_parameter": 1}, seed=3, origin="sampler"),
    ]
    return finish_trials(flowers(), "species", candidates, tmp_path_factory.mktemp("work"))


@pytest.fixture
def fresh_trials(finished_trials: FinishedTrials, tmp_path: Path) -> FinishedTrials:
    """The same with their own copy of the scratch folders, for what deletes them."""
    trials = {}
    for number, trial in finished_trials.trials.items():
        result = trial.result
        assert result is not None
        if result.model_folder:
            copied = tmp_path / "work" / str(number) / "model"
            shutil.copytree(result.model_folder, copied)
            result = replace(result, model_folder=str(copied))
        trials[number] = replace(trial, result=result)
    return replace(finished_trials, trials=trials)


def write_search(
    location: StoreLocation,
    finished: FinishedTrials,
    scratch: Path,
    *,
    name: str = "flowers",
    promote: str = "better",
    judge: Judge | None = None,
    key: str = "",
) -> RecordedSearch:
    """Write the trials, a champion of the two forests, and the summary."""
    from automl.model.predictor import PredictorSource, build_predictor
    from automl.tracker import SearchSummary, Tracker

    folders = {n: Path(t.result.model_folder) for n, t in finished.trials.items() if t.result and t.scores}
    with Tracker(location) as tracker:
        tracker.begin_search(replace(finished.record(name), promote=promote, user="anna", key=key))
        for number, trial in finished.trials.items():
            tracker.finish_trial(trial)
            if trial.scores is not None:
                tracker.best_so_far(number, trial.scores.validation)
        members = ((folders[1], 0.75), (folders[2], 0.25))
        source = PredictorSource(
            name=name, task=finished.problem.task, layout=finished.layout, members=members, facts={"seed": 3}
        )
        shutil.rmtree(scratch / "champion", ignore_errors=True)
        champion = build_predictor(scratch / "champion", source)
        summary = SearchSummary(
            {"schema_version": 1, "name": name, "seconds": 12.5},
            {"test_accuracy": 0.9, "baseline_accuracy": 0.3},
            "**Done.**",
        )
        ids = tracker.finish_search(summary, champion, judge)
        run_ids = tracker.run_ids
    return RecordedSearch(location, ids, run_ids, finished, champion.folder)


@pytest.fixture(scope="session")
def recorded(finished_trials: FinishedTrials, tmp_path_factory: pytest.TempPathFactory) -> RecordedSearch:
    """One search in a store of its own, for tests that only read."""
    from automl.tracker import open_store

    root = tmp_path_factory.mktemp("recorded")
    return write_search(open_store(None, root / "mlruns"), finished_trials, root)


def copied(search: RecordedSearch, root: Path) -> RecordedSearch:
    """The same on record in a store of its own, for what changes it: written anew it takes seconds."""
    from automl.tracker import open_store

    shutil.copytree(search.location.root, root)
    return replace(search, location=open_store(None, root))


def loaded_by_mlflow(uri: str, model: str) -> Any:
    """A pyfunc of the registry at this address, which is not MLflow's any more afterwards."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    try:
        return mlflow.pyfunc.load_model(model)
    finally:
        mlflow.set_tracking_uri(None)


@contextmanager
def served_store(folder: Path) -> Iterator[str]:
    """A tracking server on 127.0.0.1 with its files below a folder; gives its address."""
    import psutil

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{folder / 'server.db'}"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with subprocess.Popen(command, env=environment, **quiet) as process:  # type: ignore[call-overload]
        try:
            ends = time.monotonic() + 120
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
                    break
                except OSError:
                    if time.monotonic() > ends:
                        raise
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}"
        finally:
            server = psutil.Process(process.pid)
            for one in (*server.children(recursive=True), server):
                one.kill()


@pytest.fixture(autouse=True, scope="session")
def _no_tracking_server() -> Iterator[None]:
    """A tracking URI in the environment of whoever runs the tests must not receive them."""
    before = os.environ.pop("MLFLOW_TRACKING_URI", None)
    yield
    if before is not None:
        os.environ["MLFLOW_TRACKING_URI"] = before
