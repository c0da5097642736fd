"""The folder that a command starts in: its files stand for no library; blanks in its name do no harm."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from command_line import automl

from automl.core.trial import Finished, Status
from automl.executors.launch import SpawnLauncher
from automl.executors.local import LocalExecutor
from automl.testing.executors import finish, small_problem, ticket

COMMAND = (str(Path(sys.executable).with_name("automl")),)
MODULE = (sys.executable, "-m", "automl")
# What Python itself loads for -m before any program is beyond a program: types.py is not among these.
LIBRARIES = ("random", "torch", "numpy", "statistics", "secrets", "pandas", "lightgbm", "tensorflow")
SEARCH = ("search", "data.csv", "--target", "y", "--trials", "2", "--families", "lightgbm")


def plant(folder: Path, *names: str) -> None:
    """Files that say so in ``imported`` when anything takes them for a library."""
    for name in names:
        mark = f"open({str(folder / 'imported')!r}, 'a').write({name + ' '!r})"
        (folder / f"{name}.py").write_text(f"{mark}\nraise RuntimeError('a file of the user was imported')\n")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame = pd.DataFrame({"x": range(60), "c": list("abc") * 20, "y": [i % 7 + 0.5 for i in range(60)]})
    frame.to_csv(tmp_path / "data.csv", index=False)
    return tmp_path


def refuse_strangers(folder: Path, *words: str) -> None:
    done = run(folder, *words)
    assert done.returncode == 0, done.stderr
    assert "BROKEN" not in done.stderr
    assert not (folder / "imported").exists()


@pytest.mark.slow
def test_files_named_like_libraries_stand_for_none(folder):
    plant(folder, *LIBRARIES, "types")
    refuse_strangers(folder, *COMMAND, *SEARCH)
    refuse_strangers(folder, *COMMAND, "predict", "data", "data.csv", "-o", "out.csv")


@pytest.mark.slow
def test_they_stand_for_none_where_python_starts_the_module(folder):
    plant(folder, *LIBRARIES)
    refuse_strangers(folder, *MODULE, "check", "data.csv", "--target", "y")
    refuse_strangers(folder, *MODULE, "families")


AS_A_MODULE = """\
import runpy, sys
sys.argv = ["automl", "--version"]
try:
    runpy.run_module("automl", run_name="__main__")
except SystemExit:
    import mine
    print("found", mine.__file__)
"""


def test_pythonpath_still_leads_to_the_working_folder(folder):
    (folder / "mine.py").write_text("")
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    command = ("env", f"PYTHONPATH={path}", sys.executable, "-c", AS_A_MODULE)
    assert f"found {folder / 'mine.py'}" in run(folder, *command).stdout


def test_a_spawned_worker_takes_no_file_of_the_folder_for_a_library(folder, monkeypatch):
    small_problem().save(folder / "problem")
    plant(folder, *LIBRARIES, "types", "socket", "pickle")
    monkeypatch.chdir(folder)
    with LocalExecutor(1, launcher=SpawnLauncher(folder)) as executor:
        executor.start(folder / "problem")
        executor.submit(ticket(folder, 1, "dummy"))
        (end,) = (event for event in finish(executor) if isinstance(event, Finished))
    assert end.result.status is Status.DONE
    assert not (folder / "imported").exists()
    assert "PYTHONSAFEPATH" not in os.environ


SCRIPT = """\
open("started", "a").write("once ")
import automl

def closeness(actual, predicted):
    return -float(abs(actual - predicted).max())

"""
CALL = (
    "automl.search('data.csv', target='y', trials=2, families=['lightgbm'], metric=closeness, name='mine')\n"
)


GUARD = 'if __name__ == "__main__":\n    '


@pytest.mark.slow
@pytest.mark.parametrize("guard", ["", GUARD])
def test_a_metric_out_of_a_script_with_blanks_in_its_path_runs_once(folder, guard):
    there = folder / "my folder"
    there.mkdir()
    (folder / "data.csv").rename(there / "data.csv")
    (there / "run me.py").write_text(SCRIPT + guard + CALL)
    done = run(there, sys.executable, "run me.py")
    assert done.returncode == 0, done.stderr
    assert (there / "started").read_text() == "once "
    board = automl("leaderboard", "mine", "--json", folder=there).stdout
    assert board.count('"kind": "trial"') == 2
    assert '"lightgbm"' in board
