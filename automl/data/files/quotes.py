"""Quotes around the cells of a text table: a quoted word is text, whatever it means without quotes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from automl.data.cells.plain import Mask, flags

MAX_CELL = 1 << 27


@dataclass(frozen=True)
class Quotes:
    """The quoted cells of a table.

    Attributes
    ----------
    data, start:
        The bytes of the table, and the place where its rows begin.
    rows, columns, delimiter:
        Size and delimiter of the table.
    """

    data: bytes
    start: int
    rows: int
    columns: int
    delimiter: str

    @cached_property
    def informative(self) -> bool:
        """True if some cells have quotes and others do not."""
        return 0 < self.data.count(b'"', self.start) < 2 * self.rows * self.columns

    def bare(self, place: int, words: Sequence[str]) -> Mask:
        """``(rows,)`` True where the cell of a column is one of these words without quotes."""
        key = str(place)
        read = arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(self.data)[self.start :]),
            read_options=arrow_csv.ReadOptions(
                column_names=[str(i) for i in range(self.columns)], block_size=MAX_CELL
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=lambda row: "skip"
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=[key],
                column_types={key: pa.string()},
                null_values=list(words),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        return flags(pc.is_null(read.column(key).combine_chunks()))
