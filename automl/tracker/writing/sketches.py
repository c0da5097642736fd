"""Small plots of a trial, written directly as SVG in a few milliseconds, so that every trial has them."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Answer
from automl.core.tasks import Task
from automl.core.text import label_text
from automl.core.trial import TESTED_LOSS, TESTED_RATE, Curve, Trial, TrialResult
from automl.tracker.record import curve_kind

MOST_CLASSES = 12
_POINTS = 300
_KINDS = 3
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#3f9fd8")
_INK, _MUTED, _GRID = "#1f2329", "#656d76", "#dfe3e8"

Array = npt.NDArray[np.floating]


def sketches(
    trial: Trial, result: TrialResult, task: Task, truth: npt.NDArray[np.generic] | None
) -> dict[str, str]:
    """Plots of a trial by file name: its held-out predictions, and up to three kinds of curves."""
    drawn: dict[str, str] = {}
    title = f"#{trial.number} {trial.candidate.family}"
    if truth is not None and result.held_out is not None and len(truth) == len(result.held_out):
        name = {Answer.CLASSES: "confusion.svg", Answer.NUMBERS: "predicted.svg"}[task.answer]
        drawn[name] = _SKETCHES[task.answer](task, truth, result.held_out, f"{title}: held-out rows")
    kinds: dict[str, list[Curve]] = {}
    for curve in result.curves:
        if curve.steps:
            kinds.setdefault(curve_kind(curve.name), []).append(curve)
    tested = [kinds.pop(name, []) for name in (TESTED_LOSS, TESTED_RATE)]
    if all(tested):
        drawn["learning_rate_finder.svg"] = range_test_sketch(tested[0][0], tested[1][0], title)
    for kind, curves in list(kinds.items())[:_KINDS]:
        name = re.sub(r"[^\w.-]+", "_", kind)
        drawn[f"curve_{name}.svg"] = curves_sketch(curves, f"{title}: {kind}")
    return {name: text for name, text in drawn.items() if text}


def champion_sketches(
    task: Task,
    target: npt.NDArray[np.generic],
    predictions: Array,
    best: Sequence[tuple[float, float]],
) -> dict[str, str]:
    """Plots of a search before its report is made, by file name.

    ``best`` is the best score so far, as ``(seconds, score)``.
    """
    name = {Answer.CLASSES: "confusion.svg", Answer.NUMBERS: "fitted.svg"}[task.answer]
    drawn = {name: _SKETCHES[task.answer](task, target, predictions, "the champion: held-out rows")}
    points = best[1:] if len(best) > 2 else best  # the first point is the baseline and would flatten the rest
    if len(points) > 1:
        steps = tuple(round(seconds) for seconds, _ in points)
        curve = Curve("best", steps, tuple(score for _, score in points))
        drawn["history.svg"] = curves_sketch([curve], f"best {task.metric.name} so far", "seconds")
    return drawn


def confusion_sketch(
    target: npt.NDArray[np.generic], predictions: Array, labels: Sequence[object], title: str
) -> str:
    """Counts, a row per true class and a column per predicted class, shaded by share of the true class."""
    classes = predictions.shape[1]
    flat = np.asarray(target, dtype=np.int64) * classes + predictions.argmax(axis=1)
    counts = np.bincount(flat, minlength=classes * classes).reshape(classes, classes)
    wrong = counts.sum(axis=0) + counts.sum(axis=1) - 2 * np.diag(counts)
    shown = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
    counts = counts[np.ix_(shown, shown)]
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [_cut(labels[code], _LONGEST_LABEL) for code in shown]
    longest = max(len(name) for name in names) * _LETTER
    cell = 64 if len(shown) < 6 else 40
    slanted = longest > cell
    left, top = max(60.0, longest + 28), 74 + (longest * 0.71 if slanted else 0)
    size = cell * len(shown)
    parts = [_text(12, 24, title, size=14, weight="bold"), _text(left, 48, "predicted", colour=_MUTED)]
    parts.append(_text(12, top - 8, "true", colour=_MUTED))
    for i, name in enumerate(names):
        parts.append(_text(left - 8, top + i * cell + cell / 2 + 4, name, anchor="end", size=11))
        at = left + i * cell + cell / 2
        parts.append(
            _text(at, top - 8, name, anchor="start" if slanted else "middle", size=11, slanted=slanted)
        )
        for j in range(len(shown)):
            colour = _COLOURS[0] if i == j else _COLOURS[1]
            x, y = left + j * cell, top + i * cell
            parts.append(
                f'<rect x="{x + 1:.1f}" y="{y + 1:.1f}" width="{cell - 2}" height="{cell - 2}" '
                f'fill="{colour}" fill-opacity="{0.07 + 0.55 * share[i, j]:.3f}"/>'
            )
            parts.append(_text(x + cell / 2, y + cell / 2 + 4, f"{counts[i, j]:,}", anchor="middle", size=11))
    right = longest * 0.71 if slanted else 0
    if len(shown) < classes:
        parts.append(_text(left, top + size + 18, f"the {len(shown)} most confused of {classes} classes"))
    return _page(max(left + size + right + 20, 12 + 8 * len(title)), top + size + 28, parts)


def scatter_sketch(target: npt.NDArray[np.generic], predictions: Array, title: str) -> str:
    """Predicted against true values, for up to 300 rows."""
    truth = np.asarray(target, dtype=np.float64)
    rows = np.unique(np.linspace(0, len(truth) - 1, min(_POINTS, len(truth))).astype(int))
    x, y = truth[rows], np.asarray(predictions[rows, 0], dtype=np.float64)
    ends = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
    axes = _Axes(ends, ends, "true value", "predicted value")
    parts = [_text(12, 24, title, size=14, weight="bold"), *axes.frame()]
    parts.append(_line([axes.at(ends[0], ends[0]), axes.at(ends[1], ends[1])], _MUTED, dashed=True))
    for one, other in zip(x, y, strict=True):
        px, py = axes.at(one, other)
        parts.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="3" fill="{_COLOURS[0]}" fill-opacity="0.45"/>')
    return _page(_WIDTH, _HEIGHT, parts)


def _confusion(task: Task, truth: npt.NDArray[np.generic], predictions: Array, title: str) -> str:
    return confusion_sketch(truth, predictions, [label_text(label) for label in task.labels], title)


def _scatter(task: Task, truth: npt.NDArray[np.generic], predictions: Array, title: str) -> str:
    return scatter_sketch(truth, predictions, title)


_SKETCHES = {Answer.CLASSES: _confusion, Answer.NUMBERS: _scatter}


def curves_sketch(curves: Sequence[Curve], title: str, across: str = "step") -> str:
    """Learning curves of all folds of one kind."""
    steps = [step for curve in curves for step in curve.steps]
    values = np.array([value for curve in curves for value in curve.values])
    finite = values[np.isfinite(values)]
    if not steps or not len(finite):
        return ""
    # A first step that is far off would flatten the rest.
    top = float(np.quantile(finite, 0.98))
    axes = _Axes(
        (float(min(steps)), float(max(steps))), (float(finite.min()), top), across, title.split(": ")[-1]
    )
    parts = [_text(12, 24, title, size=14, weight="bold"), *axes.frame()]
    for number, curve in enumerate(curves):
        points = [
            axes.at(step, min(value, top))
            for step, value in zip(curve.steps, curve.values, strict=True)
            if np.isfinite(value)
        ]
        parts.append(_line(points, _COLOURS[number % len(_COLOURS)]))
    return _page(_WIDTH, _HEIGHT, parts)


def range_test_sketch(losses: Curve, rates: Curve, title: str) -> str:
    """Losses of a learning-rate range test against its rates, of equal number, on a logarithmic scale."""
    x, y = np.log10(rates.values), np.array(losses.values)
    if len(x) < 2 or not np.isfinite(y).all():
        return ""
    # The divergence at the end would flatten the valley.
    top = min(float(y.max()), 2 * float(y[0]) - float(y.min()))
    axes = _Axes((float(x[0]), float(x[-1])), (float(y.min()), top), "log10 of the learning rate", "loss")
    points = [axes.at(one, min(other, top)) for one, other in zip(x, y, strict=True)]
    parts = [_text(12, 24, f"{title}: learning-rate finder", size=14, weight="bold"), *axes.frame()]
    return _page(_WIDTH, _HEIGHT, [*parts, _line(points, _COLOURS[0])])


_WIDTH, _HEIGHT = 520, 380
_TOP, _RIGHT, _BOTTOM = 44, 28, 52
_LETTER = 6.6  # average width of a letter at 11 points, in pixels
_LONGEST_LABEL = 40


class _Axes:
    """A frame with round numbers along its axes."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], x_name: str, y_name: str) -> None:
        self.x, self.y = _widened(x), _widened(y)
        self.names = x_name, y_name
        self.x_ticks, self.y_ticks = round_ticks(*self.x), round_ticks(*self.y)
        self.left = 44 + _LETTER * max(len(text) for text in tick_texts(self.y_ticks))

    def at(self, x: float, y: float) -> tuple[float, float]:
        """A point in pixels."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        wide, high = _WIDTH - self.left - _RIGHT, _HEIGHT - _TOP - _BOTTOM
        return self.left + across * wide, _HEIGHT - _BOTTOM - up * high

    def frame(self) -> list[str]:
        """Grid lines, tick labels and axis labels."""
        parts = []
        for x, text in zip(self.x_ticks, tick_texts(self.x_ticks), strict=True):
            px, _ = self.at(x, self.y[0])
            parts.append(_line([(px, _TOP), (px, _HEIGHT - _BOTTOM)], _GRID))
            parts.append(_text(px, _HEIGHT - _BOTTOM + 18, text, anchor="middle", size=11))
        for y, text in zip(self.y_ticks, tick_texts(self.y_ticks), strict=True):
            _, py = self.at(self.x[0], y)
            parts.append(_line([(self.left, py), (_WIDTH - _RIGHT, py)], _GRID))
            parts.append(_text(self.left - 8, py + 4, text, anchor="end", size=11))
        middle = self.left + (_WIDTH - self.left - _RIGHT) / 2
        parts.append(_text(middle, _HEIGHT - 12, self.names[0], anchor="middle", colour=_MUTED))
        parts.append(
            f'<text transform="translate(16 {_HEIGHT / 2}) rotate(-90)" text-anchor="middle" font-size="12" '
            f'fill="{_MUTED}">{html.escape(_plain(self.names[1]))}</text>'
        )
        return parts


def round_ticks(low: float, high: float) -> list[float]:
    """Four to nine multiples of 1, 2 or 5 times a power of ten within the ends; as few as possible."""
    width = high - low
    if not math.isfinite(width) or width <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(width))
    for nice in (5.0, 2.0, 1.0, 0.5, 0.2):
        step = power * nice
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first >= 3:
            break
    return [number * step for number in range(first, last + 1)] or [low]


def tick_texts(ticks: Sequence[float]) -> list[str]:
    """Ticks with the decimals that their step needs and thousands separators; exponents only for extremes."""
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) or 1.0
    if max(map(abs, ticks)) >= 1e9 or step < 1e-6:
        return [f"{tick:.3g}" for tick in ticks]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{round(tick, decimals) + 0.0:,.{decimals}f}" for tick in ticks]


def _widened(ends: tuple[float, float]) -> tuple[float, float]:
    low, high = ends
    if high > low:
        return low, high
    step = abs(low) * 0.05 or 0.5
    return low - step, low + step


def _line(points: Sequence[tuple[float, float]], colour: str, *, dashed: bool = False) -> str:
    listed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dashes = ' stroke-dasharray="4 4"' if dashed else ""
    return f'<polyline points="{listed}" fill="none" stroke="{colour}" stroke-width="1.5"{dashes}/>'


def _text(
    x: float,
    y: float,
    text: str,
    *,
    anchor: str = "start",
    size: int = 12,
    weight: str = "normal",
    colour: str = _INK,
    slanted: bool = False,
) -> str:
    turned = f' transform="rotate(-45 {x:.1f} {y:.1f})"' if slanted else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" font-weight="{weight}" '
        f'fill="{colour}"{turned}>{html.escape(_plain(text))}</text>'
    )


def _plain(text: object) -> str:
    return "".join(sign for sign in " ".join(str(text).split()) if sign.isprintable())


def _cut(text: object, length: int) -> str:
    line = _plain(text)
    return line if len(line) <= length else f"{line[: length - 1]}…"


def _page(width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="system-ui, sans-serif">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
