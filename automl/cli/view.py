"""What a search looks like while it runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from automl.cli.terminal import printable
from automl.cli.words import trial_line
from automl.trial import Progress, Status, Trial
from automl.wording import duration, score_text

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from automl.preparation import Prepared

_HEAD = 8
_WARNINGS = 8


class View:
    """Base of the views: counts, the best score, and the interrupt flag.

    The first Ctrl-C or SIGTERM asks the search to end and keep its best; the second ends it at once.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._seconds: float | None = None
        self._interrupted = False
        self._before: list[tuple[signal.Signals, Any]] = []
        self.metric = ""
        self.running: dict[int, tuple[Trial, float, Progress | None]] = {}
        self.ended: list[Trial] = []
        self.best: float | None = None

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

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True
        self.say("Interrupted: keeping the best so far. Once more ends at once.")

    def stop_requested(self) -> bool:
        """Whether the user asked the search to end."""
        return self._interrupted

    def preparing(self, fraction: float, message: str) -> None:
        """Images are being decoded."""

    def prepared(self, prepared: Prepared, name: str, seconds: float | None, elapsed: float) -> None:
        """The data was read: say what was decided and why."""
        self._began = time.monotonic() - elapsed
        self._seconds = seconds
        self.metric = prepared.task.metric.name
        for line in describe_data(prepared, name):
            self.say(line)

    def started(self, trial: Trial) -> None:
        """A trial was handed to a worker."""
        self.running[trial.number] = (trial, time.monotonic(), None)

    def progressed(self, progress: Progress) -> None:
        """A running trial said how far it is."""
        if progress.number in self.running:
            trial, began, _ = self.running[progress.number]
            self.running[progress.number] = (trial, began, progress)

    def finished(self, trial: Trial, best: float | None) -> None:
        """A trial ended."""
        self.running.pop(trial.number, None)
        self.ended.append(trial)
        self.best = best

    def ticked(self) -> None:
        """About ten times a second."""

    def say(self, line: str) -> None:
        """One line for people."""

    def close(self) -> None:
        """The search is over."""

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
    """A timestamped line per event, for logs and pipes."""

    def __init__(self, stream: IO[str]) -> None:
        super().__init__()
        self._stream = stream

    def say(self, line: str) -> None:
        """One line."""
        print(line, file=self._stream, flush=True)

    def finished(self, trial: Trial, best: float | None) -> None:
        """One line per trial, with the ensemble's score and what is left."""
        super().finished(trial, best)
        mark = "" if best is None else f"  best {score_text(best)}"
        self.say(f"{self.elapsed:7.1f}s  {trial_line(trial, self.metric)}{mark}  {self.left}".rstrip())


class LiveView(View):
    """A table that is redrawn in place: the leaderboard's head, what runs, the clock."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        from rich.live import Live

        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._drawn = 0.0

    def preparing(self, fraction: float, message: str) -> None:
        """A bar that is written over."""
        bar = "█" * round(30 * fraction)
        self._console.print(f"{message} {bar:30} {fraction:4.0%}", end="\r", highlight=False, markup=False)

    def prepared(self, prepared: Prepared, name: str, seconds: float | None, elapsed: float) -> None:
        """Say what was decided, then begin to draw."""
        super().prepared(prepared, name, seconds, elapsed)
        self._live.start()

    def say(self, line: str) -> None:
        """One line above the table."""
        self._console.print(line, highlight=False, markup=False)

    def finished(self, trial: Trial, best: float | None) -> None:
        """Failures stay on the screen as lines."""
        super().finished(trial, best)
        if trial.result is not None and trial.result.status in (Status.FAILED, Status.OOM):
            self.say(trial_line(trial, self.metric))

    def ticked(self) -> None:
        """Redraw four times a second."""
        if time.monotonic() - self._drawn > 0.25:
            self._drawn = time.monotonic()
            self._live.update(self._picture(), refresh=True)

    def close(self) -> None:
        """Take the table away."""
        self._live.stop()

    def _picture(self) -> RenderableType:
        from rich.console import Group
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=None, pad_edge=False, header_style="bold")
        for title, justify in (("#", "right"), ("family", "left"), (self.metric, "right"), ("time", "right")):
            table.add_column(title, justify=justify)  # type: ignore[arg-type]
        scored = [trial for trial in self.ended if trial.scores is not None]
        for trial in sorted(scored, key=self._rank)[:_HEAD]:
            assert trial.scores is not None
            assert trial.result is not None
            spread = f"{score_text(trial.scores.validation)} ±{trial.scores.standard_error:.2g}"
            table.add_row(str(trial.number), trial.candidate.family, spread, duration(trial.result.seconds))
        lines: list[RenderableType] = [table, Text()]
        for trial, began, progress in self.running.values():
            part = "" if progress is None else f"  {progress.fraction:4.0%} {progress.message}"
            age = duration(time.monotonic() - began)
            lines.append(Text(f"running #{trial.number} {trial.candidate.family}  {age}{part}", style="dim"))
        best = "none yet" if self.best is None else f"{self.metric} {score_text(self.best)}"
        clock = f"{duration(self.elapsed)} used  {self.left}"
        lines.append(Text(f"ensemble {best}   {len(self.ended)} trials   {clock}", style="bold"))
        return Group(*lines)

    def _rank(self, trial: Trial) -> float:
        from automl.metrics import METRICS

        assert trial.scores is not None
        known = METRICS.get(self.metric)
        value = trial.scores.validation
        return -value if known is None or known.greater_is_better else value


def view_for(stream: IO[str], *, quiet: bool) -> View:
    """The view that fits the stream: live on a terminal, lines elsewhere, none when quiet."""
    if quiet:
        return QuietView()
    if not stream.isatty():
        return PlainView(stream)
    from rich.console import Console

    return LiveView(Console(file=stream))


def describe_data(prepared: Prepared, name: str) -> list[str]:
    """What was read and decided, one line per decision with its reason."""
    task = prepared.task
    features = prepared.layout.features
    counts = (
        *((features.numbers, "numbers"), (features.categories, "categories")),
        *((features.texts, "texts"), (features.images, "images")),
    )
    shown = ", ".join(f"{len(names)} {what}" for names, what in counts if names)
    lines = [
        f"{name}: {prepared.rows:,} rows, {shown}",
        f"  task    {task.name}: {prepared.choice.reason}",
        f"  metric  {task.metric.name}: {prepared.choice.metric_reason}",
        f"  split   {prepared.problem.split.reason}",
    ]
    test = prepared.test
    lines.append(
        f"  test    {test.source if test else 'none below 5,000 rows; pass --test FILE for an honest score'}"
    )
    lines += [f"  note    {note}" for note in prepared.notes]
    left_out = [f for f in prepared.findings if f.code in ("constant", "id") and f.severity == "note"]
    if left_out:
        named = ", ".join(f"{finding.column!r} ({finding.code})" for finding in left_out[:8])
        more = f" and {len(left_out) - 8} more" if len(left_out) > 8 else ""
        lines.append(f"  left out {named}{more}; --keep COLUMN keeps one")
    matters = [finding for finding in prepared.findings if finding.severity != "note"]
    lines += [f"  {f.severity:7} {f.evidence} {f.remedy}".rstrip() for f in matters[:_WARNINGS]]
    if len(matters) > _WARNINGS:
        lines.append(f"  and {len(matters) - _WARNINGS} more warnings: `automl check` lists all")
    return [printable(line) for line in lines]
