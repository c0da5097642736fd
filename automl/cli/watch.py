"""``automl watch``: follow a search that runs elsewhere, from the record alone."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Protocol

import click

from automl.cli.click_options import store_options
from automl.core import errors
from automl.core.errors import AutoMLError, StorageError
from automl.core.text import counted, duration, printable, score_text
from automl.problem.options import duration as seconds_of

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from automl.cli.live_picture import Snapshot
    from automl.tracker.live import LiveState
    from automl.tracker.reading.watching import Sighting

_LINE_SECONDS = 10.0
INTERRUPTED = 130


@click.command()
@click.argument("name")
@click.option(
    "--patience", default="60s", show_default=True, metavar="60s", help="Silence after which it seems dead."
)
@store_options
def watch(name: str, patience: str, tracking_uri: str | None, store: str) -> int:
    """Follow a search that runs elsewhere until it ends: a picture on a terminal, else a line every 10 s.

    NAME is that of the search, or the id of its run. It needs the record alone, be it a folder, a database or
    a server; Ctrl-C ends it, and leaves the search alone. The exit code is that of the search: 0 when it
    finished, 130 when it was interrupted, and 6 when it gave no sign of life for so long that it
    seems dead.

    \b
    Examples:
      automl watch wine
      automl watch wine --tracking-uri http://record.example.org:5055
      automl watch wine --patience 10m > watch.log
    """
    from automl.tracker.reading.watching import watch as look

    limit = seconds_of(patience, "--patience")
    sightings = look(name, patience=limit, tracking_uri=tracking_uri, store=store)
    last = _shown(sightings, _stage(sys.stdout))
    if last.running:
        raise StorageError(_dead(last))
    return _conclude(last, sys.stdout)


class Stage(Protocol):
    """The place where a search is shown."""

    def show(self, sighting: Sighting) -> None:
        """Show how it looks now."""

    def close(self) -> None:
        """Take the picture away, if there is one."""


def _stage(stream: IO[str]) -> Stage:
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        return Lines(stream)
    from rich.console import Console

    return Picture(Console(file=stream))


def _shown(sightings: Iterable[Sighting], stage: Stage) -> Sighting:
    """Show one after the other; returns the last one."""
    last: Sighting | None = None
    try:
        for last in sightings:
            stage.show(last)
    finally:
        stage.close()
    assert last is not None
    return last


class Lines:
    """A line every ten seconds, for scripts and logs."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._said: float | None = None

    def show(self, sighting: Sighting) -> None:
        """Say how it is, where that is due; the last sign of a search that is over says nothing any more."""
        if not sighting.running:
            return
        now = time.monotonic()
        if self._said is None or now - self._said >= _LINE_SECONDS:
            self._said = now
            print(printable(line(sighting)), file=self._stream, flush=True)

    def close(self) -> None:
        """Do nothing: lines stay."""


class Picture:
    """The picture of a running search, redrawn in place; what is new is said above it."""

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._plain = not console.encoding.lower().startswith("utf")
        self._curve: list[tuple[float, float]] = []
        self._told = 0

    def show(self, sighting: Sighting) -> None:
        """Draw it."""
        from rich.text import Text

        if not self._live.is_started:
            self._live.start()
        state = sighting.state
        if state is None:
            self._live.update(Text(printable(line(sighting))), refresh=True)
            return
        for number, words in state.news:
            if number > self._told:
                self._told = number
                self._console.print(printable(words), highlight=False, markup=False)
        if state.best is not None and (not self._curve or self._curve[-1][1] != state.best):
            self._curve.append((state.elapsed, state.best))
        self._live.update(self._page(sighting, state), refresh=True)

    def _page(self, sighting: Sighting, state: LiveState) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        from automl.cli.live_picture import picture

        width, height = self._console.size
        shot = snapshot(sighting, state, self._curve)
        remark = _remark(sighting)
        parts = [picture(shot, width, height - bool(remark), plain=self._plain)]
        return Group(*parts, Text(printable(remark), style="yellow")) if remark else Group(*parts)

    def close(self) -> None:
        """Take the picture away."""
        self._live.stop()


def line(sighting: Sighting) -> str:
    """In one line: ``wine · 20s of 60s · 9 trials · best accuracy 0.971 (lightgbm) · 2 running``."""
    state = sighting.state
    if state is None:
        parts = [sighting.name, f"{sighting.status}, no sign of its progress"]
        return " · ".join([*parts, *filter(None, [_remark(sighting)])])
    budget = "" if state.seconds is None else f" of {duration(state.seconds)}"
    trials = counted(state.finished, "trial")
    if state.trials is not None:
        trials = f"{state.finished} of {counted(state.trials, 'trial')}"
    parts = [sighting.name, f"{duration(state.elapsed + _age(sighting))}{budget}", trials]
    parts += [f"{state.ended[kind]} {kind}" for kind in ("failed", "oom", "timeout") if state.ended.get(kind)]
    if state.best is not None:
        parts.append(f"best {sighting.metric} {score_text(state.best)} ({state.leader})")
    parts += [f"{state.at_work} running" if state.at_work else "choosing and saving", *_node_words(state)]
    return " · ".join([*parts, *filter(None, [_remark(sighting)])])


def _node_words(state: LiveState) -> list[str]:
    """The nodes, where there are several or workers were lost."""
    words = []
    away = sum(node.away for node in state.nodes)
    lost, returned = sum(node.lost for node in state.nodes), sum(node.returned for node in state.nodes)
    if len(state.nodes) > 1:
        busy = sum(bool(node.running) for node in state.nodes)
        words.append(f"{busy} of {len(state.nodes)} nodes busy")
    if away:
        words.append(f"{counted(away, 'node')} gone")
    if lost:
        words.append(f"{counted(lost, 'worker')} lost, {returned} replaced")
    return words


def _age(sighting: Sighting) -> float:
    return min(sighting.silent, 10.0) if sighting.running else 0.0


def _remark(sighting: Sighting) -> str:
    """A sentence where something is wrong; else empty."""
    if sighting.trouble:
        return f"the store does not answer: {sighting.trouble}"
    if sighting.running and sighting.silent > _LINE_SECONDS:
        return f"no sign of life for {duration(sighting.silent)}"
    return ""


def snapshot(sighting: Sighting, state: LiveState, curve: list[tuple[float, float]]) -> Snapshot:
    """A search on record in the form in which a running one is drawn."""
    from automl.cli.live_picture import Running, Snapshot
    from automl.core.trial import Candidate, Progress, Scores, Status, Trial, TrialResult

    now = time.monotonic()
    ended = [
        Trial(leader.number, Candidate(family=leader.family)).finished(
            TrialResult(status=Status.DONE, seconds=leader.seconds),
            Scores(leader.validation, leader.standard_error, ()),
        )
        for leader in state.leaders
    ]
    earlier = {status: state.ended.get(status.value, 0) for status in Status}
    earlier[Status.DONE] = max(0, earlier[Status.DONE] - len(ended))
    running = [
        Running(
            Trial(trial.number, Candidate(family=trial.family)),
            now - trial.seconds - _age(sighting),
            Progress(trial.number, trial.fraction, trial.message),
        )
        for trial in state.running
    ]
    return Snapshot(
        name=printable(sighting.name),
        metric=printable(sighting.metric),
        greater_is_better=sighting.greater_is_better,
        elapsed=state.elapsed + _age(sighting),
        seconds=state.seconds,
        trials=state.trials,
        ended=ended,
        running=running,
        best=tuple(curve),
        ensemble=state.ensemble,
        weights=state.weights,
        earlier=earlier,
        nodes=state.nodes,
        more=state.more,
    )


def _dead(last: Sighting) -> str:
    """The sentence on a search that gives no sign any more."""
    where = f"it was run by {last.owner}"
    if last.gone:
        why = f"The search {last.name!r} is dead: {where}, which has ended"
    else:
        why = (
            f"The search {last.name!r} has given no sign of life for {duration(last.silent)}: it seems dead; "
            f"{where}"
        )
    return (
        f"{why}. Next: `automl resume {shlex.quote(last.name)}` on that machine; or `automl watch` again, "
        "with more --patience, if that machine only cannot reach the record."
    )


def _conclude(last: Sighting, stream: IO[str]) -> int:
    """Say how the search ended; returns its exit code."""
    outcome = last.error if last.status == "failed" else last.score
    version = f"version {last.version}" if last.version else ""
    words = " · ".join(part for part in (last.name, last.status, outcome, version) if part)
    print(printable(words), file=stream, flush=True)
    if last.status == "finished":
        return 0
    if last.status == "interrupted":
        return INTERRUPTED
    kind = getattr(errors, last.error.partition(":")[0], AutoMLError)
    return kind.exit_code if isinstance(kind, type) and issubclass(kind, AutoMLError) else 1
