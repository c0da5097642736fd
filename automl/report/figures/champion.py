"""Plots of the champion, each a matplotlib figure: how good it is, where it is wrong, what drives it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from automl.core.text import label_text, score_text, share_text
from automl.report.facts import prediction_quality as curves
from automl.report.facts.dependence import Dependence
from automl.report.facts.evidence import Evidence
from automl.report.facts.importance import Importance
from automl.report.figures.style import (
    Plot,
    category_axis,
    date_axis,
    drawing,
    label,
    labels,
    legend_below,
    number_axes,
    plot,
    with_room,
)
from automl.report.palette import GRID, INK, MUTED, SERIES

MOST_CLASSES = 12
MOST_CURVES = 6
MOST_MOVING = 5
_POINTS = 500


def labels_of(evidence: Evidence) -> tuple[str, ...]:
    """The classes as text."""
    return tuple(label_text(name) for name in evidence.task.labels)


def confusion_plot(evidence: Evidence) -> Plot:
    """Counts (weighted rows by weight) of true against predicted classes, shaded by share of the true class.

    Of more than twelve classes, those that are confused most.
    """
    names = labels_of(evidence)
    table = curves.confusion(evidence.target, evidence.predictions, evidence.weights)
    wrong = table.sum(axis=0) + table.sum(axis=1) - 2 * np.diag(table)
    shown = np.sort(np.argsort(-wrong, kind="stable")[:MOST_CLASSES])
    table, names = table[np.ix_(shown, shown)], tuple(names[code] for code in shown)
    sums = table.sum(axis=1, keepdims=True)
    share = np.divide(table, sums, out=np.zeros(table.shape), where=sums > 0)
    cells = "{:,}" if evidence.weights is None else "{:,.1f}"
    count = len(names)
    with drawing():
        figure, axes = plot((4.3, max(2.4, min(4.3, 1.4 + 0.42 * count))))
        for i in range(count):
            for j in range(count):
                axes.add_patch(_rectangle(j, i, SERIES[0] if i == j else SERIES[1], 0.08 + 0.5 * share[i, j]))
                text = cells.format(table[i, j]) + (f"\n{share_text(share[i, j])}" if count <= 4 else "")
                if count > 6 and not table[i, j]:
                    continue  # among many zeros the mistakes would be hard to see
                size = 9 if count <= 6 else 6.5
                axes.text(j, i, text, ha="center", va="center", fontsize=size, color=INK)
        short = labels(names, 12 if count > 4 else 18)
        turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if count > 4 else {}
        axes.set_xticks(range(count), short, **turned)
        axes.set_yticks(range(count), [with_room(name) for name in short])
        axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), xlabel="predicted", ylabel="true")
        axes.grid(visible=False)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return figure


def rates_plots(evidence: Evidence) -> tuple[Plot, Plot]:
    """ROC and precision–recall curves of class 1, or of every class against the rest (the six hardest)."""
    codes = _curve_codes(evidence)
    rates = [(code, curves.rates(evidence.target, evidence.raw, code, evidence.weights)) for code in codes]
    names = labels_of(evidence)
    short = labels([names[code] for code, _ in rates], 18)
    with drawing():
        roc, axes = plot()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        for series, (_, item) in enumerate(rates):
            text = f"{short[series]} · {score_text(item.area, 3)}"
            axes.plot(item.false_positive, item.recall, color=SERIES[series % len(SERIES)], label=text)
        axes.set(
            xlabel="false positive rate", ylabel="true positive rate", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02)
        )
        legend_below(roc, axes, title="area under the curve")
        recall, axes = plot()
        for series, (_, item) in enumerate(rates):
            colour = SERIES[series % len(SERIES)]
            text = f"{short[series]} · {score_text(item.average_precision, 3)}"
            axes.plot(item.recall, item.precision, color=colour, label=text)
            axes.axhline(item.share, color=colour, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.set(xlabel="recall", ylabel="precision", xlim=(-0.01, 1.01), ylim=(-0.01, 1.02))
        legend_below(recall, axes, title="average precision")
        return roc, recall


def calibration_plot(evidence: Evidence) -> Plot:
    """Observed against predicted probability, with 95 % intervals."""
    binary = len(evidence.task.labels) == 2
    calibration = curves.calibration(
        evidence.target, evidence.raw, 1 if binary else None, weights=evidence.weights
    )
    name = labels_of(evidence)[1] if binary else "the predicted class"
    with drawing():
        figure, axes = plot()
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        axes.errorbar(
            calibration.predicted,
            calibration.observed,
            yerr=[calibration.observed - calibration.low, calibration.high - calibration.observed],
            color=SERIES[0],
            marker="o",
            markersize=4,
            elinewidth=1,
        )
        axes.set(xlabel=f"predicted probability of {label(name, 22)}", ylabel="observed share")
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        return figure


def threshold_plot(evidence: Evidence) -> Plot:
    """Precision, recall and F1 of class 1 against the decision threshold, and the threshold in use."""
    rates = curves.rates(evidence.target, np.asarray(evidence.raw, dtype=np.float64), 1, evidence.weights)
    recall, precision = rates.recall[1:], rates.precision[1:]
    f1 = 2 * recall * precision / np.maximum(recall + precision, 1e-12)
    used = evidence.decision.threshold
    with drawing():
        figure, axes = plot()
        for values, name, colour in (
            (precision, "precision", SERIES[0]),
            (recall, "recall", SERIES[1]),
            (f1, "F1", SERIES[2]),
        ):
            axes.plot(rates.thresholds, values, color=colour, label=name)
        axes.axvline(used, color=INK, linewidth=1, linestyle=(0, (3, 3)))
        axes.annotate(
            f"{used:.2f}", (used, 0.02), xytext=(4, 0), textcoords="offset points", color=INK, fontsize=8.5
        )
        axes.set(
            xlabel=f"threshold on the probability of {label(labels_of(evidence)[1], 18)}", ylim=(-0.02, 1.03)
        )
        legend_below(figure, axes, columns=3)
        return figure


def residual_plots(evidence: Evidence) -> tuple[Plot, Plot]:
    """Predicted against true values, and the errors against the prediction (up to 500 points)."""
    truth = np.asarray(evidence.target, dtype=np.float64)
    predicted = evidence.predictions[:, 0]
    rows = np.arange(len(truth))
    if len(rows) > _POINTS:
        rows = np.random.default_rng(0).choice(rows, _POINTS, replace=False)
    style = {"color": SERIES[0], "marker": "o", "linestyle": "none", "markersize": 3.2, "alpha": 0.45}
    with drawing():
        first, axes = plot()
        low, high = float(min(truth.min(), predicted.min())), float(max(truth.max(), predicted.max()))
        axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        axes.plot(truth[rows], predicted[rows], markeredgewidth=0, **style)
        axes.set(xlabel="true value", ylabel="predicted value")
        number_axes(axes)
        second, axes = plot()
        axes.axhline(0, color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
        axes.plot(predicted[rows], predicted[rows] - truth[rows], markeredgewidth=0, **style)
        axes.set(xlabel="predicted value", ylabel="predicted − true")
        number_axes(axes)
        return first, second


def importance_plot(importances: Sequence[Importance], metric: str, most: int = 15) -> Plot:
    """Loss in the metric when each feature is shuffled, with 95 % intervals."""
    shown = list(importances)[:most]
    with drawing():
        figure, axes = plot((4.3, 0.9 + 0.24 * max(3, len(shown))))
        values = np.array([item.value for item in shown])
        low = values - np.array([min(item.low, item.value) for item in shown])
        high = np.array([max(item.high, item.value) for item in shown]) - values
        places = np.arange(len(shown))
        axes.barh(places, values, height=0.62, color=SERIES[0], alpha=0.45)
        axes.errorbar(values, places, xerr=[low, high], fmt="none", ecolor=INK, elinewidth=1)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.locator_params(axis="x", nbins=4)  # the numbers may be long
        number_axes(axes, most=3)
        category_axis(axes, [item.feature for item in shown])
        # aligned right: beside long names the axis is shorter than its title
        axes.set_xlabel(f"{label(metric, 24)} worse by, when shuffled", loc="right")
        return figure


def dependence_plot(item: Dependence, evidence: Evidence) -> Plot:
    """The mean prediction against one feature: of class 1, of up to five classes, or the value."""
    names = labels_of(evidence)
    if not names:
        series: list[tuple[str, npt.NDArray[np.float64]]] = [("", item.mean[:, 0])]
    elif len(names) == 2:
        series = [("", item.mean[:, 1])]
    else:
        moving = np.argsort(-np.ptp(item.mean, axis=0), kind="stable")[:MOST_MOVING]
        series = [(names[code], item.mean[:, code]) for code in np.sort(moving)]
    with drawing():
        figure, axes = plot((3.2, 2.3))
        short = labels([name for name, _ in series], 16)
        for number, (_, values) in enumerate(series):
            colour = SERIES[number]
            if isinstance(item.grid[0], str):
                places = np.arange(len(item.grid)) + (number - (len(series) - 1) / 2) * 0.12
                axes.plot(
                    places,
                    values,
                    color=colour,
                    marker="o",
                    markersize=5,
                    linestyle="none",
                    label=short[number],
                )
            else:
                axes.plot(item.grid, values, color=colour, marker="o", markersize=2.5, label=short[number])
        if isinstance(item.grid[0], str):
            crowded = len(item.grid) > 3
            turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if crowded else {}
            axes.set_xticks(range(len(item.grid)), labels(item.grid, 12), **turned)
        elif item.dates:
            date_axis(axes)
        elif len(item.grid) > 1:
            axes.locator_params(axis="x", nbins=5)
        lowest = min(float(values.min()) for _, values in series)
        highest = max(float(values.max()) for _, values in series)
        if names and highest - lowest < 0.05:  # tiny differences are not magnified
            middle = (highest + lowest) / 2
            axes.set_ylim(max(-0.01, middle - 0.06), min(1.01, middle + 0.06))
        axes.set(xlabel=label(item.feature, 34))
        axes.set_ylabel(
            f"P({label(names[1], 12)})" if len(names) == 2 else "probability" if names else "prediction"
        )
        number_axes(axes, most=3)
        if len(series) > 1:
            legend_below(figure, axes)
        return figure


def _curve_codes(evidence: Evidence) -> list[int]:
    """Class 1 of two; else every class, or the six with the least area under the curve."""
    classes = len(evidence.task.labels)
    if classes == 2:
        return [1]
    if classes <= MOST_CURVES:
        return list(range(classes))
    areas = [
        curves.rates(evidence.target, evidence.raw, code, evidence.weights).area for code in range(classes)
    ]
    return sorted(sorted(range(classes), key=lambda code: (np.isnan(areas[code]), areas[code]))[:MOST_CURVES])


def _rectangle(x: float, y: float, colour: str, alpha: float):  # type: ignore[no-untyped-def]
    from matplotlib.patches import Rectangle

    return Rectangle(
        (x - 0.48, y - 0.48), 0.96, 0.96, facecolor=colour, alpha=alpha, edgecolor=GRID, linewidth=0
    )
