"""Plots of the search: the best so far over time, how the time was spent, and the front of cost and score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from automl.core.text import whole_percents
from automl.report.facts.timeline import SearchTimes, drawn_rows, front_rows, seconds_by_part
from automl.report.figures.style import (
    WIDE,
    Plot,
    category_axis,
    drawing,
    label,
    legend_below,
    number_axes,
    plot,
)
from automl.report.palette import INK, MUTED
from automl.tracker import LeaderboardRow
from automl.tracker.reading.report_material import TimedTrial

Array = npt.NDArray[np.float64]
_NARROW = (4.3, 3.2)
_FINE, _DECADES = 6.0, 300.0  # a logarithmic axis of a smaller range has finer ticks


def history_plot(
    trials: Sequence[TimedTrial],
    best: Sequence[tuple[float, float]],
    clock: SearchTimes,
    *,
    metric: str,
    greater_is_better: bool,
    colours: Mapping[str, str],
    narrow: bool = False,
) -> Plot:
    """Every trial's score over time, each family's best so far, and the ensemble's; ``narrow`` for phones."""
    scored = [trial for trial in trials if trial.row.validation is not None]
    useful = [trial for trial in scored if trial.row.family != "dummy"] or scored
    drawn = drawn_rows([trial.row for trial in useful], greater_is_better=greater_is_better)
    points = {row.trial for row in drawn}
    pick = np.maximum if greater_is_better else np.minimum
    with drawing():
        figure, axes = plot(_NARROW if narrow else WIDE)
        for family in dict.fromkeys(trial.row.family for trial in useful):
            own = sorted((t for t in useful if t.row.family == family), key=lambda trial: trial.ended)
            times = np.array([trial.ended - clock.began for trial in own])
            scores = np.array([float(trial.row.validation or 0.0) for trial in own])
            shown = np.array([trial.row.trial in points for trial in own])
            axes.plot(
                times[shown],
                scores[shown],
                marker="o",
                markersize=3.5,
                linestyle="none",
                color=colours[family],
                alpha=0.5,
            )
            axes.step(
                *_until(times, pick.accumulate(scores), clock.trials_to),
                where="post",
                color=colours[family],
                label=label(family),
                linewidth=1.3,
            )
        if best:
            times = np.array([point[0] - clock.began for point in best])
            scores = np.array([point[1] for point in best])
            axes.step(
                *_until(times, scores, clock.trials_to),
                where="post",
                color=INK,
                linewidth=2.2,
                label="ensemble",
            )
        axes.set_ylim(
            *_focus([float(t.row.validation or 0.0) for t in useful], [p[1] for p in best], greater_is_better)
        )
        axes.set(xlabel="seconds", ylabel=label(metric, 30), xlim=(0, None))
        number_axes(axes, most=4 if narrow else 9)
        _legend(figure, axes, narrow)
        return figure


def _until(times: Array, values: Array, end: float) -> tuple[Array, Array]:
    """Steps that last until ``end``, without those that change nothing."""
    changed = np.r_[True, np.diff(values) != 0]
    times, values = np.r_[times[changed], max(end, times[-1])], values[changed]
    return times, np.r_[values, values[-1]]


def seconds_plot(
    trials: Sequence[TimedTrial], clock: SearchTimes, colours: Mapping[str, str], *, narrow: bool = False
) -> Plot:
    """Bars of the wall time by its use, with shares of the whole search."""
    parts = seconds_by_part(trials, clock)
    shares = whole_percents([seconds for _, seconds in parts])
    families = {trial.row.family for trial in trials}
    with drawing():
        figure, axes = plot((_NARROW[0] if narrow else WIDE[0], 0.75 + 0.27 * len(parts)))
        for place, (name, seconds) in enumerate(parts):
            colour = colours[name] if name in families else MUTED
            axes.barh(place, seconds, height=0.62, color=colour, alpha=0.75)
            share = "less than 1%" if seconds and not shares[place] else f"{shares[place]}%"
            axes.annotate(
                f"{seconds:.1f} s · {share}",
                (seconds, place),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
        category_axis(axes, [name for name, _ in parts])
        room = 1.6 if narrow else 1.18
        axes.set(
            xlabel="seconds of wall time", xlim=(0, room * max((seconds for _, seconds in parts), default=1))
        )
        axes.locator_params(axis="x", nbins=4 if narrow else 9)
        number_axes(axes, most=4 if narrow else 9)
        return figure


def front_plot(
    rows: Sequence[LeaderboardRow],
    champion: tuple[float, float, float] | None,
    *,
    metric: str,
    greater_is_better: bool,
    colours: Mapping[str, str],
    narrow: bool = False,
) -> Plot:
    """Score against latency; a point's area is the model's size, the line joins the Pareto front.

    ``champion`` holds its milliseconds per 1000 rows, its score and its size in bytes.
    """
    judged = [row for row in rows if row.validation is not None and row.predict_ms_per_1000_rows]
    shown = [row for row in judged if row.family != "dummy"] or judged
    with drawing():
        figure, axes = plot(_NARROW if narrow else WIDE)
        for row in drawn_rows(shown, greater_is_better=greater_is_better):
            size = _area(float(row.model_bytes or 1))
            axes.scatter(
                [row.predict_ms_per_1000_rows],
                [row.validation],
                s=size,
                color=colours[row.family],
                alpha=0.55,
                linewidths=0,
            )
        if champion is not None:
            axes.scatter(
                [champion[0]],
                [champion[1]],
                s=_area(champion[2]),
                facecolors="none",
                edgecolors=INK,
                linewidths=1.6,
            )
            # towards the middle: the legend is beside the axes
            latencies = [champion[0], *(float(row.predict_ms_per_1000_rows or 1) for row in shown)]
            right = champion[0] ** 2 > min(latencies) * max(latencies)
            axes.annotate(
                "champion",
                champion[:2],
                xytext=(-9 if right else 9, 6),
                textcoords="offset points",
                ha="right" if right else "left",
                fontsize=8.5,
            )
        front = front_rows(shown, greater_is_better)
        axes.step(
            [float(row.predict_ms_per_1000_rows or 0) for row in front],
            [float(row.validation or 0) for row in front],
            where="post",
            color=MUTED,
            linewidth=1,
        )
        for family in dict.fromkeys(row.family for row in shown):
            axes.scatter([], [], color=colours[family], alpha=0.7, linewidths=0, label=label(family))
        axes.set_xscale("log")
        _log_ticks(axes)
        scores = [float(row.validation or 0) for row in shown]
        axes.set_ylim(*_focus(scores, [champion[1]] if champion else [], greater_is_better))
        axes.set(xlabel="milliseconds per 1,000 rows (logarithmic)", ylabel=label(metric, 30))
        number_axes(axes)
        _legend(figure, axes, narrow)
        return figure


def _log_ticks(axes: Axes) -> None:
    """Set three tick labels or more, whatever the range: within a decade 1, 2 and 5, or finer."""
    low, high = axes.get_xlim()
    ratio = high / max(low, 1e-12)
    if ratio < _FINE:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    else:
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < _DECADES else (1,)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _legend(figure: Plot, axes: Axes, narrow: bool) -> None:
    """Put the legend beside the axes, or below them where there is no room."""
    if narrow:
        legend_below(figure, axes)
    else:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _area(size: float) -> float:
    """Area in points squared, by the logarithm of the size: 10 kB is small, 200 MB is large."""
    return float(np.interp(np.log10(max(size, 1.0)), [4, 8.3], [18, 260]))


def _focus(scores: Sequence[float], best: Sequence[float], greater_is_better: bool) -> tuple[float, float]:
    """Limits that show all but the worst tenth of the trials; with up to ten trials, all of them."""
    values = np.asarray([*scores], dtype=np.float64)
    if not len(values):
        return 0.0, 1.0
    sign = 1.0 if greater_is_better else -1.0
    edge = np.quantile(sign * values, 0.1, method="lower")
    ends = [value for value in (*values, *best) if sign * value >= edge]
    low, high = float(np.min(ends)), float(np.max(ends))
    margin = max(0.08 * (high - low), 1e-3 * max(abs(high), 1e-6))
    return low - margin, high + margin
