"""HTML by construction: text is escaped unless it was made here."""

from __future__ import annotations

import base64
import html
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence

from matplotlib.figure import Figure

from automl.report.figures.style import svg
from automl.report.palette import NARROW

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_PERCENT = re.compile(r"(\d) %")  # kept on one line
_VOID = {"meta", "br", "hr"}
# Marks that change the direction of text could make a page read differently from its text.
_TURNING = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}


class Markup(str):
    """Text that is already HTML."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Any value as escaped text, without control characters."""
    if isinstance(value, Markup):
        return value
    kept = "".join(
        character
        for character in str(value)
        if character in "\n\t"
        or not (
            unicodedata.category(character) in ("Cc", "Cs")
            or unicodedata.bidirectional(character) in _TURNING
        )
    )
    return Markup(html.escape(_PERCENT.sub("\\1\u00a0%", kept)))


def prose(value: object) -> Markup:
    """Sentences in which an option such as ``--test`` stays on one line."""
    return Markup(_OPTION.sub(r"<code>\g<0></code>", text(value)))


def tag(name: str, *children: object, **attributes: str | None) -> Markup:
    """An element; ``class_`` is its class, ``aria_label`` its ``aria-label``."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{''.join(text(child) for child in children)}</{name}>")


def joined(parts: Iterable[object], between: str = "\n") -> Markup:
    """The parts in order, each escaped unless it is HTML."""
    return Markup(between.join(text(part) for part in parts))


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    words: Sequence[int] = (0,),
    spare: Sequence[int] = (),
) -> Markup:
    """A table that scrolls sideways where the screen is narrow.

    Parameters
    ----------
    words:
        Columns that are aligned left.
    spare:
        Columns that are hidden on phones.
    """

    def row(cells: Sequence[object], kind: str) -> Markup:
        made = []
        for place, cell in enumerate(cells):
            names = ["number"] * (place not in words) + ["spare"] * (place in spare)
            scope = "col" if kind == "th" else None
            made.append(tag(kind, cell, class_=" ".join(names) or None, scope=scope))
        return tag("tr", *made)

    body = tag("tbody", *[row(cells, "td") for cells in rows])
    inner = tag("table", tag("thead", row(head, "th")), body)
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label="table")


def picture(
    figure: Figure, name: str, *, alt: str, caption: object = "", narrow: Figure | None = None
) -> Markup:
    """A plot with a caption, and a description in words for readers who cannot see it.

    A wide plot comes with a second one for phones, ``narrow``, with letters of the same size.
    """
    drawn = [Markup(svg(figure, name))] + ([] if narrow is None else [Markup(svg(narrow, f"{name}{NARROW}"))])
    plot = tag("div", *drawn, role="img", aria_label=alt, class_="plot")
    under = [tag("figcaption", caption)] if caption else []
    return tag("figure", plot, *under, class_=None if narrow is None else "wide")


def photo(content: bytes, *, alt: str) -> Markup:
    """A sheet of photographs embedded in the page, with its description below it.

    It is encoded as JPEG, a fifth of the size of the PNG file that is passed: two PNG files would add 3 MB.
    """
    from PIL import Image

    written = io.BytesIO()
    with Image.open(io.BytesIO(content)) as sheet:
        sheet.convert("RGB").save(written, format="JPEG", quality=85, subsampling=0, optimize=True)
    encoded = base64.b64encode(written.getvalue()).decode()
    shown = Markup(f'<img src="data:image/jpeg;base64,{encoded}" alt="{text(alt)}">')
    return tag("figure", tag("div", shown, class_="plot"), tag("figcaption", alt), class_="wide")


def section(place: str, title: str, *children: object) -> Markup:
    """A part of the page that the table of contents can link to."""
    return tag("section", tag("h2", title), *children, id=place)


def code(command: str) -> Markup:
    """Lines to copy."""
    return tag("pre", tag("code", command))
