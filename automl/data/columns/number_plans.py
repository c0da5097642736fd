"""Plans of columns that hold numbers: plain ones, amounts with units, durations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa

from automl.core.errors import CellError
from automl.core.table import Array, Codes
from automl.data.cells.amounts import PLAIN, Notation, notation_of
from automl.data.cells.durations import DURATIONS, read_durations, seconds_of
from automl.data.cells.plain import Mask, Words, is_numeric, numbers, parse_numbers, words
from automl.data.cells.row_numbers import row_number
from automl.data.cells.units import NO_UNIT, Mark, Scale
from automl.data.columns.plans import Pieces, Plan, codes_of


@dataclass(frozen=True)
class NumberPlan(Plan):
    """A number; the unit is a category if units differ, and so are words in place of a number.

    Attributes
    ----------
    notation:
        The notation of numbers kept as text.
    words:
        Words among the numbers that are levels of a category beside it.
    lenient:
        Whether text that is not a number counts as missing, as for columns that the user declared;
        otherwise it is an error.
    """

    type: ClassVar[str] = "number"
    notation: Notation = PLAIN
    words: tuple[str, ...] = ()
    lenient: bool = False

    @property
    def number_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    @property
    def category_names(self) -> tuple[str, ...]:
        """A category for units and words, if there are any."""
        return (f"{self.column}.unit",) if self._levels else ()

    @property
    def level_names(self) -> tuple[tuple[str, ...], ...]:
        """The units and words."""
        return (self._levels,) if self._levels else ()

    @cached_property
    def _levels(self) -> tuple[str, ...]:
        units = self.notation.levels if self.notation.several else ()
        return tuple(sorted({*units, *self.words}))

    @property
    def reads_words(self) -> bool:
        """True if cells hold more than a number."""
        return bool(self._levels or self.notation.scales)

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """Numbers; text is parsed.

        Raises
        ------
        DataError
            For text that is not a number.
        """
        plain = _plain_values(column)
        if plain is not None:
            codes = np.where(np.isnan(plain), -1, self._code(NO_UNIT)).astype(np.int32)
            return Pieces(numbers=[plain], codes=[codes] if self._levels else [])
        text = words(column)
        if self.notation == PLAIN and not self.words:
            values, bad = parse_numbers(text)
            units = np.full(len(text), -1, dtype=np.int32)
        else:
            amounts = self.notation.read(text)
            values, bad, units = amounts.values, amounts.bad, amounts.units
            if bad.any():  # plain numbers, as other programs that read the file may give them
                rest, still = parse_numbers(text.filter(pa.array(bad)))
                places = np.flatnonzero(bad)
                values[places] = rest
                bad[places] = still
        codes = self._codes(text, units)
        if self.words:
            bad &= codes < 0
        return Pieces(
            numbers=[values], codes=[codes] if self._levels else [], notes=self._notes(column, text, bad)
        )

    def _code(self, level: str) -> int:
        return self._levels.index(level) if level in self._levels else -1

    def _codes(self, text: Words, units: Codes) -> Codes:
        """``(rows,)`` codes of units and words."""
        if not self._levels:
            return units
        by_word = codes_of(text, pa.array(self._levels, pa.large_string()))
        if not self.notation.several:
            return by_word
        of_unit = np.array([*(self._code(level) for level in self.notation.levels), -1], dtype=np.int32)
        return np.where(units >= 0, of_unit[units], by_word).astype(np.int32)

    def _notes(self, column: pd.Series[Any], text: Words, bad: Mask) -> list[str]:
        count = int(bad.sum())
        if not count:
            return []
        places = np.flatnonzero(bad).tolist()
        sample = text[places[0]].as_py()[:60]
        if self.lenient:
            return [f"Column {self.column!r}: {count} values such as {sample!r} are not numbers: missing."]
        unit = f" (in {self.notation.unit})" if self.notation.unit else ""
        raise CellError(
            f"Column {self.column!r} held numbers{unit} in training, but {count} of {len(text)} values are "
            f"not such numbers: {sample!r} in row {row_number(column, places[0])}. "
            "Next: fix them or leave them blank.",
            places,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        body = {"type": self.type, "column": self.column, "notation": self.notation.to_json()}
        return {**body, "words": list(self.words), "lenient": self.lenient}


def _plain_values(column: pd.Series[Any]) -> Array | None:
    """Numbers, durations in seconds and truth values as float64; None for text."""
    if is_numeric(column):
        return numbers(column)
    if column.dtype.kind == "m":
        return seconds_of(column)
    if pd.api.types.is_bool_dtype(column.dtype):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan), dtype=np.float64)
    return None


@dataclass(frozen=True)
class DurationPlan(Plan):
    """A duration in seconds.

    Attributes
    ----------
    style:
        The meaning of two numbers with a colon: see :func:`automl.data.cells.durations.read_durations`.
    """

    type: ClassVar[str] = "duration"
    style: str = DURATIONS

    @property
    def number_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    @property
    def reads_words(self) -> bool:
        """True: its cells are text."""
        return True

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """Seconds; values that are not durations are missing and counted in a note."""
        plain = _plain_values(column)
        if plain is not None:
            return Pieces(numbers=[plain])
        values, bad = read_durations(words(column), self.style)
        count = int(bad.sum())
        note = f"Column {self.column!r}: {count} values are not durations; they count as missing."
        return Pieces(numbers=[values], notes=[note] if count else [])


def notation_of_format_1(decimal: str, unit: str) -> Notation:
    """The notation of models of the first format, which is stored as a style of commas and a unit."""
    plain = notation_of(decimal)
    if not unit:
        return plain
    scale = Scale(1.0, unit)
    return replace(plain, scales=((Mark("", unit), scale), (Mark(unit), scale)))
