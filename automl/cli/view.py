"""What a search looks like while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import FrameType, TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from automl.cli.events import EventLog
from automl.cli.live import Running, Snapshot
from automl.cli.terminal import printable
from automl.controller.watchers import trial_line
from automl.core.errors import SearchInterrupted
from automl.core.table import Kind
from automl.core.text import counted, duration, score_text
from automl.core.trial import Progress, Status, Trial
from automl.problem.splits import TEST_ROWS_FROM

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from automl.controller.result import SearchResult
    from automl.problem.preparation import Prepared

_DRAW_SECONDS = 0.25
_MEMORY_SECONDS = 1.0
_LINE_SECONDS = 10.0
_WARNINGS = 8
ENSEMBLE = "ensemble"


class Ended(KeyboardInterrupt):
    """The second signal: the search ends at once."""

    def __init__(self, exit_code: int) -> None:
        super().__init__()
        self.exit_code = exit_code


class View:
    """Base of the views: counts, the best score, the event log and the interrupt flag.

    The first Ctrl-C or SIGTERM asks the search to end and keep its best; the second ends it at once.
    """

    def __init__(self, events: EventLog | None = None) -> None:
        self.events = events
        self._began = time.monotonic()
        self._seconds: float | None = None
        self._signal = 0
        self._said = False
        self._ended_at_once = False
        self._before: list[tuple[signal.Signals, Any]] = []
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

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before.append((number, signal.signal(number, self._interrupt)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)
        self.close()
        if isinstance(error, SearchInterrupted):
            error.exit_code = self.exit_code
        if self.events is not None:
            if error is not None:
                self.events.failed(error)
            self.events.close()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        """Only notes it: printing in here could meet a print that it interrupted."""
        if self._signal and self._ended_at_once:
            os._exit(self.exit_code)  # what a third one finds is stuck; all that matters is on disk
        if self._signal:
            self._ended_at_once = True
            raise Ended(self.exit_code)
        self._signal = number

    @property
    def exit_code(self) -> int:
        """130 after Ctrl-C, 143 after SIGTERM."""
        return 128 + (self._signal or signal.SIGINT)

    def stop_requested(self) -> bool:
        """Whether the user asked the search to end."""
        if self._signal and not self._said:
            self._said = True
            self.say("Interrupted: keeping the best so far. Once more ends at once.")
        return bool(self._signal)

    def warned(self, message: str) -> None:
        """Something goes wrong that the search survives."""
        self.say(f"warning: {message}")

    def unfinished(self, name: str, description: str) -> bool:
        """The same search is there unfinished: whether to go on with it instead of starting again."""
        if sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty():
            import click

            noted = signal.signal(signal.SIGINT, signal.default_int_handler)  # nothing runs: just leave
            try:
                return click.confirm(f"Unfinished: {description}. Go on with it?", default=True, err=True)
            finally:
                signal.signal(signal.SIGINT, noted)
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
        self.say(f"Resumed: {len(trials)} trials are there already, {duration(spent)} used.")

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
        """A running trial said how far it is."""
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
        self.ended.append(trial)
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
        known = [score for score in (self.best, *scores) if score is not None]
        return (max if self.greater_is_better else min)(known, default=None)

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
        """What is left of the budget, for people."""
        return "" if self._seconds is None else f"{duration(max(0.0, self._seconds - self.elapsed))} left"


class QuietView(View):
    """Says nothing but obeys interrupts."""


class PlainView(View):
    """A timestamped line per trial, and one on the whole search every ten seconds, for logs and pipes."""

    def __init__(self, stream: IO[str], events: EventLog | None = None) -> None:
        super().__init__(events)
        self._stream = stream
        self._told = time.monotonic()

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
        """The last line."""
        super().delivered(result)
        self.say(self.progress_line("done", word="result"))

    def progress_line(self, state: str, *, word: str = "best") -> str:
        """How far the search is: ``20 s of 60 s · 9 trials · best accuracy 0.971 (lightgbm) · 2 running``."""
        budget = "" if self._seconds is None else f" of {duration(self._seconds)}"
        parts = [f"  {duration(self.elapsed)}{budget}", counted(len(self.ended), "trial")]
        if self.best is not None:
            parts.append(f"{word} {self.metric} {score_text(self.best)} ({self.leader})")
        return " · ".join([*parts, state])

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now - self._told < _LINE_SECONDS:
            return False
        self._told = now
        return True


class LiveView(View):
    """A picture that is redrawn in place: the leaderboard's head, what runs, the ensemble, the budgets."""

    def __init__(
        self,
        console: Console,
        events: EventLog | None = None,
        *,
        trials: int | None = None,
        memory_bytes: int = 0,
    ) -> None:
        super().__init__(events)
        from rich.live import Live

        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._plain = not console.encoding.lower().startswith("utf")
        self._trials = trials
        self._memory = (0, memory_bytes)
        self._drawn = self._measured = 0.0
        self._bar = 0

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
        """Redraw four times a second."""
        now = time.monotonic()
        if now - self._drawn > _DRAW_SECONDS:
            self._drawn = now
            if now - self._measured > _MEMORY_SECONDS:
                self._measured = now
                self._memory = (memory_in_use(), self._memory[1])
            self._live.update(self._picture(), refresh=True)

    def close(self) -> None:
        """Take the picture away."""
        self._live.stop()

    def snapshot(self) -> Snapshot:
        """What there is to see now."""
        return Snapshot(
            self.name,
            self.metric,
            self.greater_is_better,
            self.elapsed,
            self._seconds,
            self._trials,
            tuple(self.ended),
            tuple(self.running.values()),
            tuple(self.curve),
            self.ensemble,
            self.weights,
            self._memory,
            bool(self._signal),
        )

    def _picture(self) -> RenderableType:
        from automl.cli.live import picture

        width, height = self._console.size
        return picture(self.snapshot(), width, height, plain=self._plain)


def view_for(
    stream: IO[str],
    *,
    quiet: bool,
    events: str | None = None,
    trials: int | None = None,
    memory_bytes: int = 0,
) -> View:
    """The view that fits the stream: live on a terminal, lines elsewhere, none when quiet."""
    log = None if events is None else EventLog(events)
    if quiet:
        return QuietView(log)
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return PlainView(stream, log)
    from rich.console import Console

    return LiveView(Console(file=stream), log, trials=trials, memory_bytes=memory_bytes)


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


def describe_data(prepared: Prepared, name: str) -> list[str]:
    """What was read and decided, one line per decision with its reason."""
    task = prepared.task
    kinds = [column.kind for column in prepared.layout.columns]
    used = (Kind.NUMBER, Kind.CATEGORY, Kind.TEXT, Kind.DATE, Kind.IMAGE)
    shown = ", ".join(counted(kinds.count(kind), kind.value) for kind in used if kind in kinds)
    rows = f"{prepared.rows:,} images" if kinds == [Kind.IMAGE] else f"{prepared.rows:,} rows, {shown}"
    lines = [
        f"{name}: {rows}",
        f"  task    {task.name}: {prepared.choice.reason}",
        f"  metric  {task.metric.name}: {prepared.choice.metric_reason}",
        f"  split   {prepared.problem.split.reason}",
    ]
    test = prepared.test
    why = f"none below {TEST_ROWS_FROM:,} rows" if prepared.rows < TEST_ROWS_FROM else "none was set aside"
    lines.append(f"  test    {test.source if test else f'{why}; pass --test FILE for an honest score'}")
    lines += [f"  note    {note}" for note in prepared.notes]
    left_out = [f for f in prepared.findings if f.code in ("constant", "id") and f.severity == "note"]
    if left_out:
        named = ", ".join(f"{finding.column!r} ({finding.code})" for finding in left_out[:8])
        more = f" and {len(left_out) - 8} more" if len(left_out) > 8 else ""
        kept = next((finding.column for finding in left_out if finding.code == "id"), left_out[0].column)
        which = "it" if len(left_out) == 1 else "that one"
        lines.append(f"  left out {named}{more}; --keep {shlex.quote(str(kept))} keeps {which}")
    matters = [finding for finding in prepared.findings if finding.severity != "note"]
    lines += [f"  {f.severity:7} {f.evidence} {f.remedy}".rstrip() for f in matters[:_WARNINGS]]
    if len(matters) > _WARNINGS:
        lines.append(f"  and {len(matters) - _WARNINGS} more warnings: `automl check` lists all")
    return [printable(line) for line in lines]
