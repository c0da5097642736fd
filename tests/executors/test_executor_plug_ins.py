"""Executors of other packages: chosen by name, used for a whole search, named where they are broken."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import automl as automl_here
from plugged_in import importable, install

import automl
from automl.cli.examples import write_example
from automl.core.errors import UsageError
from automl.executors import broken_executors, executor_type, executor_types, refresh_executors
from automl.executors.base import EXECUTOR_GROUP, Allowance
from automl.testing import check_executor

TOY = Path(__file__).with_name("borrowed_threads.py")
NAME = TOY.stem
PACKAGE = Path(automl.__file__).parent


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """The toy beside a plug-in that cannot be imported; the folder that both are in."""
    folder = install(TOY, EXECUTOR_GROUP, tmp_path / "site")
    install(tmp_path / "absent.py", EXECUTOR_GROUP, folder)
    with importable(folder):
        refresh_executors()
        yield folder
    refresh_executors()


def command(folder: Path, plug_ins: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``automl …`` in a process of its own, which finds the packages in ``plug_ins``."""
    paths = [str(PACKAGE.parent), str(plug_ins)]
    return subprocess.run(
        [sys.executable, "-m", "automl", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )


def test_it_keeps_the_contract(installed: Path) -> None:
    check_executor(lambda: executor_type(NAME).make(Allowance()), isolated=False)


@pytest.mark.slow
def test_a_whole_search_runs_on_it_from_the_command_line(installed: Path, tmp_path: Path) -> None:
    write_example("wine", tmp_path)
    words = ("--target", "class", "--trials", "3", "--families", "linear,extra_trees")
    words += ("--executor", NAME, "--json", "--quiet")
    done = command(tmp_path, installed, "search", "wine.csv", *words)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["best"]["validation"] > 0.9 or said["metric"] == "log_loss"
    report = automl_here("report", "wine", "-o", "wine.html", folder=tmp_path)
    assert report.returncode == 0, report.stderr
    assert (tmp_path / "wine.html").is_file()
    rows = automl.leaderboard("wine", store=tmp_path / "mlruns")
    assert (rows["state"] != "failed").all()
    model = automl.load("wine", store=tmp_path / "mlruns")
    assert (model.predict(tmp_path / "wine.csv") == said_classes(tmp_path)).mean() > 0.8


def said_classes(folder: Path) -> list[str]:
    import pandas as pd

    return pd.read_csv(folder / "wine.csv")["class"].tolist()


def test_nothing_in_the_package_knows_it() -> None:
    words = re.compile(NAME.replace("_", "[_ -]?"), re.IGNORECASE)
    assert not [path for path in PACKAGE.rglob("*.py") if words.search(f"{path} {path.read_text()}")]


def test_it_imports_from_the_door_alone() -> None:
    homes = re.findall(r"^from (automl[\w.]*)|^import (automl[\w.]*)", TOY.read_text(), re.MULTILINE)
    assert homes == [("automl.plugins", "")]


def test_a_broken_one_is_named_and_the_others_are_used(installed: Path, tmp_path: Path) -> None:
    assert [broken.name for broken in broken_executors()] == ["absent"]
    assert list(executor_types()) == ["local", "inline", "ray", NAME]
    with pytest.raises(UsageError, match=r"plug-in for the executor 'absent' is broken: ModuleNotFoundError"):
        executor_type("absent")
    listed = automl_here("executors", folder=tmp_path)
    assert NAME in listed.stdout
    assert "absent" in listed.stderr
    assert "BROKEN: ModuleNotFoundError" in listed.stderr


def test_an_unknown_one_is_refused_before_the_data_is_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no executor 'locale'\. Did you mean 'local'"):
        automl.search(tmp_path / "nothing.csv", target="y", executor="locale")
