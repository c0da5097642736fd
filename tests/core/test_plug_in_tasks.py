"""A task and a metric of other packages: a whole search with each, without an edit in the package."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import automl as automl_here
from plugged_in import importable, install
from shortened import shortened

import automl
from automl.core.errors import DataError, ModelFileError, UsageError
from automl.core.metrics import METRIC_GROUP, broken_metrics, metrics, refresh_metrics
from automl.core.predictions import Link, Loss
from automl.core.task_choice import (
    TASK_GROUP,
    broken_tasks,
    choose_task,
    refresh_tasks,
    task_class,
    task_from_json,
)
from automl.families import families
from automl.testing import check_family, check_metric, check_task

HERE = Path(__file__).parent
TASK, METRIC = HERE / "tallies.py", HERE / "near_enough.py"
PACKAGE = Path(automl.__file__).parent
POISSON = ("catboost", "kernel", "lightgbm", "linear", "xgboost")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with both packages, and with a task and a metric that cannot be imported."""
    folder = tmp_path_factory.mktemp("site")
    install(TASK, TASK_GROUP, folder, also=[METRIC_GROUP])
    install(METRIC, METRIC_GROUP, folder)
    install(folder / "absent.py", TASK_GROUP, folder, also=[METRIC_GROUP])
    with importable(folder):
        refresh_tasks()
        refresh_metrics()
        yield folder
    refresh_tasks()
    refresh_metrics()


@pytest.fixture(scope="module")
def visits() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    weather = generator.choice(["sun", "rain", "snow"], 240)
    heat = generator.normal(size=240)
    rate = np.exp(0.8 + 0.6 * heat + 0.5 * (weather == "sun"))
    return pd.DataFrame({"weather": weather, "heat": heat, "visits": generator.poisson(rate)})


def started(folder: Path, site: Path, *words: str) -> subprocess.Popen[str]:
    """``automl …`` in a process of its own, which finds the packages."""
    return subprocess.Popen(
        [sys.executable, "-m", "automl", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), str(site)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(folder: Path, site: Path, *words: str) -> str:
    with started(folder, site, *words) as process:
        out, err = process.communicate()
    assert process.returncode == 0, err
    return out


@pytest.fixture(scope="module")
def searched(site: Path, visits: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the record of a search for tallies that was interrupted and resumed."""
    folder = tmp_path_factory.mktemp("tallies")
    visits.to_csv(folder / "parks.csv", index=False)
    words = ("search", "parks.csv", "--target", "visits", "--task", "tallies", "--trials", "4")
    with started(folder, site, *words) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "linear" in line or "lightgbm" in line:
                break
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait() == 130
    result = json.loads(said(folder, site, "resume", "parks", "--json", "--quiet"))
    assert (result["task"], result["metric"]) == ("tallies", "tally_deviance")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_whole_search_for_a_task_of_another_package_is_resumed_and_delivers_a_model(
    searched: Path, site: Path, visits: pd.DataFrame
) -> None:
    store = searched / "mlruns"
    rows = automl.leaderboard("parks", store=store)
    assert (rows["state"] != "failed").all()
    assert len(rows[rows["family"] != "ensemble"]) >= 4
    model = automl.load("parks", store=store)
    predicted = model.predict(visits)
    assert predicted.dtype == np.int64
    assert (predicted >= 0).all()
    error = np.abs(predicted - visits["visits"]).mean()
    assert error < 0.9 * np.abs(visits["visits"] - round(visits["visits"].mean())).mean()
    assert automl_here("report", "parks", "-o", "page.html", folder=searched).returncode == 0
    assert "tally_deviance" in (searched / "page.html").read_text(encoding="utf-8")
    assert "tallies==1.0" in next(store.rglob("requirements.txt")).read_text()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_families_that_do_not_state_its_loss_are_left_out(searched: Path) -> None:
    rows = automl.leaderboard("parks", store=searched / "mlruns")
    assert {"lightgbm", "linear"} <= set(rows["family"]) <= {*POISSON, "dummy", "ensemble"}
    task = choose_task(np.arange(60) % 7, requested="tallies").task
    assert [name for name, family in families().items() if family.handles(task)] == sorted(
        [*POISSON, "dummy", "text_linear"]
    )


@pytest.mark.slow
def test_a_whole_search_for_a_metric_of_another_package(
    site: Path, visits: pd.DataFrame, tmp_path: Path
) -> None:
    visits.assign(visits=visits["visits"] + 0.5).to_csv(tmp_path / "parks.csv", index=False)
    words = ("--target", "visits", "--metric", "near_enough", "--trials", "2", "--families", "linear")
    result = json.loads(said(tmp_path, site, "search", "parks.csv", *words, "--json", "--quiet"))
    assert (result["task"], result["metric"]) == ("regression", "near_enough")
    model = automl.load("parks", store=tmp_path / "mlruns")
    assert model.task.metric is metrics()["near_enough"]
    assert model.task.loss == Loss.ABSOLUTE
    assert automl_here("report", "parks", "-o", "page.html", folder=tmp_path).returncode == 0
    assert "--metric near_enough" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_both_keep_their_contracts(site: Path, visits: pd.DataFrame) -> None:
    check_task(task_class("tallies"), visits["visits"].to_numpy())
    for name in ("tally_deviance", "near_enough"):
        check_metric(metrics()[name])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "catboost")) for name in POISSON]
)
def test_families_with_the_link_log_keep_theirs_for_it(name: str, site: Path) -> None:
    few = {} if name == "linear" else {"n_rounds": 40}
    alone = replace(shortened(families()[name], **few), tasks=frozenset({"tallies"}))
    check_family(alone, targets={"tallies": lambda score: np.floor(np.exp(np.clip(score, 0, 5) / 2))})


def test_a_task_states_its_link_and_refuses_what_it_is_not(site: Path) -> None:
    choice = choose_task(np.array([0, 3, 5, 1] * 20), metric="tally_deviance")
    assert (choice.task.name, choice.task.link) == ("tallies", Link.LOG)
    assert choice.reason == "metric tally_deviance judges the task tallies"
    assert task_from_json(choice.task.to_json()) == choice.task
    assert choose_task(np.array([0, 3, 5] * 20), requested="tallies", metric="mae").task.metric.name == "mae"
    with pytest.raises(DataError, match=r"not a tally in row 2: 0\.5"):
        choose_task(np.array([1.0, 0.5, 2.0]), requested="tallies")


def test_what_is_broken_is_named_and_the_others_are_used(site: Path, tmp_path: Path) -> None:
    assert [one.name for one in (*broken_tasks(), *broken_metrics())] == ["absent", "absent"]
    with pytest.raises(UsageError, match="plug-in for the task 'absent' is broken: ModuleNotFoundError"):
        task_class("absent")
    with pytest.raises(UsageError, match="plug-in for the metric 'absent' is broken"):
        choose_task(np.arange(50) / 7, metric="absent")
    with pytest.raises(UsageError, match=r"There is no task 'tally'\. Did you mean 'tallies'"):
        task_class("tally")
    listed = automl_here("tasks", folder=tmp_path).stdout
    assert re.search(r"^tallies +rmse.* tally_deviance$", listed, re.MULTILINE)


def test_the_packages_of_the_guide_keep_their_contracts(tmp_path: Path) -> None:
    text = (HERE.parent.parent / "docs" / "guides" / "your-own-task.md").read_text(encoding="utf-8")
    for package in ("automl_near", "automl_visitors"):
        code = re.search(rf'title="{package}/__init__.py"\n(.*?)^```', text, re.DOTALL | re.MULTILINE)
        assert code is not None
        (tmp_path / f"{package}.py").write_text(code[1])
        groups = [METRIC_GROUP] if package == "automl_near" else [TASK_GROUP, METRIC_GROUP]
        install(tmp_path / f"{package}.py", groups[0], tmp_path / "site", also=groups[1:])
    with importable(tmp_path / "site"):
        refresh_tasks()
        refresh_metrics()
        check_task(task_class("visitors"), np.random.default_rng(0).poisson(3.0, 200))
        for name in ("near", "visitor_deviance"):
            check_metric(metrics()[name])
    refresh_tasks()
    refresh_metrics()


def test_a_model_whose_task_is_not_installed_says_what_to_do() -> None:
    with pytest.raises(ModelFileError, match="'unheard_of' is not installed here"):
        task_from_json({"name": "unheard_of", "metric": "rmse", "labels": []})


def test_nothing_in_the_package_knows_them() -> None:
    words = re.compile("tall(y|ies)|near[_ -]?enough", re.IGNORECASE)
    assert not [path for path in PACKAGE.rglob("*.py") if words.search(f"{path} {path.read_text()}")]


@pytest.mark.parametrize("toy", [TASK, METRIC], ids=lambda path: path.stem)
def test_they_import_from_the_door_alone(toy: Path) -> None:
    homes = re.findall(r"^(?:from|import) (automl[\w.]*)", toy.read_text(), re.MULTILINE)
    assert homes == ["automl.plugins"]
