"""Fixtures that all tests share; they are written in ``searched.py``, which tests may import from too."""

import gc
import os
import signal
from collections.abc import Iterator

# Before a library starts its threads: each process of tests computes with one. Several processes share the
# cores, and threads that wait for one another spin: a search of five linear models took 27 s of processor
# time beside other work, and 7 s with one thread.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import pytest
from hypothesis import settings
from searched import _no_tracking_server, finished_trials, fresh_trials, recorded

__all__ = ["_no_tracking_server", "finished_trials", "fresh_trials", "recorded"]

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, so that a change and not a draw turns a test red; `-m slow` draws new ones.
settings.register_profile("stable", derandomize=True)
settings.load_profile("stable")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    """Searches in the tests' own process compute with one thread, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("automl.executors.inline.cores", lambda: 1)
        yield


@pytest.fixture(autouse=True, scope="session")
def _thawed_at_the_end() -> Iterator[None]:
    """Whatever is left when Python ends can be collected: some libraries complain of what is not."""
    yield
    gc.unfreeze()


def pytest_runtest_setup() -> None:
    """Let the garbage collector pass over what was there before a test, once that is much.

    Every trial collects garbage, to state its peak of memory. A process that has collected thousands of tests
    and loaded every library holds some two million objects, which each collection would visit.
    """
    if len(gc.get_objects()) > 40_000:  # those that are passed over do not count
        gc.collect()
        gc.freeze()
