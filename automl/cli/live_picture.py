"""The picture of a running search: leaderboard, workers, ensemble, budgets and a curve, at any width."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from automl.core.nodes import NodeState
from automl.core.text import counted, duration, score_text, size_text, weight_texts
from automl.core.trial import Progress, Status, Trial

HEAD = 8
_LEAST = 3
_LINES = 13  # of the picture besides the leaderboard and the workers
WIDE = 120
_MEMBERS = 4
_METRIC, _FAMILY, _NODE = 16, 18, 16  # cells of a name
_LEAST_BAR = 8
_WORKERS, _NODES = 8, 8
_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_magenta")
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))  # braille, from the bottom: left and right
_SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True)
class Running:
    """A trial in a worker, its beginning (monotonic seconds), and its latest message."""

    trial: Trial
    began: float
    progress: Progress | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The state of a search at one moment, as far as it is shown.

    Attributes
    ----------
    best:
        ``(seconds, score)`` of the best trial or ensemble, each time that it changed.
    ensemble, weights:
        Of the best ensemble: its score, and its weights by trial number.
    memory_bytes, memory_limit:
        Bytes in use by the workers and allowed; 0 for unknown.
    earlier:
        Number of trials that ended and are not in ``ended``, by the way they ended.
    nodes:
        The machines on which trials run.
    more:
        Number of trials that run and are not in ``running``.
    """

    name: str
    metric: str
    greater_is_better: bool
    elapsed: float
    seconds: float | None
    trials: int | None
    ended: Sequence[Trial]
    running: Sequence[Running]
    best: Sequence[tuple[float, float]]
    ensemble: float | None = None
    weights: Mapping[int, float] = field(default_factory=dict)
    memory_bytes: int = 0
    memory_limit: int = 0
    interrupted: bool = False
    earlier: Mapping[Status, int] = field(default_factory=dict)
    nodes: Sequence[NodeState] = ()
    more: int = 0

    @property
    def finished(self) -> int:
        """Number of trials that ended."""
        return len(self.ended) + sum(self.earlier.values())

    @property
    def spread(self) -> bool:
        """True where it matters on which node a trial runs, or what became of a node's workers."""
        return len(self.nodes) > 1 or any(node.lost or node.away for node in self.nodes)


def picture(shot: Snapshot, width: int, height: int = 24, *, plain: bool = False) -> RenderableType:
    """The picture for a terminal of this size; ``plain`` keeps to ASCII characters."""
    inner = min(width, 160)
    shot = replace(shot, metric=_cut(shot.metric, _METRIC))
    nodes = min(len(shot.nodes), _NODES) + 1 if shot.spread else 0
    head = max(_LEAST, min(HEAD, height - _LINES - nodes - min(len(shot.running), _WORKERS)))
    board, workers = _board(shot, head), _workers(shot, inner)
    if inner < WIDE:
        parts = [_clock(shot, inner), _counts(shot), Text(), board, Text(), _ensemble(shot, inner)]
        if not plain and len(shot.best) > 1:
            parts.append(_spark_line(shot, inner))
        return Group(*parts, Text(), workers, *_nodes(shot, inner))
    trials = (*shot.ended, *(item.trial for item in shot.running))
    longest = max((min(_FAMILY, len(trial.candidate.family)) for trial in trials), default=0)
    left = max(54, 30 + longest + len(shot.metric))
    room = inner - left - 6
    right = Group(_counts(shot), Text(), _ensemble(shot, room), Text(), *_curve(shot, room - 4, plain=plain))
    columns = Table.grid(padding=(0, 4))
    columns.add_column(width=left)
    columns.add_column(width=room)
    columns.add_row(board, right)
    return Group(_clock(shot, inner), Text(), columns, Text(), workers, *_nodes(shot, inner))


def _cut(text: str, cells: int) -> str:
    """A name from outside that must not push the figures beside it off the screen."""
    line = Text(" ".join(text.split()))
    line.truncate(max(8, cells), overflow="ellipsis")
    return line.plain


def _clock(shot: Snapshot, width: int) -> RenderableType:
    """The name, the time used and left, and a bar of the budget."""
    times = Text(f"  {duration(shot.elapsed)}")
    share: float | None = None
    if shot.seconds is not None:
        share = min(1.0, shot.elapsed / shot.seconds)
        times.append(f" of {duration(shot.seconds)}")
    elif shot.trials is not None:
        share = min(1.0, shot.finished / shot.trials)
        times.append(f"  {shot.finished} of {shot.trials} trials")
    if shot.interrupted:
        times.append("  stopping: the best so far is kept", style="yellow")
    head = Text(_cut(shot.name, width - times.cell_len - _LEAST_BAR - 4), style="bold") + times
    if share is None:
        return head
    row = Table.grid(padding=(0, 2))
    row.add_row(head, _bar(share, max(_LEAST_BAR, min(60, width - head.cell_len - 4))))
    return row


def _counts(shot: Snapshot) -> Text:
    """Counts of the trials by their end, and the memory in use."""
    counts = {status: shot.earlier.get(status, 0) for status in Status}
    for trial in shot.ended:
        if trial.result is not None:
            counts[trial.result.status] += 1
    styles = {Status.DONE: "green", Status.FAILED: "red", Status.OOM: "red", Status.TIMEOUT: "yellow"}
    text = Text()
    for status, count in counts.items():
        if count or status is Status.DONE:
            text.append(f"{count} {status.value}", style=styles.get(status, ""))
            text.append("   ")
    text.append(f"{len(shot.running) + shot.more} running")
    used, allowed = shot.memory_bytes, shot.memory_limit
    if used:
        text.append(f"   memory {size_text(used)}", style="")
        if allowed:
            text.append(f" of {size_text(allowed)}", style="red" if used > 0.9 * allowed else "")
    return text


def _board(shot: Snapshot, head: int) -> Table:
    """The best trials so far."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for title, justify in (
        ("#", "right"),
        ("family", "left"),
        (shot.metric, "right"),
        ("±", "right"),
        ("time", "right"),
        ("weight", "right"),
    ):
        table.add_column(Text(title), justify=justify, no_wrap=True)  # type: ignore[arg-type]
    sign = -1.0 if shot.greater_is_better else 1.0
    scored = [trial for trial in shot.ended if trial.scores is not None]
    ranked = sorted(scored, key=lambda trial: sign * (trial.scores.validation if trial.scores else 0.0))
    colours = _family_colours(shot)
    weights = dict(zip(shot.weights, weight_texts(list(shot.weights.values())), strict=True))
    for trial in ranked[:head]:
        assert trial.scores is not None
        table.add_row(
            str(trial.number),
            Text(_cut(trial.candidate.family, _FAMILY), style=colours.get(trial.candidate.family, "")),
            score_text(trial.scores.validation),
            score_text(trial.scores.standard_error, 2),
            duration(trial.result.seconds if trial.result is not None else 0.0),
            weights.get(trial.number, ""),
        )
    if not ranked:
        table.add_row("", Text("no trial is back yet", style="dim"), "", "", "", "")
    return table


def _ensemble(shot: Snapshot, width: int) -> Text:
    """The best ensemble's score and members."""
    if shot.ensemble is None:
        return Text("ensemble  none yet", style="dim")
    text = Text.assemble(("ensemble  ", "bold"), (f"{shot.metric} {score_text(shot.ensemble)}", "bold"))
    families = {trial.number: trial.candidate.family for trial in shot.ended}
    colours = _family_colours(shot)
    members = sorted(shot.weights.items(), key=lambda item: (-item[1], item[0]))
    texts = weight_texts([weight for _, weight in members])
    for place, (number, _) in enumerate(members):
        family = families.get(number, "")
        piece = f"   #{number} {_cut(family, _FAMILY)} {texts[place]}"
        if place >= _MEMBERS or text.cell_len + len(piece) + 10 > width:
            text.append(f"   +{len(members) - place} more", style="dim")
            break
        text.append(piece, style=colours.get(family, ""))
    return text


def _workers(shot: Snapshot, width: int) -> RenderableType:
    """One line per running trial: how long, how far, and what it says."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True, min_width=4)
    table.add_column(no_wrap=True, min_width=13)
    table.add_column(justify="right", no_wrap=True, min_width=5)
    bar = 20 if width < WIDE else 40
    table.add_column(width=bar)
    table.add_column(no_wrap=True)
    longest = max((min(_FAMILY, len(item.trial.candidate.family)) for item in shot.running), default=0)
    room = width - bar - max(13, longest) - 22
    colours = _family_colours(shot)
    node_of = {number: node.name for node in shot.nodes for number in node.running} if shot.spread else {}
    for running in shot.running[:_WORKERS]:
        family, progress = running.trial.candidate.family, running.progress
        share = 0.0 if progress is None else progress.fraction
        message = "" if progress is None else f"{progress.fraction:.0%}  {progress.message}"
        if node := node_of.get(running.trial.number):
            message = f"{_cut(node, _NODE)}  {message}"
        table.add_row(
            f"#{running.trial.number}",
            Text(_cut(family, _FAMILY), style=colours.get(family, "")),
            duration(time.monotonic() - running.began),
            _bar(share, bar),
            Text(_cut(message, room), style="dim"),
        )
    hidden = max(0, len(shot.running) - _WORKERS) + shot.more
    if hidden:
        table.add_row("", Text(f"and {hidden} more", style="dim"), "", "", "")
    if not shot.running:
        return Text(
            "no trial runs: choosing and saving" if shot.finished else "starting the workers", style="dim"
        )
    return table


def _nodes(shot: Snapshot, width: int) -> list[RenderableType]:
    """A line per node: its workers, its trials, its losses; none for a single machine without losses."""
    if not shot.spread:
        return []
    lines: list[RenderableType] = [Text()]
    for node in shot.nodes[:_NODES]:
        text = Text(f"{_cut(node.name, _NODE):{_NODE}}  ", style="bold")
        if node.away:
            text.append("gone", style="red")
        else:
            trials = " ".join(f"#{number}" for number in node.running) or "idle"
            text.append(f"{counted(node.workers, 'worker')}  {trials}", style="not bold")
        if node.lost:
            text.append(f"  {node.lost} lost, {node.returned} replaced", style="yellow")
        text.truncate(width, overflow="ellipsis")
        lines.append(text)
    if len(shot.nodes) > _NODES:
        lines.append(Text(f"and {len(shot.nodes) - _NODES} more nodes", style="dim"))
    return lines


def _bar(share: float, width: int) -> ProgressBar:
    return ProgressBar(total=1.0, completed=share, width=width, complete_style="cyan", finished_style="green")


def _family_colours(shot: Snapshot) -> dict[str, str]:
    """A colour per family, in the order in which they appeared; the baseline has none."""
    seen = dict.fromkeys(trial.candidate.family for trial in shot.ended)
    seen |= dict.fromkeys(running.trial.candidate.family for running in shot.running)
    seen.pop("dummy", None)
    return {family: _COLOURS[number % len(_COLOURS)] for number, family in enumerate(seen)}


def _spark_line(shot: Snapshot, width: int) -> Text:
    """The best so far over time in one line."""
    cells = min(40, width - 40)
    values = _resampled(shot, cells)
    low, high = min(values), max(values)
    span = high - low or 1.0
    upward = [(value - low) / span for value in values]
    line = "".join(_SPARKS[min(7, int(share * 7.999))] for share in upward)
    return Text.assemble(
        ("best so far  ", "dim"), score_text(values[0]), " ", (line, "cyan"), " ", score_text(values[-1])
    )


def _curve(shot: Snapshot, width: int, *, plain: bool) -> list[RenderableType]:
    """The best so far over time as dots, four lines high, with its ends named."""
    if plain or len(shot.best) < 2 or width < 20:
        return []
    cells, lines = min(width - 10, 60), 4
    values = _resampled(shot, 2 * cells)
    low, high = min(values), max(values)
    span = high - low or 1.0
    heights = [round((value - low) / span * (4 * lines - 1)) for value in values]
    grid = [[0] * cells for _ in range(lines)]
    for place, height in enumerate(heights):
        before = heights[place - 1] if place else height
        for dot in range(min(before, height), max(before, height) + 1):
            grid[lines - 1 - dot // 4][place // 2] |= _DOTS[place % 2][dot % 4]
    rows: list[RenderableType] = [Text(f"best {shot.metric} so far", style="dim")]
    for number, row in enumerate(grid):
        label = score_text(high) if number == 0 else score_text(low) if number == lines - 1 else ""
        rows.append(
            Text.assemble((f"{label:>9} ", "dim"), ("".join(chr(0x2800 + bits) for bits in row), "cyan"))
        )
    ends = f"{'':10}{duration(_shown_curve(shot)[0][0]):<{cells - 8}}{duration(shot.elapsed):>8}"
    return [*rows, Text(ends, style="dim")]


def _resampled(shot: Snapshot, points: int) -> list[float]:
    """The step curve at equal distances in time."""
    curve = _shown_curve(shot)
    start, end = curve[0][0], max(shot.elapsed, curve[-1][0])
    values, place = [], 0
    for number in range(points):
        at = start + (end - start) * number / max(1, points - 1)
        while place + 1 < len(curve) and curve[place + 1][0] <= at:
            place += 1
        values.append(curve[place][1])
    return values


def _shown_curve(shot: Snapshot) -> Sequence[tuple[float, float]]:
    """From the second point on: the first is the baseline's."""
    return shot.best[1:] if len(shot.best) > 2 else shot.best
