"""How the cases are driven: the command line in this process, in a folder of its own, as a user would."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from automl.cli import main

QUICK = ("--trials", "1", "--families", "dummy", "--executor", "inline")


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    def refused(self, code: int, *words: str) -> None:
        """One error of this code, no traceback, with these words and a way out."""
        assert self.code == code, self.err
        assert any(line.startswith(f"Error E{code}: ") for line in self.err.splitlines()), self.err
        assert "Traceback" not in self.err
        for word in words:
            assert word in self.err, f"{word!r} is not in: {self.err}"

    def worked(self, *words: str) -> None:
        """Exit code 0, with these words on stderr or stdout."""
        assert self.code == 0, self.err
        assert "Traceback" not in self.err
        text = self.out + self.err
        for word in words:
            assert word in text, f"{word!r} is not in: {text}"


Cli = Callable[..., Outcome]


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose tables are made: that takes longer than all else that a small search does."""
    from automl.tracker import open_store
    from automl.tracker.store.location import connect

    root = tmp_path_factory.mktemp("empty") / "mlruns"
    connect(open_store(None, root))
    return root


@pytest.fixture
def cli(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    empty_store: Path,
) -> Cli:
    """Run a command in ``tmp_path``; ``search`` gets one quick trial unless families are named."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(empty_store, tmp_path / "mlruns")

    def run(*arguments: str) -> Outcome:
        if arguments[0] == "search" and "--families" not in arguments:
            arguments = ("search", *QUICK, *arguments[1:])
        monkeypatch.setattr(sys, "argv", ["automl", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capfd.readouterr()
        return Outcome(int(stop.value.code or 0), out, err)

    return run


def honest() -> pd.DataFrame:
    """Sixty honest rows: two numbers, a category, two classes and a quantity."""
    random = np.random.default_rng(0)
    x, z = random.normal(size=60), random.exponential(size=60)
    return pd.DataFrame(
        {
            "x": x.round(4),
            "z": z.round(4),
            "colour": random.choice(["red", "green", "blue"], 60),
            "y": np.where(x + random.normal(size=60) > 0, "good", "bad"),
            "price": (3 * x + z + random.normal(size=60)).round(4),
        }
    )


@pytest.fixture
def frame() -> pd.DataFrame:
    """A copy of them for each test."""
    return honest()


@pytest.fixture(scope="session")
def linear_store(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """A store with one search, ``data``, of the honest rows without their price."""
    import automl

    root = tmp_path_factory.mktemp("linear") / "mlruns"
    shutil.copytree(empty_store, root)
    options = {"families": ["linear"], "trials": 2, "executor": "inline", "name": "data"}
    automl.search(honest().drop(columns="price"), target="y", store=root, **options)
    return root


@pytest.fixture
def searched(cli: Cli, write: Callable[..., str], linear_store: Path, tmp_path: Path) -> pd.DataFrame:
    """That store and its ``data.csv`` in the folder of the test; returns the rows without their target."""
    shutil.rmtree(tmp_path / "mlruns")
    shutil.copytree(linear_store, tmp_path / "mlruns")
    write(honest().drop(columns="price"))
    return honest().drop(columns=["price", "y"])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Write a frame, text or bytes into the folder of the test; returns the file's name."""

    def to(content: pd.DataFrame | str | bytes, name: str = "data.csv") -> str:
        if isinstance(content, pd.DataFrame):
            content = content.to_csv(index=False)
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return name

    return to
