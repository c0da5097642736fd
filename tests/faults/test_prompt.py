"""The question whether to go on with an unfinished search, on a real terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import automl
from automl.controller.folder import unfinished_folders
from automl.controller.watchers import NOBODY

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals")]
SEARCH = ("search", "things.csv", "--target", "label", "--trials", "5", "--families", "linear")


class StopsAfterTwo:
    """A watcher that ends the search after two trials."""

    ended = 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(NOBODY, name)  # type: ignore[no-any-return]

    def finished(self, trial: object, best: float | None) -> None:
        self.ended += 1

    def stop_requested(self) -> bool:
        return self.ended >= 2


@pytest.fixture
def unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a search of five trials that was left after two."""
    rng = np.random.default_rng(0)
    size = rng.normal(size=120)
    label = np.where(size + rng.normal(scale=0.3, size=120) > 0, "yes", "no")
    pd.DataFrame({"size": size, "label": label}).to_csv(tmp_path / "things.csv", index=False)
    monkeypatch.chdir(tmp_path)
    choices: dict[str, Any] = {"trials": 5, "families": ("linear",), "executor": "inline"}
    automl.search("things.csv", target="label", watcher=StopsAfterTwo(), **choices)
    return tmp_path


def asked(folder: Path, answer: str) -> tuple[int, str]:
    """The same command on a pseudo-terminal, answered; its exit code and what the terminal showed."""
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "automl", *SEARCH, "--executor", "inline"],
        cwd=folder,
        stdin=theirs,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "200"},
        start_new_session=True,
        preexec_fn=_take_terminal,  # so that a Ctrl-C typed there is a signal
    )
    os.close(theirs)
    shown, answered = b"", False
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the other end was closed
            break
        if not part:
            break
        shown += part
        if b"[Y/n]" in shown and not answered:
            answered = True
            time.sleep(1)  # as people do: input() drops a Ctrl-C that comes while it flushes
            os.write(ours, answer.encode())
    os.close(ours)
    return process.wait(timeout=200), shown.decode("utf-8", "replace")


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.slow
def test_enter_goes_on_with_it(unfinished: Path) -> None:
    code, shown = asked(unfinished, "\n")
    assert code == 0, shown
    assert "Unfinished: things: 2 of 5 trials" in shown
    assert "Resumed: 2 trials are done already" in shown
    assert unfinished_folders(unfinished / "mlruns") == []


@pytest.mark.slow
def test_no_starts_a_new_search_and_leaves_the_other(unfinished: Path) -> None:
    code, shown = asked(unfinished, "n\n")
    assert code == 0, shown
    assert "Resumed" not in shown
    (left,) = unfinished_folders(unfinished / "mlruns")
    assert left.finished_trials == 2


@pytest.mark.slow
def test_ctrl_c_at_the_question_ends_with_130_and_leaves_it(unfinished: Path) -> None:
    code, shown = asked(unfinished, "\x03")
    assert code == 130, shown
    assert "Traceback" not in shown
    (left,) = unfinished_folders(unfinished / "mlruns")
    assert left.finished_trials == 2
