"""The server that is started before a search is known."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from automl.core.trial import Finished, Status
from automl.executors.first_server import FirstServer
from automl.executors.local import EXECUTOR, LocalExecutor
from automl.testing.executors import finish, small_problem, ticket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")


@pytest.fixture
def early() -> Iterator[FirstServer]:
    EXECUTOR.begin_early()
    server = FirstServer._early
    assert server is not None
    yield server
    FirstServer._end_early()


def test_the_next_search_takes_what_was_started_early(
    tmp_path: Path, early: FirstServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_problem().save(tmp_path / "problem")
    monkeypatch.setenv("AUTOML_WEIGHTS_DIR", str(tmp_path))
    with LocalExecutor(1) as executor:
        executor.warm(())
        executor.start(tmp_path / "problem")
        executor.submit(ticket(tmp_path, 1, "dummy"))
        (end,) = (event for event in finish(executor) if isinstance(event, Finished))
        assert end.result.status is Status.DONE
        worker = psutil.Process(executor._slots[0].worker.pid)
        assert worker.ppid() == early.process.pid
        assert FirstServer._early is None, "the one after it starts its own"
    assert early.process.poll() is not None


def test_one_that_died_is_replaced(tmp_path: Path, early: FirstServer) -> None:
    early.process.kill()
    early.process.wait()
    small_problem().save(tmp_path / "problem")
    with LocalExecutor(1) as executor:
        executor.warm(())
        executor.start(tmp_path / "problem")
        executor.submit(ticket(tmp_path, 1, "dummy"))
        (end,) = (event for event in finish(executor) if isinstance(event, Finished))
    assert end.result.status is Status.DONE


_REFUSED = """
import atexit, sys, psutil
atexit.register(lambda: print(len(psutil.Process().children())))
from automl.cli import main
from automl.executors.first_server import FirstServer
sys.argv = ["automl", "search", "not-there.csv", "--target", "y"]
try:
    main()
finally:
    print(FirstServer._early is not None)
"""


def test_what_no_search_took_ends_with_the_command(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _REFUSED], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert done.stdout.split()[-1] == "0", "no process is left"
