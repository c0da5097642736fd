"""Targets that are quantities written as text (amounts with a unit, durations), or dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.core.errors import DataError
from automl.core.table import Array
from automl.core.text import quoted
from automl.data.cells.amounts import PLAIN, Notation, find_amounts, notation_of
from automl.data.cells.dates import compact_days, find_date_reading, is_compact_date, moments_of_words
from automl.data.cells.durations import find_durations, read_durations
from automl.data.cells.names import listed
from automl.data.cells.plain import (
    EXACT,
    Mask,
    Words,
    decimal_style,
    has_leading_zeros,
    looks_numeric,
    parse_numbers,
)
from automl.data.cells.row_numbers import row_number

_DATES = 0.8  # of the words must be dates


@dataclass(frozen=True)
class TargetNumbers:
    """The notation of a target's numbers.

    Attributes
    ----------
    notation:
        Notation of amounts.
    duration:
        A style of :mod:`automl.data.cells.durations`; empty for amounts.
    """

    notation: Notation = PLAIN
    duration: str = ""

    @property
    def unit(self) -> str:
        """The unit of the numbers, which is that of predictions; empty for plain numbers."""
        return "seconds" if self.duration else self.notation.unit

    @property
    def described(self) -> str:
        """A sentence for people."""
        if self.duration:
            return f"The target's durations were read as {self.duration}: predictions are in seconds."
        unit = f": predictions are numbers in {self.unit}" if self.unit else ""
        return f"The target's numbers were kept as text{self.notation.described}{unit}."

    def read(self, text: Words) -> tuple[Array, Mask]:
        """Words as numbers, NaN for missing ones, and a mask of those that are not numbers."""
        if self.duration:
            return read_durations(text, self.duration)
        if self.notation == PLAIN:
            return parse_numbers(text)
        amounts = self.notation.read(text)
        return amounts.values, amounts.bad

    def to_json(self) -> dict[str, Any]:
        """Plain data for :meth:`from_json`."""
        return {"notation": self.notation.to_json(), "duration": self.duration}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> TargetNumbers:
        """The value that :meth:`to_json` wrote."""
        return cls(Notation.from_json(data["notation"]), data["duration"])


def find_target_numbers(text: Words, *, exact: bool) -> TargetNumbers | None:
    """The notation of numbers in text, or None if most words are not numbers, or are codes.

    Parameters
    ----------
    exact:
        Whether whole numbers that a float cannot hold are codes, as are digits with leading zeros.
    """
    if has_leading_zeros(text):
        return None
    if looks_numeric(text):
        style = decimal_style(text)
        values, bad = parse_numbers(text, decimal=style or ".")
        if not bad.any() and not np.isnan(values).all():
            large = exact and bool((np.abs(values) >= EXACT).any())
            # as floats some of them would be equal
            codes = large and pc.any(pc.match_substring_regex(text, "^[+-]?[0-9]{16,}$")).as_py()
            return None if codes else TargetNumbers(notation_of(style))
    amounts = find_amounts(text)
    if amounts is not None:
        return TargetNumbers(amounts.notation)
    duration = find_durations(text)
    return None if duration is None else TargetNumbers(duration=duration)


def refuse_units(numbers: TargetNumbers, text: Words, target: str) -> None:
    """Raise :class:`DataError` for amounts in units that cannot be converted into one another."""
    if not numbers.notation.several:
        return
    units = numbers.notation.read(text).units
    counts = np.bincount(units[units >= 0], minlength=len(numbers.notation.levels))
    listing = [f"{level!r} ({count})" for level, count in zip(numbers.notation.levels, counts, strict=True)]
    raise DataError(
        f"The target {target!r} holds amounts in several units: {listed(listing)}. A prediction is one "
        "number. Next: convert them into the same unit, or keep the rows with one unit."
    )


def refuse_words(odd: Mask, text: Words, target: str, column: pd.Series[Any]) -> None:
    """Raise :class:`DataError` with the cells of a numeric target that are not numbers: the ``odd`` ones."""
    bad = np.flatnonzero(odd)
    if not len(bad):
        return
    counts = pc.value_counts(text.take(pa.array(bad)))
    order = np.argsort(-counts.field(1).to_numpy(), kind="stable")
    listing = [f"{str(counts.field(0)[int(i)])!r} ({counts.field(1)[int(i)]})" for i in order]
    sample = text[int(bad[0])].as_py()
    word = sample if "," not in sample else "WORD"
    raise DataError(
        f"The target {target!r} holds numbers except for {len(bad)} of {len(text) - text.null_count} cells: "
        f"{listed(listing, 5)}; the first is {quoted(sample)} in row {row_number(column, bad[0])}. Next: "
        f"correct or blank them, or declare them as missing: --missing 'usual,{word}'. "
        "--task classification makes every value a class."
    )


def refuse_dates(column: pd.Series[Any], text: Words | None, target: str) -> None:
    """Raise :class:`DataError` for a target that holds dates, which are neither quantities nor classes."""
    sample = _date(column, text)
    if not sample:
        return
    raise DataError(
        f"The target {target!r} holds dates, such as {sample!r}: a date is not a quantity that a model can "
        "predict. Next: convert it into a number, such as the days since a date that is known for each row, "
        "and predict that; or, if the dates are names of a few classes, pass --task classification."
    )


def _date(column: pd.Series[Any], text: Words | None) -> str:
    """An example of the dates in a column; empty if it does not hold dates."""
    present = column.dropna()
    if column.dtype.kind == "M" or isinstance(column.dtype, pd.PeriodDtype):
        return str(present.iloc[0]) if len(present) else ""
    if text is None:
        values = present.to_numpy(dtype=np.float64)
        compact = bool((values == np.floor(values)).all()) and is_compact_date(values)
        many = len(np.unique(values)) > 20
        return f"{values[0]:.0f}" if compact and many and not np.isnan(compact_days(values)).any() else ""
    detected = find_date_reading(text)
    if detected is None:
        return ""
    read = ~np.isnan(moments_of_words(text, detected[0]))
    valid = len(text) - text.null_count
    return str(text.filter(pa.array(read))[0]) if read.sum() >= _DATES * valid else ""
