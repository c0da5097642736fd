"""The style of all plots: colours, sizes and fonts, and the conversion of a figure to a part of a page."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from automl.report.palette import GRID, INK, MUTED, PAPER, VARIABLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HALF, WIDE = (4.3, 3.0), (8.8, 3.2)
_LABEL = 28
_LETTER_INCHES, _HANDLE_INCHES = 0.075, 0.5  # of a legend: a letter at most on average, line and gaps
# Smallest value, divisor, and the suffix for it.
_UNITS = ((1e10, 1e9, " bn"), (1e7, 1e6, " M"), (1e4, 1.0, ""))

_RC: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "automl",
    "text.parse_math": False,  # a column may have the name "$a"
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "figure.facecolor": PAPER,
    "figure.dpi": 110.0,
    "savefig.facecolor": PAPER,
}


class Plot(Figure):
    """A matplotlib figure that notebooks show without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with drawing():
            self.savefig(buffer, format="png", dpi=144)
        return buffer.getvalue()


@contextmanager
def drawing() -> Iterator[None]:
    """Apply the style while a figure is made or written."""
    import matplotlib

    with matplotlib.rc_context(_RC), warnings.catch_warnings():
        # Text in a script that DejaVu Sans lacks is drawn with the reader's own fonts; only the estimate of
        # its width is wrong.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        # A plot of one point, or of constant values, has an axis of zero length.
        warnings.filterwarnings("ignore", "Attempting to set identical", UserWarning)
        yield


def plot(size: tuple[float, float] = HALF, **grid: Any) -> tuple[Plot, Any]:
    """A figure with its axes."""
    figure = Plot(figsize=size, layout="constrained")
    return figure, figure.subplots(**grid)


def label(text: object, length: int = _LABEL) -> str:
    """Text from data for a plot: one line without control characters, cut to a width."""
    safe = _plain(text)
    return safe if _width(safe) <= length else f"{_head(safe, length - 1).rstrip()}…"


def labels(names: Sequence[object], length: int = _LABEL) -> list[str]:
    """Texts from data that stay distinct: common first and last words, or the middle, are left out."""
    plain = [_plain(name) for name in names]
    for tried in (plain, _without_common_ends(plain)):
        cut = [label(name, length) for name in tried]
        if len(set(cut)) == len(set(plain)):
            return cut
    cut = [label(name, length) for name in plain]
    half = (length - 1) // 2
    made = []
    for name, short in zip(plain, cut, strict=True):
        alike = {other for other, same in zip(plain, cut, strict=True) if same == short}
        if short != name and len(alike) > 1:
            short = f"{_head(name, length - 1 - half).rstrip()}…{_head(name[::-1], half)[::-1].lstrip()}"
        made.append(short)
    return made


def _without_common_ends(names: Sequence[str]) -> list[str]:
    """``…7…`` for ``question 7 of the form`` if all names differ only in the number; whole words are cut."""
    words = [name.split() for name in names]
    head = _alike(words)
    rest = [name[head:] for name in words]
    tail = _alike([name[::-1] for name in rest])
    return [
        ("…" if head else "") + " ".join(name[: len(name) - tail]) + ("…" if tail else "") for name in rest
    ]


def _alike(names: Sequence[Sequence[str]]) -> int:
    """Number of first words that all names share."""
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, zip(*names, strict=False)))


def number_axes(axes: Axes, *, most: int = 5) -> None:
    """Format ticks with separators (``150,000``), or in millions and billions, few enough to stay apart."""
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        if isinstance(axis.get_major_formatter(), ConciseDateFormatter):
            continue
        largest = max(abs(low), abs(high))
        if axis.get_scale() != "linear" or not 1e4 <= largest < 1e14:
            continue
        _, scale, unit = next(item for item in _UNITS if largest >= item[0])
        axis.set_major_formatter(FuncFormatter(partial(_tick, scale=scale, unit=unit)))
        if axis is axes.xaxis:
            axis.set_major_locator(MaxNLocator(nbins=most))


def date_axis(axes: Axes) -> None:
    """Write the horizontal axis, in days since 1970, as few short dates: ``Mar 05``, the year at its end."""
    locator = AutoDateLocator(minticks=2, maxticks=4)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _tick(value: float, _: object, scale: float, unit: str) -> str:
    return f"{value / scale:,.6g}{unit}".replace("-", "\N{MINUS SIGN}")


def legend_below(figure: Figure, axes: Axes, *, columns: int = 2, title: str | None = None) -> None:
    """Put the legend below the axes, where no line can cross it."""
    handles, names = axes.get_legend_handles_labels()
    width, height = figure.get_size_inches()
    widest = max(map(_width, names)) * _LETTER_INCHES + _HANDLE_INCHES
    columns = max(1, min(columns, len(names), int(width / widest)))
    lines = -(-len(names) // columns) + (title is not None)
    figure.set_size_inches(width, height + 0.17 * lines)
    figure.legend(handles, names, loc="outside lower center", ncols=columns, title=title)


def category_axis(axes: Axes, names: Sequence[object]) -> None:
    """List names down the left side, the first at the top, without grid lines between them."""
    axes.set_yticks(range(len(names)), [with_room(name) for name in labels(names, 24)])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def with_room(name: str) -> str:
    """A label that ends at an axis, padded for letters that are wider than the layout assumes.

    Letters that DejaVu Sans lacks are laid out at 0.6 em; a reader's font draws Chinese ones at 1 em.
    """
    return "\u2002" * round(0.8 * (_width(name) - len(name))) + name


def _plain(text: object) -> str:
    line = " ".join(str(text).split())
    return "".join(character for character in line if unicodedata.category(character)[0] != "C")


def _width(text: str) -> int:
    """Width in letters; Chinese ones count twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _head(text: str, width: int) -> str:
    """The longest beginning that fits into the width."""
    while _width(text) > width:
        text = text[:-1]
    return text


def svg(figure: Figure, name: str) -> str:
    """The figure as an ``<svg>`` element with the colours and fonts of the page.

    ``name`` makes its ids differ from those of other figures on the page.
    """
    text = _drawn(figure)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.DOTALL)
    text = _with_own_ids(text, name).replace("xlink:href", "href")
    text = re.sub(r"font: (?:\w+ )*?([\d.]+)px [^;\"]*", r"font-size: \1px", text)
    for variable, colour in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    view = re.search(r'viewBox="([^"]+)"', text)
    size = view.group(1) if view else "0 0 400 300"
    opening = f'<svg data-plot="{name}" viewBox="{size}" aria-hidden="true" focusable="false">'
    return re.sub(r"\s*\n\s*", "\n", opening + text[text.index(">") + 1 :])


def _drawn(figure: Figure) -> str:
    """The figure as a file of SVG, without a background.

    ``savefig`` would draw everything twice: to lay it out, and to write it.
    """
    buffer, background = io.StringIO(), figure.get_facecolor()
    empty = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.set_facecolor("none")
    try:
        with drawing():
            FigureCanvasSVG(figure).print_svg(buffer, metadata=empty)  # type: ignore[no-untyped-call]
    finally:
        figure.set_facecolor(background)
    return buffer.getvalue()


def _with_own_ids(text: str, name: str) -> str:
    """Prefix ids that are referenced with the figure's name; remove the others."""
    used = set(re.findall(r'(?:xlink:href="|href="|url\()#([^")]+)', text))

    def renamed(match: re.Match[str]) -> str:
        return f' id="{name}-{match.group(1)}"' if match.group(1) in used else ""

    text = re.sub(r'\sid="([^"]*)"', renamed, text)
    return re.sub(r'((?:xlink:href="|href="|url\()#)', rf"\g<1>{name}-", text)
