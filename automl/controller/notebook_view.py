"""The view of a running search in a notebook: one display, updated in place; lines where HTML is missing."""

from __future__ import annotations

import html
import sys
import threading
import time
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, final

from automl.controller.live_sign import node_news
from automl.controller.watchers import trial_line
from automl.core.nodes import NodeState
from automl.core.text import counted, duration, score_text, weight_texts
from automl.core.trial import Progress, Trial
from automl.report.palette import MUTED, SERIES

if TYPE_CHECKING:
    from types import TracebackType

    from automl.controller.result import SearchResult
    from automl.executors.base import Capacity
    from automl.problem.preparation import Prepared

UPDATE_SECONDS = 0.25
_STILL_SECONDS = 1.0
_DRAW_SHARE = 0.05
"""Of the time, what drawing may take: thousands of trials are drawn less often."""
_HEAD = 8
_RUNNING = 8
_MEMBERS = 6
_NOTES = 8
_CURVE = (220, 44)
_FIGURES = "padding:.15em .6em;text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;"
_WORDS = "padding:.15em .6em;text-align:left;overflow-wrap:anywhere;"
_FAINT = "opacity:.7;"


class Screen(Protocol):
    """The place of the display: a cell of a notebook, or a prompt."""

    def draw(self, page: str, line: str) -> None:
        """Show this HTML in place of what was shown; ``line`` says the same in few words."""

    def say(self, line: str) -> None:
        """Show one more line, where HTML cannot be shown."""


def notebook_view(trials: int | None = None) -> NotebookView | None:
    """The view for the notebook, or for IPython's prompt, that this runs in; None in any other program."""
    interactive = sys.modules.get("IPython")  # a notebook has imported it; nothing else needs it
    shell = None if interactive is None else interactive.get_ipython()
    if shell is None:
        return None
    in_kernel = "IPKernelApp" in shell.config  # Jupyter, VS Code and Colab run kernels, a terminal does not
    return NotebookView(_Cell() if in_kernel else _Prompt(), trials)


@final
class NotebookView:
    """Follows a search and draws it, at most four times a second.

    Attributes
    ----------
    drawn:
        How often it was drawn.
    """

    def __init__(self, screen: Screen, trials: int | None = None) -> None:
        self.drawn = 0
        self._screen = screen
        self._trials = trials
        self._began = time.monotonic()
        self._seconds: float | None = None
        self._name, self._metric, self._facts = "", "", ""
        self._greater_is_better = True
        self._running: dict[int, tuple[Trial, float, Progress | None]] = {}
        self._ended: list[Trial] = []
        self._best: list[tuple[float, float]] = []
        self._ensemble: float | None = None
        self._weights: Mapping[int, float] = {}
        self._notes: list[str] = []
        self._state = "reading the data"
        self._changed, self._at, self._took = True, 0.0, 0.0
        self._nodes: tuple[NodeState, ...] = ()
        self._lock = threading.Lock()

    def __enter__(self) -> NotebookView:
        self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._state = "interrupted" if isinstance(error, KeyboardInterrupt) else "ended by an error"
        self._running.clear()
        self._draw()

    def preparing(self, fraction: float, message: str) -> None:
        """Images are being decoded, in several threads."""
        self._state = f"{message} {fraction:.0%}"
        self._changed = True
        self.ticked()

    def prepared(self, prepared: Prepared, name: str, seconds: float | None, elapsed: float) -> None:
        """The data was read: show its size, task and metric."""
        self._began = time.monotonic() - elapsed
        self._seconds, self._name = seconds, name
        metric = prepared.task.metric
        self._metric, self._greater_is_better = metric.name, metric.greater_is_better
        self._facts = (
            f"{prepared.rows:,} rows, {counted(len(prepared.layout.columns), 'column')}; "
            f"{prepared.task.name} by {metric.name}; judged by {prepared.problem.split.reason}"
        )
        self._state = "starting the workers"
        self._screen.say(f"{name}: {self._facts}")
        self._draw()

    def started(self, trial: Trial) -> None:
        """A trial was handed to a worker."""
        self._running[trial.number] = (trial, time.monotonic(), None)
        self._state, self._changed = "", True

    def progressed(self, progress: Progress) -> None:
        """A running trial reported its progress."""
        if progress.number in self._running:
            trial, since, _ = self._running[progress.number]
            self._running[progress.number] = (trial, since, progress)
            self._changed = True

    def weighed(self, weights: Mapping[int, float]) -> None:
        """The best ensemble so far, by trial number."""
        self._weights = weights

    def finished(self, trial: Trial, best: float | None) -> None:
        """A trial ended."""
        self._running.pop(trial.number, None)
        self._take(trial)
        self._ensemble, self._changed = best, True
        self._better(best)
        if not self._running:
            self._state = "choosing and saving"
        mark = f"  best {score_text(self._best[-1][1])}" if self._best else ""
        self._screen.say(f"{self._elapsed:7.1f}s  {trial_line(trial, self._metric)}{mark}")

    def restored(self, trials: Sequence[Trial], best: float | None, spent: float) -> None:
        """These trials ended before the search was interrupted."""
        for trial in trials:
            self._take(trial)
        self._ensemble = best
        self._better(best)
        self._note(f"Resumed: {len(trials)} trials are done already, {duration(spent)} used.")

    def placed(self, capacity: Capacity) -> None:
        """Ignored: the display shows no memory."""

    def located(self, nodes: tuple[NodeState, ...]) -> None:
        """Note the nodes and workers that were lost or came back."""
        for line in node_news(self._nodes, nodes):
            self._note(line)
        self._nodes = nodes

    def ticked(self) -> None:
        """Draw when something changed, four times a second at most."""
        waited = time.monotonic() - self._at
        least = UPDATE_SECONDS if self._changed else _STILL_SECONDS
        if waited > max(least, self._took / _DRAW_SHARE):
            self._draw()

    def warned(self, message: str) -> None:
        """Show a problem that the search survives."""
        self._note(f"Warning: {message}")

    def stop_requested(self) -> bool:
        """Never: interrupting the kernel raises, which ends the search with its best so far."""
        return False

    def unfinished(self, name: str, description: str) -> bool:
        """Say that the same search is there unfinished; this is a new one."""
        self._note(
            f"Unfinished: {description}. automl.resume({name!r}) goes on with it; this is a new search."
        )
        return False

    def delivered(self, result: SearchResult) -> None:
        """The search is over: the champion's members are the trials with a weight."""
        best = result.best
        self._weights = {member.trial: member.weight for member in best.members}
        self._ensemble = best.validation if best.kind == "ensemble" else None
        self._better(best.validation)
        counted = ", ".join(f"{count} {state}" for state, count in result.trials.items() if count)
        self._state = counted if self._trials else f"{counted}; {result.end_reason}"
        self._screen.say(f"{result.name}: {self._metric} {score_text(best.validation)}; {self._state}")

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _take(self, trial: Trial) -> None:
        self._ended.append(trial.lean())
        if trial.scores is not None:
            self._better(trial.scores.validation)

    def _better(self, score: float | None) -> None:
        """Keep a score that is better than the best so far."""
        if score is None:
            return
        sign = 1.0 if self._greater_is_better else -1.0
        if not self._best or sign * score > sign * self._best[-1][1]:
            self._best.append((self._elapsed, score))

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._screen.say(text)
        self._draw()

    def _draw(self) -> None:
        with self._lock:
            self._at, self._changed = time.monotonic(), False
            self.drawn += 1
            best = f", best {self._metric} {score_text(self._best[-1][1])}" if self._best else ""
            line = f"{self._name or 'automl'}: {len(self._ended)} trials in {duration(self._elapsed)}{best}"
            began = time.thread_time()
            self._screen.draw(self._page(), line)
            self._took = time.thread_time() - began

    def _page(self) -> str:
        """Everything as HTML: no script, no style sheet, colours that go with light and dark pages."""
        parts = [self._clock(), _part(self._facts, _FAINT), _part(self._ensemble_words()), self._curve()]
        parts += [self._board(), self._workers(), _part(self._state, _FAINT)]
        parts += [_part(note, _FAINT) for note in self._notes[-_NOTES:]]
        return f'<div style="line-height:1.5;max-width:62em">{"".join(parts)}</div>'

    def _clock(self) -> str:
        """The name, the time used and left, and a bar."""
        share: float | None = None
        words = duration(self._elapsed)
        if self._seconds is not None:
            share = self._elapsed / self._seconds
            words += f" of {duration(self._seconds)}"
        elif self._trials:
            share = len(self._ended) / self._trials
            words += f", {len(self._ended)} of {self._trials} trials"
        title = html.escape(self._name or "automl")
        return f"<div><b>{title}</b>&ensp;{words}&ensp;{'' if share is None else _bar(share, 160)}</div>"

    def _ensemble_words(self) -> str:
        if not self._best:
            return ""
        text = f"best {self._metric} so far: {score_text(self._best[-1][1])}"
        if self._ensemble is None or len(self._weights) < 2:
            return text
        families = {trial.number: trial.candidate.family for trial in self._ended}
        ranked = sorted(self._weights.items(), key=lambda item: (-item[1], item[0]))
        texts = weight_texts([share for _, share in ranked])
        shown = ", ".join(
            f"#{number} {families.get(number, '')} {text}"
            for (number, _), text in zip(ranked[:_MEMBERS], texts, strict=False)
        )
        more = f" and {len(ranked) - _MEMBERS} more" if len(ranked) > _MEMBERS else ""
        return f"{text}; ensemble of {len(ranked)}: {score_text(self._ensemble)} ({shown}{more})"

    def _curve(self) -> str:
        """The best so far over time; the first point is the baseline's and would flatten the rest."""
        points = self._best[1:] if len(self._best) > 2 else self._best
        if len(points) < 2:
            return ""
        (width, height), (first, last) = _CURVE, (points[0][0], max(self._elapsed, points[-1][0]))
        scores = [score for _, score in points]
        low, span = min(scores), (max(scores) - min(scores)) or 1.0
        line: list[str] = []
        before: float | None = None
        for at, score in points:
            x = (at - first) / ((last - first) or 1.0) * width
            y = height - 3 - (score - low) / span * (height - 6)
            line += [] if before is None else [f"{x:.1f},{before:.1f}"]
            line.append(f"{x:.1f},{y:.1f}")
            before = y
        line.append(f"{width},{before:.1f}")
        return (
            f'<div><svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" '
            f'aria-label="best so far over time"><polyline points="{" ".join(line)}" fill="none" '
            f'stroke="{SERIES[0]}" stroke-width="2"/></svg></div>'
        )

    def _board(self) -> str:
        """The best trials so far."""
        sign = -1.0 if self._greater_is_better else 1.0
        scored = [(sign * trial.scores.validation, trial) for trial in self._ended if trial.scores]
        ranked = [trial for _, trial in sorted(scored, key=lambda item: (item[0], item[1].number))]
        rows = []
        weights = dict(zip(self._weights, weight_texts(list(self._weights.values())), strict=True))
        for trial in ranked[:_HEAD]:
            assert trial.scores is not None
            rows.append(
                (
                    (f"#{trial.number}", _FIGURES),
                    (trial.candidate.family, _WORDS + self._dot(trial.candidate.family)),
                    (score_text(trial.scores.validation), _FIGURES),
                    (score_text(trial.scores.standard_error, 2), _FIGURES),
                    (duration(trial.result.seconds if trial.result else 0.0), _FIGURES),
                    (weights.get(trial.number, ""), _FIGURES),
                )
            )
        heads = ("trial", "family", self._metric, "±", "time", "weight")
        more = f"{len(ranked) - _HEAD} more trials" if len(ranked) > _HEAD else ""
        return (_table(heads, rows) + _part(more, _FAINT)) if rows else ""

    def _workers(self) -> str:
        """The running trials, with their times and progress."""
        rows = []
        for trial, since, progress in list(self._running.values())[:_RUNNING]:
            share, message = (0.0, "") if progress is None else (progress.fraction, progress.message)
            family = trial.candidate.family
            rows.append(
                f'<tr style="background:none"><td style="{_FIGURES}">#{trial.number}</td>'
                f'<td style="{_WORDS}{self._dot(family)}">{html.escape(family)}</td>'
                f'<td style="{_FIGURES}">{duration(time.monotonic() - since)}</td>'
                f'<td style="{_WORDS}">{_bar(share, 120)}</td>'
                f'<td style="{_WORDS}{_FAINT}">{html.escape(message)}</td></tr>'
            )
        more = len(self._running) - _RUNNING
        below = _part(f"and {more} more", _FAINT) if more > 0 else ""
        return f'<table style="margin:.3em 0"><tbody>{"".join(rows)}</tbody></table>{below}' if rows else ""

    def _dot(self, family: str) -> str:
        """A coloured edge, the same for all trials of a family; the baseline's is grey."""
        seen = dict.fromkeys(trial.candidate.family for trial in self._ended)
        seen |= dict.fromkeys(trial.candidate.family for trial, _, _ in self._running.values())
        seen.pop("dummy", None)
        order = list(seen)
        colour = SERIES[order.index(family) % len(SERIES)] if family in seen else MUTED
        return f"border-left:4px solid {colour};padding-left:.5em;"


def _part(words: str, style: str = "") -> str:
    return f'<div style="{style}overflow-wrap:anywhere">{html.escape(words)}</div>' if words else ""


def _bar(share: float, width: int) -> str:
    filled = round(100 * min(1.0, max(0.0, share)))
    return (
        f'<span style="display:inline-block;width:{width}px;height:.6em;border-radius:.3em;'
        f'background:rgba(128,128,128,.3)"><span style="display:block;height:100%;width:{filled}%;'
        f'border-radius:.3em;background:{SERIES[0]}"></span></span>'
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]]) -> str:
    head = "".join(
        f'<th style="{_WORDS if name == "family" else _FIGURES}">{html.escape(name)}</th>' for name in heads
    )
    body = "".join(
        '<tr style="background:none">'
        + "".join(f'<td style="{style}">{html.escape(text)}</td>' for text, style in row)
        + "</tr>"
        for row in rows
    )
    return f'<table style="margin:.3em 0"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


class _Cell:
    """The output of a notebook's cell."""

    def __init__(self) -> None:
        self._handle: Any = None
        with suppress(ImportError), warnings.catch_warnings():
            # MLflow imports it later; in a notebook without ipywidgets it warns, and its bars are not used.
            warnings.simplefilter("ignore")
            import tqdm.auto  # noqa: F401

    def draw(self, page: str, line: str) -> None:
        from IPython.display import display

        shown = {"text/html": page, "text/plain": line}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def say(self, line: str) -> None: ...


class _Prompt:
    """IPython in a terminal."""

    def draw(self, page: str, line: str) -> None: ...

    def say(self, line: str) -> None:
        from IPython.display import display

        display({"text/plain": line}, raw=True)
