"""Contributions to one prediction as bars."""

from __future__ import annotations

import numpy as np

from automl.report.facts.single_rows import SingleRow
from automl.report.figures.style import Plot, category_axis, drawing, label, number_axes, plot
from automl.report.palette import INK, MUTED, SERIES

MOST_BARS = 8
_NAME, _VALUE = 24, 12  # letters of a bar's label, and of the value in it
_ENDS = 0.12  # of the width, left free for the numbers


def contributions_plot(row: SingleRow) -> Plot:
    """A bar per column, the largest first: those that raise the prediction go to the right.

    The lines are two standard errors of sampling to both sides.
    """
    values, errors = row.contributions.values, row.contributions.errors
    most = len(values) if len(values) == MOST_BARS + 1 else MOST_BARS  # a bar "1 other" would say less
    shown, rest = values[:most], values[most:]
    pairs = [*zip(row.names, row.cells, strict=True)][:most]
    names = [_with_value(name, cell) for name, cell in pairs]
    bars, lines = list(shown), list(2 * errors[:most])
    if len(rest):
        names.append(f"{len(rest)} others")
        bars.append(float(rest.sum()))
        lines.append(2 * float(np.sqrt((errors[most:] ** 2).sum())))
    with drawing():
        figure, axes = plot((4.3, 1.0 + 0.26 * max(3, len(bars))))
        places = np.arange(len(bars))
        colours = [SERIES[0] if value >= 0 else SERIES[1] for value in bars]
        axes.barh(places, bars, height=0.62, color=colours, alpha=0.6)
        axes.errorbar(bars, places, xerr=lines, fmt="none", ecolor=INK, elinewidth=1)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.margins(x=_ENDS)
        axes.locator_params(axis="x", nbins=4)
        number_axes(axes, most=3)
        category_axis(axes, names)
        axes.set_xlabel(f"contribution to the {label(row.unit, 30)}", loc="right")
        return figure


def _with_value(name: str, cell: str) -> str:
    """``worst concave… = 0.1471``: a long name is cut, so that the value can be read."""
    value = label(cell, _VALUE)
    return f"{label(name, _NAME - len(value) - len(' = '))} = {value}"
