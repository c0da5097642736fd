"""Views of a running search: silent, as plain lines, or live on a terminal; interrupts are caught here."""

from __future__ import annotations

import os
import queue
import shlex
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import FrameType, TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from automl.cli.data_lines import describe_data
from automl.cli.events import EventLog
from automl.cli.live_picture import Running
from automl.controller.live_sign import node_news
from automl.controller.watchers import trial_line
from automl.core.errors import SearchInterrupted
from automl.core.nodes import NodeState
from automl.core.text import counted, duration, score_text
from automl.core.trial import Progress, Trial

if TYPE_CHECKING:
    from automl.controller.result import SearchResult
    from automl.executors.base import Capacity
    from automl.problem.preparation import Prepared

_LINE_SECONDS = 10.0
_NOTICED_SECONDS = 1.0
"""Seconds in which a search that runs notices a signal itself."""
ENSEMBLE = "ensemble"


class Stopped(KeyboardInterrupt):
    """The second signal: the search stops at once."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


class View:
    """Base of the views: counts, the best score, the event log and the interrupt flag.

    The first Ctrl-C or SIGTERM asks the search to stop and keep its best; the second stops it at once.
    """

    def __init__(self, events: EventLog | None = None) -> None:
        self.events = events
        self._began = time.monotonic()
        self._seconds: float | None = None
        self._signal = 0
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()  # its put may interrupt another one
        self._said = False
        self._stopped_at_once = False
        self._handlers: list[tuple[signal.Signals, Any]] = []
        self.name = ""
        self.metric = ""
        self.greater_is_better = True
        self.running: dict[int, Running] = {}
        self.ended: list[Trial] = []
        self.best: float | None = None
        self.leader = ""
        self.ensemble: float | None = None
        self.curve: list[tuple[float, float]] = []
        self.weights: Mapping[int, float] = {}
        self.nodes: tuple[NodeState, ...] = ()

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers.append((number, signal.signal(number, self._interrupt)))
        threading.Thread(target=self._answer_late, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers:
            signal.signal(number, handler)
        self._signals.put(0)
        self.close()
        if isinstance(error, SearchInterrupted):
            error.exit_code = self.exit_code
        if self.events is not None:
            if error is not None:
                self.events.failed(error)
            self.events.close()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Note the signal: printing in here could meet a print that it interrupted."""
        if self._signal and self._stopped_at_once:
            os._exit(self.exit_code)  # a third one finds it stuck; all that matters is on disk
        if self._signal:
            self._stopped_at_once = True
            raise Stopped(self.exit_code)
        self._signal = number
        self._signals.put(number)

    def _answer_late(self) -> None:
        """Answer a signal that the search takes a while to notice, as it is still reading or connecting."""
        if self._signals.get():
            time.sleep(_NOTICED_SECONDS)
            self._answer("stopping as soon as this step ends")

    def _answer(self, what: str) -> None:
        """Say once what the first signal does."""
        if not self._said:
            self._said = True
            self.say(f"Interrupted: {what}. Press again to stop now.")

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self._signal or signal.SIGINT)

    def placed(self, capacity: Capacity) -> None:
        """Ignored: the live view alone shows the limit of the memory."""

    def stop_requested(self) -> bool:
        """Return whether the user asked the search to stop."""
        if self._signal:
            self._answer("keeping the best so far")
        return bool(self._signal)

    def warned(self, message: str) -> None:
        """Say what goes wrong that the search survives."""
        self.say(f"warning: {message}")

    def unfinished(self, name: str, description: str) -> bool:
        """Ask whether to continue the same search, which is there unfinished, instead of starting again."""
        if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
            import click

            handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # nothing runs: just leave
            try:
                return click.confirm(f"Unfinished: {description}. Go on with it?", default=True, err=True)
            finally:
                signal.signal(signal.SIGINT, handler)
        self.say(
            f"Unfinished: {description}. `automl resume {shlex.quote(name)}` goes on; this is a new search."
        )
        return False

    def restored(self, trials: Sequence[Trial], best: float | None, spent: float) -> None:
        """These trials ended before the search was interrupted."""
        self.ended.extend(trials)
        self.ensemble = best
        self.best = self._better(best, *(trial.scores.validation for trial in trials if trial.scores))
        self.leader = next(
            (
                trial.candidate.family
                for trial in trials
                if trial.scores and trial.scores.validation == self.best
            ),
            ENSEMBLE,
        )
        self.say(f"Resumed: {len(trials)} trials are done already, {duration(spent)} used.")

    def preparing(self, fraction: float, message: str) -> None:
        """Images are being decoded."""

    def prepared(self, prepared: Prepared, name: str, seconds: float | None, elapsed: float) -> None:
        """The data was read: say what was decided and why."""
        self._began = time.monotonic() - elapsed
        self._seconds = seconds
        self.name = name
        self.metric = prepared.task.metric.name
        self.greater_is_better = prepared.task.metric.greater_is_better
        if self.events is not None:
            self.events.prepared(prepared, name, seconds, elapsed)
        for line in describe_data(prepared, name):
            self.say(line)

    def started(self, trial: Trial) -> None:
        """A trial was handed to a worker."""
        self.running[trial.number] = Running(trial, time.monotonic())
        if self.events is not None:
            self.events.started(trial)

    def progressed(self, progress: Progress) -> None:
        """A running trial reported its progress."""
        if progress.number in self.running:
            self.running[progress.number] = replace(self.running[progress.number], progress=progress)
            if self.events is not None:
                self.events.progressed(progress)

    def weighed(self, weights: Mapping[int, float]) -> None:
        """The best ensemble so far, by trial number."""
        self.weights = weights

    def finished(self, trial: Trial, best: float | None) -> None:
        """A trial ended; the ensemble may not have taken it in yet."""
        self.running.pop(trial.number, None)
        self.ended.append(trial.lean())
        self.ensemble = best
        own = None if trial.scores is None else trial.scores.validation
        best = self._better(best, own)
        if best is not None and best != self.best:
            self.curve.append((self.elapsed, best))
            self.best = best
            self.leader = trial.candidate.family if best == own else ENSEMBLE
        if self.events is not None:
            self.events.finished(trial, best)

    def _better(self, *scores: float | None) -> float | None:
        """The best of these scores and of the best so far."""
        present = [score for score in (self.best, *scores) if score is not None]
        return (max if self.greater_is_better else min)(present, default=None)

    def located(self, nodes: tuple[NodeState, ...]) -> None:
        """Say which nodes and workers were lost or came back."""
        for line in node_news(self.nodes, nodes):
            self.say(line)
        self.nodes = nodes

    def ticked(self) -> None:
        """About ten times a second."""

    def delivered(self, result: SearchResult) -> None:
        """The search is over and has a result, which may score otherwise than what led on the way."""
        self.best, self.leader = result.best.validation, result.best.family
        if self.events is not None:
            self.events.ended(result)

    def say(self, line: str) -> None:
        """One line for people."""

    def close(self) -> None:
        """Nothing more is shown."""

    @property
    def elapsed(self) -> float:
        """Seconds since the search began."""
        return time.monotonic() - self._began

    @property
    def left(self) -> str:
        """The rest of the budget, for people."""
        return "" if self._seconds is None else f"{duration(max(0.0, self._seconds - self.elapsed))} left"


class QuietView(View):
    """A view that says nothing but obeys interrupts."""


class PlainView(View):
    """A timestamped line per trial, and one on the whole search every ten seconds, for logs and pipes."""

    def __init__(self, stream: IO[str], events: EventLog | None = None) -> None:
        super().__init__(events)
        self._stream = stream
        self._said_at = time.monotonic()

    def say(self, line: str) -> None:
        """One line."""
        print(line, file=self._stream, flush=True)

    def preparing(self, fraction: float, message: str) -> None:
        """Images are being decoded: a line every ten seconds."""
        if self._is_due():
            self.say(f"  {message} {fraction:.0%}")

    def finished(self, trial: Trial, best: float | None) -> None:
        """One line per trial, with the best score so far and what is left."""
        super().finished(trial, best)
        word = ENSEMBLE if self.leader == ENSEMBLE else "best"
        mark = "" if self.best is None else f"  {word} {score_text(self.best)}"
        self.say(f"{self.elapsed:7.1f}s  {trial_line(trial, self.metric)}{mark}  {self.left}".rstrip())

    def ticked(self) -> None:
        """A line on the whole search every ten seconds."""
        if self._is_due():
            self.say(self.progress_line(f"{len(self.running)} running"))

    def delivered(self, result: SearchResult) -> None:
        """The last line, with the search's time as all pages state it."""
        super().delivered(result)
        self.say(self.progress_line("done", word="result", seconds=result.seconds))

    def progress_line(self, state: str, *, word: str = "best", seconds: float | None = None) -> str:
        """The state, ``20 s of 60 s · 9 trials · best accuracy 0.971 (lightgbm) · 2 running``."""
        budget = "" if self._seconds is None else f" of {duration(self._seconds)}"
        passed = duration(self.elapsed if seconds is None else seconds)
        parts = [f"  {passed}{budget}", counted(len(self.ended), "trial")]
        if self.best is not None:
            parts.append(f"{word} {self.metric} {score_text(self.best)} ({self.leader})")
        return " · ".join([*parts, state])

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now - self._said_at < _LINE_SECONDS:
            return False
        self._said_at = now
        return True
