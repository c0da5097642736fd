"""Typical values of every column, which an explanation puts in place of a row's own.

They are cells, not rows: each column is thinned to its evenly spaced ranks and shuffled on its own, so that
no row of the training data is kept, and no text or file either. A column of several features, such as a
date, keeps the features of one cell together.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

from automl.core.modality import named
from automl.core.table import Strings, Table
from automl.data.columns.structured import DatePlan
from automl.data.layout import Layout
from automl.data.modalities import modalities
from automl.families.preprocess.saved import Saved
from automl.model.file_numbers import with_file_numbers
from automl.model.source_columns import Piece, SharedPiece, SourceColumn, columns_of, piece_values

MOST_CELLS = 100
"""Values that are kept of a column at most."""
_FEWEST_CELLS, _ALL_CELLS = 20, 200_000
_SAMPLE_ROWS = 20_000
FILE = "background.npz"


@final
@dataclass(frozen=True)
class Background(Saved):
    """Typical values of the numbers and categories of a table.

    Attributes
    ----------
    numbers, codes:
        ``(cells, features)`` in the order of :class:`automl.core.table.Table`, without numbers made of files.
    """

    numbers: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, table: Table, layout: Layout) -> Background:
        """The typical values of training rows, the same each time."""
        features = layout.features
        wide = len(features.numbers) + len(features.categories)
        cells = min(MOST_CELLS, table.rows, max(_FEWEST_CELLS, _ALL_CELLS // max(wide, 1)))
        step = max(1, table.rows // _SAMPLE_ROWS)
        numbers = np.asarray(table.numbers[::step, : len(features.numbers)])
        thinned = Table(features, numbers, np.asarray(table.codes[::step]))
        kept = Table(
            features, np.zeros((cells, numbers.shape[1])), np.zeros((cells, thinned.codes.shape[1]), np.int32)
        )
        for column in columns_of(Table(features, numbers, thinned.codes), layout):
            pieces = [piece for piece in column.pieces if piece[0] != "text"]
            if pieces:
                rows = _even_ranks([piece_values(thinned, piece) for piece in pieces], cells)
                order = np.random.default_rng(zlib.crc32(repr(pieces).encode())).permutation(cells)
                for kind, place in pieces:
                    source, target = (
                        (thinned.numbers, kept.numbers) if kind == "number" else (thinned.codes, kept.codes)
                    )
                    target[:, place] = source[rows[order], place]
        return cls(kept.numbers, kept.codes)

    @classmethod
    def read(cls, folder: Path) -> Background | None:
        """The background that a model in this folder has; None for models of earlier versions."""
        return cls.load(folder) if (folder / FILE).is_file() else None

    def table(self, layout: Layout) -> Table:
        """The cells as rows that a model reads, with empty texts and blank files."""
        rows, features = len(self.numbers), layout.features
        texts = tuple(_repeated("", rows) for _ in features.texts)
        files = {
            kind: tuple(_repeated(named(modalities()[kind].blank)(), rows) for _ in columns)
            for kind, columns in features.files.items()
        }
        table = Table(features, self.numbers, self.codes, texts, files)
        if not layout.file_numbers or not rows:
            return table
        # All blank files have the same numbers.
        made = with_file_numbers(table.take(np.arange(1)), layout.file_numbers)
        further = made.numbers[:, table.numbers.shape[1] :]
        numbers = np.hstack([table.numbers, np.repeat(further, rows, axis=0)])
        return Table(made.features, numbers, table.codes, table.texts, table.files)


def shared_pieces(layout: Layout, columns: Sequence[SourceColumn]) -> tuple[SharedPiece, ...]:
    """The differences of two dates, each with the places of both among ``columns``.

    They are not computed again from a date of the row and a typical one: where trips take minutes, that would
    be a trip of weeks, and its effect would drown those of the dates.
    """
    owners = {piece: place for place, column in enumerate(columns) for piece in column.pieces}
    return tuple(
        SharedPiece(("number", place), (owners["number", later], owners["number", earlier]))
        for place, later, earlier in _differences(layout)
    )


def owned_columns(table: Table, layout: Layout) -> list[SourceColumn]:
    """The user's columns in their order, with all that is made of them, such as the numbers of files.

    A difference of two dates belongs to neither: it follows from both (see :func:`shared_pieces`). Where
    one of the two dates has no days among its features, it belongs to the other.
    """
    used = {plan.column for plan in layout.plans}
    columns = {column.name: column for column in columns_of(table, layout) if column.name in used}
    own = len(layout.features.numbers)
    derived = {place for place, _, _ in _differences(layout)}
    for place, difference in enumerate(layout.differences, own - len(layout.differences)):
        if place not in derived:
            later, earlier = columns.get(difference.later), columns.get(difference.earlier)
            owner = later if later is not None else earlier
            if owner is not None:
                columns[owner.name] = _with_pieces(owner, [("number", place)])
    files = [
        SourceColumn(name, kind, ((kind, place),))
        for kind, names in layout.features.files.items()
        for place, name in enumerate(names)
    ]
    made = [("number", place) for place in range(own, table.numbers.shape[1])]
    if made and len(files) > 1:  # the numbers do not say which of the files they are made of
        pieces = tuple(piece for column in files for piece in column.pieces)
        files = [SourceColumn(" + ".join(column.name for column in files), files[0].kind, pieces)]
    if made:
        files = [_with_pieces(files[0], made)]
    columns |= {column.name: column for column in files}
    places = {name: place for place, name in enumerate(layout.inputs)}
    return sorted(columns.values(), key=lambda column: places.get(column.name, len(places)))


def _with_pieces(column: SourceColumn, further: Sequence[Piece]) -> SourceColumn:
    return SourceColumn(column.name, column.kind, (*column.pieces, *further))


def _differences(layout: Layout) -> list[tuple[int, int, int]]:
    """Places of each difference among the numbers, and of the days of its later and its earlier date."""
    days: dict[str, int] = {}
    at = 0
    for plan in layout.plans:
        if isinstance(plan, DatePlan) and "days" in plan.fields:
            days[plan.column] = at + plan.fields.index("days")
        at += len(plan.number_names)
    first = len(layout.features.numbers) - len(layout.differences)
    return [
        (first + place, days[item.later], days[item.earlier])
        for place, item in enumerate(layout.differences)
        if item.later in days and item.earlier in days
    ]


def _even_ranks(columns: Sequence[npt.NDArray[np.generic]], cells: int) -> npt.NDArray[np.int64]:
    """Rows at the middles of ``cells`` equal parts of the rows in the columns' order."""
    order = np.lexsort([np.nan_to_num(column, nan=np.inf) for column in reversed(columns)])
    return np.asarray(order[((np.arange(cells) + 0.5) / cells * len(order)).astype(np.int64)])


def _repeated(value: object, rows: int) -> Strings:
    column = np.empty(rows, dtype=object)
    for place in range(rows):
        column[place] = value
    return column
