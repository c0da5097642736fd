"""The colours of all plots, for light pages; the page has a set for dark screens with the same names."""

from __future__ import annotations

INK, MUTED, GRID, PAPER = "#1f2329", "#6a737d", "#dfe3e8", "#fefefe"
# Okabe and Ito's colours, ordered so that neighbours differ in lightness too; colour-blind people can tell
# them apart. The page has a lighter set for dark screens: see report.css.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b07d00", "#3f9fd8", "#6f5fa8", "#8c564b")
VARIABLES = {
    "ink": INK,
    "muted": MUTED,
    "grid": GRID,
    "paper": PAPER,
    **{f"series-{number}": colour for number, colour in enumerate(SERIES)},
}
"""The colours by the names that a page gives them."""

NARROW = "-narrow"
"""Suffix of the names of plots that phones show; ``report.css`` uses it, too."""
