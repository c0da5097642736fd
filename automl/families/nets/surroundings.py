"""The surroundings of a frozen net's run: threads, device, whom it tells, who uses all cores."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from automl.data.cache import lock_file, root_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Surroundings:
    """The place and time of a net's run, the callback for its progress, and the GPU's room.

    Attributes
    ----------
    report:
        ``report(done, in all)``.
    """

    threads: int | None = None
    device: str = "cpu"
    should_stop: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = _log.warning
    report: Callable[[int, int], None] = lambda done, all_of_them: None


@contextmanager
def all_cores(cache: Path) -> Iterator[bool]:
    """True in a process that may use every core: one at a time may, whatever it computes."""
    with (root_of(cache) / "cores.lock").open("a") as file:
        yield lock_file(file)  # closing the file gives it back, as does the death of the process
