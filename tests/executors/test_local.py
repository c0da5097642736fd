from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from processes import still_running

from automl.core.trial import Finished, Progress, Status, TrialResult
from automl.executors.launch import SpawnLauncher
from automl.executors.local import LocalExecutor
from automl.testing.executors import check_executor, finish, misbehaving_family, small_problem, ticket

GIBIBYTE = 1 << 30


@pytest.fixture
def problem(tmp_path: Path) -> Path:
    small_problem().save(tmp_path / "problem")
    return tmp_path / "problem"


@pytest.fixture
def misbehaving(tmp_path: Path) -> Iterator[None]:
    with misbehaving_family(tmp_path / "plug-in"):
        yield


def quick(workers: int, **given: Any) -> LocalExecutor:
    """One that loads at its start what the simplest models need: torch, for one, takes seconds."""
    executor = LocalExecutor(workers, **given)
    executor.warm(())
    return executor


def only_result(executor: LocalExecutor) -> TrialResult:
    (end,) = (event for event in finish(executor) if isinstance(event, Finished))
    return end.result


@pytest.mark.slow
def test_contract() -> None:
    check_executor(lambda: quick(2, memory_bytes=GIBIBYTE))


@pytest.mark.slow
def test_contract_where_workers_are_spawned(tmp_path: Path) -> None:
    check_executor(lambda: LocalExecutor(2, memory_bytes=GIBIBYTE, launcher=SpawnLauncher(tmp_path)))


def test_a_spawned_worker_runs_trials(tmp_path: Path, problem: Path) -> None:
    with LocalExecutor(1, launcher=SpawnLauncher(tmp_path)) as executor:
        executor.start(problem)
        executor.submit(ticket(tmp_path, 1, "dummy"))
        assert only_result(executor).status is Status.DONE


def test_killed_worker_is_named_with_its_signal_and_its_last_words(
    tmp_path: Path, problem: Path, misbehaving: None
) -> None:
    with quick(1) as executor:
        executor.start(problem)
        executor.submit(ticket(tmp_path, 1, "misbehaving", mode="crash"))
        result = only_result(executor)
    assert "SIGSEGV" in result.error
    assert "about to crash" in result.traceback
    assert "in fit" in result.traceback, "faulthandler's stack is kept"


def wait_for_life(executor: LocalExecutor, *numbers: int) -> None:
    """Until these trials have said how far they are; a test that waits for ever has a time limit."""
    silent = set(numbers)
    while silent:
        silent -= {event.number for event in executor.wait(30) if isinstance(event, Progress)}


def wait_for_words(executor: LocalExecutor, words: str) -> None:
    """Until a worker has printed them."""
    while not any(words in log.read_text() for log in executor._folder.glob("worker-*.log")):
        executor.wait(0.2)


def kill_worker(executor: LocalExecutor) -> None:
    """Wait for a sign of life of the only trial, and kill its worker."""
    wait_for_life(executor, 1)
    (worker,) = (slot.worker.pid for slot in executor._slots)
    assert worker is not None
    os.kill(worker, signal.SIGKILL)


def test_a_trial_whose_worker_is_killed_from_outside_runs_again_once(
    tmp_path: Path, problem: Path, misbehaving: None
) -> None:
    with quick(1) as executor:
        executor.start(problem)
        executor.submit(ticket(tmp_path, 1, "misbehaving", mode="obey"))
        kill_worker(executor)
        kill_worker(executor)
        result = only_result(executor)
        assert result.status is Status.FAILED
        assert "SIGKILL" in result.error
        (node,) = executor.nodes()
        assert (node.workers, node.running, node.lost) == (1, (), 2)
        assert node.returned >= 1


def test_the_machine_running_full_ends_the_largest_trial(
    tmp_path: Path, problem: Path, misbehaving: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with quick(2) as executor:
        executor.start(problem)
        executor.submit(ticket(tmp_path, 2, "misbehaving", mode="obey"))
        wait_for_life(executor, 2)
        executor.submit(ticket(tmp_path, 1, "misbehaving", mode="hoard"))
        wait_for_words(executor, "about to hoard")
        executor.wait(1)
        # A machine cannot be filled in a test: this one says that it is.
        monkeypatch.setattr("automl.executors.local.available_bytes", lambda: 1 << 20)
        ended: list[Finished] = []
        while not ended:
            ended += [event for event in executor.wait(10) if isinstance(event, Finished)]
        monkeypatch.undo()
    assert [event.number for event in ended] == [1]
    assert "left on this machine" in ended[0].result.error


def test_the_servers_death_costs_its_trials_only(tmp_path: Path, problem: Path) -> None:
    with LocalExecutor(1) as executor:
        executor.start(problem)
        executor.submit(ticket(tmp_path, 1, "dummy"))
        assert only_result(executor).status is Status.DONE
        os.killpg(executor._launcher._first.process.pid, signal.SIGKILL)  # type: ignore[attr-defined]
        executor.wait(1.0)
        executor.submit(ticket(tmp_path, 2, "dummy"))
        assert only_result(executor).status is Status.DONE


def test_workers_die_with_a_killed_controller(tmp_path: Path, problem: Path, misbehaving: None) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(tmp_path / 'plug-in')!r})\n"
        "from automl.executors.local import LocalExecutor\n"
        "from automl.testing.executors import ticket\n"
        "executor = LocalExecutor(2)\n"
        "executor.warm(())\n"
        f"executor.start(Path({str(problem)!r}))\n"
        f"executor.submit(ticket(Path({str(tmp_path)!r}), 1, 'misbehaving', mode='hang'))\n"
        "while not any('about to' in log.read_text() for log in executor._folder.glob('worker-*.log')):\n"
        "    executor.wait(0.2)\n"
        "print('running', flush=True)\n"
        "executor.wait(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"running\n"
        started = psutil.Process(process.pid).children(recursive=True)
        assert len(started) >= 3, "servers and workers"
        process.kill()
    left = still_running(started, seconds=60)
    assert not left, left


@pytest.mark.parametrize("way", ["file", "stdin"])
def test_an_unguarded_script_runs_once(tmp_path: Path, problem: Path, way: str) -> None:
    script = (
        "from pathlib import Path\n"
        "print('top of the script', flush=True)\n"
        "from automl.executors.local import LocalExecutor\n"
        "from automl.testing.executors import finish, ticket\n"
        "with LocalExecutor(2) as executor:\n"
        "    executor.warm(())\n"
        f"    executor.start(Path({str(problem)!r}))\n"
        f"    executor.submit(ticket(Path({str(tmp_path)!r}), 1, 'dummy'))\n"
        "    print(finish(executor)[-1].result.status)\n"
    )
    path = tmp_path / "script.py"
    path.write_text(script, encoding="utf-8")
    command = [sys.executable, "-"] if way == "stdin" else [sys.executable, str(path)]
    with path.open() as text:
        done = subprocess.run(
            command, stdin=text, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=True
        )
    assert done.stdout.splitlines() == ["top of the script", "done"]
    assert done.stderr == ""


def test_ctrl_c_reaches_the_controller_alone(tmp_path: Path, problem: Path, misbehaving: None) -> None:
    with quick(1) as executor:
        executor.start(problem)
        executor.submit(ticket(tmp_path, 1, "misbehaving", mode="obey"))
        wait_for_life(executor, 1)
        (worker,) = (slot.worker.pid for slot in executor._slots)
        assert worker is not None
        assert os.getpgid(worker) != os.getpgid(0), "the terminal signals its foreground group"
        os.kill(worker, signal.SIGINT)
        executor.wait(0.5)
        executor.stop(1)
        assert only_result(executor).status is Status.PRUNED


@pytest.mark.slow
def test_libraries_are_loaded_by_the_time_a_trial_needs_them(tmp_path: Path, problem: Path) -> None:
    with LocalExecutor(1) as executor:
        executor.start(problem)
        executor.submit(ticket(tmp_path, 1, "dummy"))
        assert only_result(executor).status is Status.DONE
        launcher = executor._launcher
        until = time.monotonic() + 200
        while not launcher.loaded(("torch",)) and time.monotonic() < until:
            executor.wait(0.2)
        (slot,) = executor._slots
        first = slot.worker.pid
        executor.submit(ticket(tmp_path, 2, "dummy"))
        assert only_result(executor).status is Status.DONE
        assert slot.worker.pid == first, "what needs no library is no reason for another worker"
        executor.submit(ticket(tmp_path, 3, "tabular_net", seconds=60.0))
        assert only_result(executor).status is Status.DONE
        assert slot.worker.pid != first, "the worker makes room for one that has torch"
        executor.submit(ticket(tmp_path, 4, "linear"))
        assert only_result(executor).status is Status.DONE
        assert launcher.suits(slot.worker, ("torch", "sklearn"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not fork")
def test_libraries_that_would_load_too_long_are_left_alone_and_a_trial_that_needs_them_runs(
    tmp_path: Path, problem: Path
) -> None:
    with LocalExecutor(1) as executor:
        executor.warm(patience=1e-9)
        executor.start(problem)
        executor.submit(ticket(tmp_path, 1, "dummy"))
        assert only_result(executor).status is Status.DONE
        assert not executor.loaded(("torch",))
        assert not executor.loaded(("sklearn",))
        assert executor.loaded(())
        executor.submit(ticket(tmp_path, 2, "extra_trees", seconds=60.0))
        assert only_result(executor).status is Status.DONE


def test_threads_are_those_of_the_problem(tmp_path: Path, problem: Path) -> None:
    with quick(1) as executor:
        executor.start(problem)
        executor.submit(ticket(tmp_path, 1, "dummy"))
        assert only_result(executor).status is Status.DONE
        (slot,) = executor._slots
        assert psutil.Process(slot.worker.pid).environ()["OMP_NUM_THREADS"] == "1"
