"""The columns of the user's data, each with the features of a table that were made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.table import Kind, Table
from automl.data.cells.dates import FIELDS
from automl.data.layout import Layout

Piece = tuple[str, int]
"""Kind and place of a feature of a table."""
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


@dataclass(frozen=True)
class SourceColumn:
    """A column of the user's data, with the features that were made from it."""

    name: str
    kind: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class SharedPiece:
    """A feature that was made from several columns, such as the time between two dates.

    Attributes
    ----------
    piece:
        The feature.
    owners:
        Places of the columns among those that are explained.
    """

    piece: Piece
    owners: tuple[int, ...]


def columns_of(table: Table, layout: Layout) -> list[SourceColumn]:
    """The user's columns of numbers, categories and texts; not those of files.

    A feature that the layout does not know, such as the difference of two dates, is a column of its own.
    """
    features, plans = table.features, layout.plans
    kinds = {column.name: str(column.kind) for column in layout.columns}
    owners: dict[str, tuple[tuple[str, ...], list[str]]] = {
        "number": (features.numbers, [plan.column for plan in plans for _ in plan.number_names]),
        "category": (features.categories, [plan.column for plan in plans for _ in plan.category_names]),
        "text": (features.texts, [plan.column for plan in plans for _ in plan.text_names]),
    }
    pieces_of: dict[tuple[str, bool], list[Piece]] = {}
    for kind, (names, columns) in owners.items():
        for place, name in enumerate(names):
            owned = place < len(columns)
            pieces_of.setdefault((columns[place] if owned else name, owned), []).append((kind, place))
    return [
        SourceColumn(name, kinds.get(name, pieces[0][0]) if owned else pieces[0][0], tuple(pieces))
        for (name, owned), pieces in pieces_of.items()
    ]


def text_columns(table: Table, layout: Layout) -> list[str]:
    """The user's column behind each text feature."""
    owners = [plan.column for plan in layout.plans for _ in plan.text_names]
    return [*owners, *table.features.texts[len(owners) :]]


def piece_name(table: Table, column: SourceColumn, piece: Piece) -> str:
    """The column's name, with the name of the part if it has several: ``Ticket, its number part``."""
    if len(column.pieces) == 1:
        return column.name
    if field := date_field(table, column, piece):
        return column.name if field == "days" else f"{column.name}, {field}"
    kind = piece[0]
    alike = [other for other in column.pieces if other[0] == kind]
    number = f"{_ORDINALS[alike.index(piece)]} " if 1 < len(alike) <= len(_ORDINALS) else ""
    return f"{column.name}, its {number}{kind} part"


def date_field(table: Table, column: SourceColumn, piece: Piece) -> str:
    """The field of :data:`automl.data.cells.dates.FIELDS` that a feature of a date holds, else empty."""
    kind, place = piece
    if column.kind != Kind.DATE or kind != "number":
        return ""
    field = table.features.numbers[place].removeprefix(f"{column.name}.")
    return field if field in FIELDS else ""


def piece_values(table: Table, piece: Piece) -> npt.NDArray[Any]:
    """Values of a feature: numbers, codes or texts, ``(rows,)``."""
    kind, place = piece
    if kind == "number":
        return np.asarray(table.numbers[:, place])
    if kind == "category":
        return np.asarray(table.codes[:, place])
    return table.texts[place]


def put_values(table: Table, piece: Piece, part: slice, values: Any) -> None:
    """Write into a table that the caller copied."""
    kind, place = piece
    if kind == "number":
        table.numbers[part, place] = values
    elif kind == "category":
        table.codes[part, place] = values
    else:
        table.texts[place][part] = values
