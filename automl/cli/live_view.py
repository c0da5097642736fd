"""The view on a terminal, a picture that is redrawn in place; and the view that fits a stream."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING

from automl.cli.events import EventLog
from automl.cli.live_picture import Snapshot, picture
from automl.cli.view import PlainView, QuietView, View
from automl.controller.watchers import trial_line
from automl.core.trial import Status, Trial

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from automl.executors.base import Capacity
    from automl.problem.preparation import Prepared

_DRAW_SECONDS = 0.25
_DRAW_SHARE = 0.05
"""Of the time, what drawing may take: a picture of thousands of trials is drawn less often."""
_MEMORY_SECONDS = 1.0


class LiveView(View):
    """A picture that is redrawn in place: the leaderboard's head, what runs, the ensemble, the budgets."""

    def __init__(
        self,
        console: Console,
        events: EventLog | None = None,
        *,
        trials: int | None = None,
    ) -> None:
        super().__init__(events)
        from rich.live import Live

        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._plain = not console.encoding.lower().startswith("utf")
        self._trials = trials
        self._memory_bytes = self._memory_limit = 0
        self._drawn = self._measured = self._took = 0.0
        self._bar = 0

    def placed(self, capacity: Capacity) -> None:
        """Show the limit of the memory beside what is in use."""
        self._memory_limit = capacity.memory_bytes

    def preparing(self, fraction: float, message: str) -> None:
        """A bar that is written over."""
        bar = ("#" if self._plain else "█") * round(30 * fraction)
        line = f"{message} {bar:30} {fraction:4.0%}"[: self._console.width - 1]
        self._console.print(line, end="\r", highlight=False, markup=False)
        self._bar = max(self._bar, len(line))

    def prepared(self, prepared: Prepared, name: str, seconds: float | None, elapsed: float) -> None:
        """Say what was decided, then begin to draw."""
        super().prepared(prepared, name, seconds, elapsed)
        self._live.start()

    def say(self, line: str) -> None:
        """One line above the picture, in place of a bar."""
        if self._bar:
            self._console.print(" " * self._bar, end="\r")
            self._bar = 0
        self._console.print(line, highlight=False, markup=False)

    def finished(self, trial: Trial, best: float | None) -> None:
        """Failures stay on the screen as lines."""
        super().finished(trial, best)
        if trial.result is not None and trial.result.status in (Status.FAILED, Status.OOM):
            self.say(trial_line(trial, self.metric))

    def ticked(self) -> None:
        """Redraw four times a second at most."""
        now = time.monotonic()
        if now - self._drawn > max(_DRAW_SECONDS, self._took / _DRAW_SHARE):
            self._drawn = now
            if now - self._measured > _MEMORY_SECONDS:
                self._measured = now
                self._memory_bytes = memory_in_use()
            began = time.thread_time()
            self._live.update(self._picture(), refresh=True)
            self._took = time.thread_time() - began

    def close(self) -> None:
        """Take the picture away."""
        self._live.stop()

    def snapshot(self) -> Snapshot:
        """The state that is shown now."""
        return Snapshot(
            name=self.name,
            metric=self.metric,
            greater_is_better=self.greater_is_better,
            elapsed=self.elapsed,
            seconds=self._seconds,
            trials=self._trials,
            ended=tuple(self.ended),
            running=tuple(self.running.values()),
            best=tuple(self.curve),
            ensemble=self.ensemble,
            weights=self.weights,
            memory_bytes=self._memory_bytes,
            memory_limit=self._memory_limit,
            nodes=self.nodes,
            interrupted=bool(self._signal),
        )

    def _picture(self) -> RenderableType:
        width, height = self._console.size
        return picture(self.snapshot(), width, height, plain=self._plain)


def memory_in_use() -> int:
    """Bytes of this process and its workers; what they share counts once where the system tells (Linux)."""
    import psutil

    here = psutil.Process()
    total = 0
    for process in (here, *here.children(recursive=True)):
        with suppress(psutil.Error):
            used = process.memory_full_info()
            total += getattr(used, "pss", used.rss)
    return total


def view_for(
    stream: IO[str],
    *,
    quiet: bool,
    events: str | None = None,
    trials: int | None = None,
) -> View:
    """The view that fits the stream: live on a terminal, lines elsewhere, none when quiet."""
    log = None if events is None else EventLog(events)
    if quiet:
        return QuietView(log)
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return PlainView(stream, log)
    from rich.console import Console

    return LiveView(Console(file=stream), log, trials=trials)
