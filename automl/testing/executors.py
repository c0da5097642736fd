"""The contract of executors as checks that anyone can run on theirs: :func:`check_executor`.

What a trial does wrong comes from a model family that misbehaves on demand. It is installed as a real
plug-in (a module and an entry point in a temporary folder on ``sys.path``), so that worker processes find
it as they find any other.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from automl.plugins import (
    FAMILY_GROUP,
    Candidate,
    Event,
    Executor,
    Features,
    Finished,
    Fold,
    ParamValue,
    Problem,
    Progress,
    Split,
    Status,
    Table,
    Ticket,
    TrialResult,
    choose_task,
    refresh_families,
)

MISBEHAVING = "misbehaving"
_PATIENCE_SECONDS = 240.0
_NUMBERS = itertools.count()
_SOURCE = '''
"""A family that does what its parameter says."""

import os
import signal
import time
from dataclasses import dataclass

import numpy as np

from automl.plugins import Family, TrialStopped


@dataclass(frozen=True)
class Params:
    mode: str = "raise"


class Fitted:
    def __init__(self, shares, bulk=0):
        self.shares = shares
        self.bulk = bulk

    def predict(self, inputs):
        return np.tile(self.shares, (inputs.rows, 1))

    def save(self, folder):
        np.save(folder / "shares.npy", self.shares)
        if self.bulk:
            np.save(folder / "bulk.npy", np.arange(self.bulk))


def load(folder):
    return Fitted(np.load(folder / "shares.npy"))


def fit(params, inputs, target, task, context):
    print("about to", params.mode)
    hoard = []
    if params.mode == "raise":
        raise ValueError("this family raises")
    elif params.mode == "nan":
        return Fitted(np.full(task.n_outputs, np.nan))
    elif params.mode == "exit":
        os._exit(3)
    elif params.mode == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif params.mode == "obey":
        while not context.should_stop():
            time.sleep(0.01)
            context.report(0.5, "waiting")
        raise TrialStopped
    while params.mode in ("hang", "hoard"):
        if params.mode == "hoard":
            hoard.append(np.ones(1 << 21))
        time.sleep(0.01)
    return Fitted(task.constant_prediction(target), bulk=1 << 20 if params.mode == "bulky" else 0)


FAMILY = Family(name="misbehaving", summary="Does what it is told.", params=Params, fit=fit, load=load)
'''


def check_executor(make: Callable[[], Executor], *, isolated: bool = True) -> None:
    """Run real trials, good and bad, through executors that ``make`` returns.

    Parameters
    ----------
    make:
        A new executor with two slots or one, not started; each is used for several checks. One that limits
        memory should allow at most about 2 GB, or the check that fills the memory takes long.
    isolated:
        Whether trials run in other processes, where they can be killed and may crash.

    Raises
    ------
    AssertionError
        For the first broken promise.
    """
    with tempfile.TemporaryDirectory() as name, misbehaving_family(Path(name) / "plug-in"):
        folder = Path(name)
        small_problem().save(folder / "problem")
        for checks in (_SHARED, _ISOLATED) if isolated else (_SHARED,):
            with make() as executor:
                executor.start(folder / "problem")
                for check in checks:
                    check(executor, folder / check.__name__.strip("_"))
        if isolated:
            _check_close_leaves_no_process(make, folder)


def small_problem() -> Problem:
    """Iris in three folds."""
    from sklearn.datasets import load_iris

    data = load_iris()
    numbers = np.asarray(data.data, dtype=np.float64)
    rows = len(numbers)
    task = choose_task(np.asarray(data.target)).task
    which = np.arange(rows) % 3
    folds = tuple(Fold(np.flatnonzero(which != i), np.flatnonzero(which == i)) for i in range(3))
    table = Table(Features(tuple(data.feature_names)), numbers, np.zeros((rows, 0), dtype=np.int32))
    return Problem(
        table=table,
        target=task.encode(data.target),
        task=task,
        split=Split(folds, "folds", "every third row"),
    )


@contextmanager
def misbehaving_family(folder: Path) -> Iterator[None]:
    """Install the family ``misbehaving`` in ``folder`` for as long as the block runs.

    Its parameter ``mode``: ``raise``, ``nan``, ``exit``, ``crash``, ``hang``, ``hoard`` (memory), ``obey`` (a
    request to stop), ``bulky`` (a model of 24 MB), ``constant``.
    """
    with installed_family(folder, MISBEHAVING, _SOURCE):
        yield


@contextmanager
def installed_family(folder: Path, name: str, source: str) -> Iterator[None]:
    """Install a family in ``folder``, as a package of somebody else, for as long as the block runs.

    Parameters
    ----------
    name:
        Of the family; its module is ``automl_NAME``.
    source:
        Of that module, in Python, with the family as ``FAMILY``.
    """
    module = f"automl_{name}"
    package = folder / f"{module}-1.dist-info"
    package.mkdir(parents=True)
    (folder / f"{module}.py").write_text(source, encoding="utf-8")
    (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: automl-{name}\nVersion: 1\n")
    (package / "entry_points.txt").write_text(f"[{FAMILY_GROUP}]\n{name} = {module}\n")
    sys.path.insert(0, str(folder))
    refresh_families()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(module, None)
        refresh_families()


def finish(executor: Executor) -> list[Event]:
    """Wait until all slots are idle; every event on the way.

    Raises
    ------
    AssertionError
        When that takes more than four minutes.
    """
    events: list[Event] = []
    until = time.monotonic() + _PATIENCE_SECONDS
    while executor.idle < executor.slots:
        assert time.monotonic() < until, "trials neither ended nor were killed"
        events += executor.wait(1.0)
    return events + executor.wait(0.0)


def ticket(
    folder: Path,
    number: int,
    family: str,
    *,
    seconds: float = 120.0,
    **params: ParamValue,
) -> Ticket:
    """A trial of a family, with its scratch folder below ``folder``."""
    return Ticket(
        number=number,
        candidate=Candidate(family=family, params=dict(params)),
        folder=str(folder / f"trial-{number}"),
        seconds=seconds,
    )


def _new(folder: Path, family: str, *, seconds: float = 120.0, **params: ParamValue) -> Ticket:
    """A ticket whose number no other has: an executor may remember numbers, as a search uses each once."""
    return ticket(folder, next(_NUMBERS), family, seconds=seconds, **params)


def _one(executor: Executor, work: Ticket) -> TrialResult:
    executor.submit(work)
    ends = [event for event in finish(executor) if isinstance(event, Finished)]
    assert [event.number for event in ends] == [work.number], "a ticket must end in one Finished"
    return ends[0].result


def _check_done(result: TrialResult) -> None:
    assert result.status is Status.DONE, f"a dummy must succeed: {result.error}\n{result.traceback}"


def _check_trial(executor: Executor, folder: Path) -> None:
    executor.submit(_new(folder, "dummy"))
    events = finish(executor)
    end = events[-1]
    assert isinstance(end, Finished), "the last event of a trial is Finished"
    result = end.result
    _check_done(result)
    assert result.held_out is not None
    assert result.held_out.shape == (150, 3)
    assert (Path(result.model_folder) / "member.json").is_file()
    firsts = [event for event in events if isinstance(event, Progress) and event.held_out is not None]
    assert len(firsts) == 1, "the first fold's predictions come with its progress, once"


def _check_large_model(executor: Executor, folder: Path) -> None:
    result = _one(executor, _new(folder, MISBEHAVING, mode="bulky"))
    _check_done(result)
    files = sorted(Path(result.model_folder).rglob("bulk.npy"))
    assert len(files) == 3, "a model has the files of every fold"
    for file in files:
        assert np.array_equal(np.load(file), np.arange(1 << 20)), "a model arrives as it was saved"


def _check_slots_are_counted(executor: Executor, folder: Path) -> None:
    assert executor.idle == executor.slots
    work = [_new(folder, MISBEHAVING, mode="constant") for _ in range(executor.slots)]
    for each in work:
        executor.submit(each)
    assert executor.idle == 0
    try:
        executor.submit(_new(folder, "dummy"))
    except RuntimeError:
        pass
    else:
        raise AssertionError("submit() must refuse a ticket when no slot is idle")
    ends = {event.number for event in finish(executor) if isinstance(event, Finished)}
    assert ends == {each.number for each in work}
    assert sum(node.workers for node in executor.nodes()) > 0, "nodes() counts the workers of each machine"
    assert not any(node.running for node in executor.nodes()), "nothing runs when every trial has ended"


def _check_failures_are_results(executor: Executor, folder: Path) -> None:
    result = _one(executor, _new(folder, MISBEHAVING, mode="raise"))
    assert result.status is Status.FAILED
    assert "this family raises" in result.error
    assert "in fit" in result.traceback
    result = _one(executor, _new(folder, MISBEHAVING, mode="nan"))
    assert result.status is Status.FAILED
    assert "NaN" in result.error
    result = _one(executor, _new(folder, "no_such_family"))
    assert result.status is Status.FAILED
    assert "no_such_family" in result.error


def _check_deadline_is_obeyed(executor: Executor, folder: Path) -> None:
    result = _one(executor, _new(folder, MISBEHAVING, seconds=0.5, mode="obey"))
    assert result.status is Status.TIMEOUT, result


def _check_many_trials_leak_nothing(executor: Executor, folder: Path) -> None:
    for _ in range(3):
        _check_done(_one(executor, _new(folder, "dummy")))
    before = _descriptors()
    for _ in range(25):
        _check_done(_one(executor, _new(folder, "dummy")))
    assert _descriptors() <= before, "file descriptors grew over 25 trials"


def _check_stop(executor: Executor, folder: Path) -> None:
    work = _new(folder, MISBEHAVING, mode="obey")
    executor.submit(work)
    while not executor.wait(5.0):
        pass
    executor.stop(work.number)
    end = finish(executor)[-1]
    assert isinstance(end, Finished)
    assert end.result.status is Status.PRUNED, end.result


def _check_kill(executor: Executor, folder: Path) -> None:
    work = _new(folder, MISBEHAVING, mode="hang")
    executor.submit(work)
    executor.wait(0.5)
    executor.kill(work.number)
    end = finish(executor)[-1]
    assert isinstance(end, Finished)
    assert end.result.status is Status.TIMEOUT
    _check_trial(executor, folder / "after")


def _check_hanging_worker_is_killed(executor: Executor, folder: Path) -> None:
    began = time.monotonic()
    result = _one(executor, _new(folder, MISBEHAVING, seconds=1.0, mode="hang"))
    assert result.status is Status.TIMEOUT
    assert time.monotonic() - began < 60.0, "a trial of 1 s was not killed in time"
    _check_trial(executor, folder / "after")


def _check_dead_worker_is_replaced(executor: Executor, folder: Path) -> None:
    result = _one(executor, _new(folder, MISBEHAVING, mode="crash"))
    assert result.status is Status.FAILED
    assert "SIGSEGV" in result.error, result.error
    result = _one(executor, _new(folder, MISBEHAVING, mode="exit"))
    assert result.status is Status.FAILED
    assert "code 3" in result.error, result.error
    _check_trial(executor, folder / "after")


def _check_memory_is_bounded(executor: Executor, folder: Path) -> None:
    result = _one(executor, _new(folder, MISBEHAVING, mode="hoard"))
    assert result.status is Status.OOM, result
    assert "GiB" in result.error, result.error
    _check_trial(executor, folder / "after")


def _check_close_leaves_no_process(make: Callable[[], Executor], folder: Path) -> None:
    import psutil

    before = {child.pid for child in psutil.Process().children(recursive=True)}
    executor = make()
    executor.warm()
    executor.start(folder / "problem")
    executor.submit(_new(folder, MISBEHAVING, mode="hang"))
    executor.wait(1.0)
    # Some of them end by themselves soon after their parent.
    started = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert started, "an isolated executor runs trials in other processes"
    executor.close()
    _, left = psutil.wait_procs(started, timeout=3.0)
    assert not left, f"close() left {left}"


def _descriptors() -> int:
    with suppress(FileNotFoundError):
        return len(os.listdir("/proc/self/fd"))
    return 0


_SHARED = (
    _check_trial,
    _check_large_model,
    _check_slots_are_counted,
    _check_failures_are_results,
    _check_deadline_is_obeyed,
    _check_many_trials_leak_nothing,
)
_ISOLATED = (
    _check_stop,
    _check_kill,
    _check_hanging_worker_is_killed,
    _check_dead_worker_is_replaced,
    _check_memory_is_bounded,
)
