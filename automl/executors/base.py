"""The contract between the controller and whatever runs its trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from automl.core.trial import Event, Result, Status, Ticket
from automl.core.whole_files import settle


def settled(result: Result) -> Result:
    """The result once the disk has its models: what is told must outlive a crash of the machine."""
    if not result.model_folder:
        return result
    try:
        settle(Path(result.model_folder))
    except OSError as error:
        return Result(Status.FAILED, seconds=result.seconds, error=f"OSError: {error}")
    return result


class Executor(Protocol):
    """Runs trials: a ticket goes in, events come out; every ticket ends in exactly one ``Finished``.

    Only one thread may use an executor.
    """

    @property
    def slots(self) -> int:
        """How many trials can run at the same time."""
        ...

    @property
    def idle(self) -> int:
        """How many tickets :meth:`submit` takes now."""
        ...

    def warm(self, libraries: Sequence[str] | None = None, patience: float | None = None) -> None:
        """Begin to load libraries in the background, before the problem is known; optional.

        Given what the search's families import, no others are loaded; and none that would take more than
        ``patience`` seconds, except those that every model needs.
        """
        ...

    def loaded(self, libraries: Sequence[str]) -> bool:
        """Whether a trial that needs these libraries finds them loaded, as far as that can be had."""
        ...

    def start(self, problem_folder: Path, *, slots: int | None = None) -> None:
        """Take the problem that ``Problem.save`` wrote; returns at once.

        ``slots`` replaces the number of the constructor, for callers who know the data only now.
        """
        ...

    def submit(self, ticket: Ticket) -> None:
        """Run this trial; its time limit counts from now.

        Raises
        ------
        RuntimeError
            When no slot is idle.
        """
        ...

    def wait(self, seconds: float) -> list[Event]:
        """The events since the last call, oldest first; waits up to ``seconds`` for the first one.

        Limits of time and memory are enforced in here: call it often.
        """
        ...

    def demand(self) -> tuple[float, float]:
        """Seconds that running trials ran on a processor and waited for one, since the last call."""
        ...

    def stop(self, number: int) -> None:
        """Ask the running trial of this number to stop; it ends as ``pruned``, or in time as ``done``."""
        ...

    def kill(self, number: int) -> None:
        """End the running trial of this number now, as a ``timeout``."""
        ...

    def close(self) -> None:
        """End everything; no process is left behind. What still runs gives no result."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
