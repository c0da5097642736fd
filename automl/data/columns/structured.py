"""Plans of columns whose cells have parts: dates, times of day, structured strings."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.core.errors import DataError
from automl.core.text import quoted
from automl.data.cells.amounts import Notation
from automl.data.cells.dates import ISO, DateReading, date_fields, hours, read_dates
from automl.data.cells.plain import Words, parse_numbers, words
from automl.data.columns.number_plans import DurationPlan, NumberPlan, notation_of_format_1
from automl.data.columns.plans import CategoryPlan, FilePlan, Pieces, Plan, TextPlan, codes_of
from automl.data.modalities import modalities


@dataclass(frozen=True)
class DatePlan(Plan):
    """The calendar's numbers of a date.

    Attributes
    ----------
    reading:
        The format of the dates.
    fields, names:
        Fields of :data:`automl.data.cells.dates.FIELDS` that vary, and the names of their features.
    """

    type: ClassVar[str] = "date"
    reading: DateReading = ISO
    fields: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def number_names(self) -> tuple[str, ...]:
        """The names of the fields."""
        return self.names

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """The fields; values that are not dates are missing and counted in a note."""
        read = read_dates(column, self.reading)
        days = read.days
        pieces = Pieces(numbers=date_fields(days, self.fields), days=days)
        if read.exchanged:
            order = "day" if self.reading.style.startswith("%d") else "month"
            pieces.notes.append(
                f"Column {self.column!r}: {read.exchanged} dates can only be read with day and month in the "
                f"opposite order to training ({self.reading.described}). If the whole file has that order, "
                f"its other dates were misread with the {order} first: write them as 2024-12-31."
            )
        missing = np.isnan(days)
        if missing.any() and column.dtype.kind != "M":
            bad = words(column).filter(pa.array(missing)).drop_null()
            if len(bad):
                pieces.notes.append(
                    f"Column {self.column!r}: {len(bad)} values, such as {quoted(bad[0].as_py())}, are not "
                    f"dates ({self.reading.described}); they count as missing."
                )
        return pieces


@dataclass(frozen=True)
class ClockPlan(Plan):
    """Hours of a time of day."""

    type: ClassVar[str] = "clock"

    @property
    def number_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """Hours with fractions; values that are not times are missing and counted in a note."""
        text = words(column)
        distinct = text.dictionary_encode()  # times repeat; the regular expression is the slow part
        places = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        values = np.append(hours(distinct.dictionary), np.nan)[places]
        bad = int(np.isnan(values).sum()) - text.null_count
        note = f"Column {self.column!r}: {bad} values are not times of day; they count as missing."
        return Pieces(numbers=[values], notes=[note] if bad else [])


WHOLE = -1  # the group of the undivided string


@dataclass(frozen=True)
class Part:
    """One part of a structured string.

    Attributes
    ----------
    group:
        Number of the regular expression's group, or :data:`WHOLE`.
    name:
        Name of the feature.
    levels:
        Levels of a category; empty for a number.
    """

    group: int
    name: str
    levels: tuple[str, ...] = ()


@dataclass(frozen=True)
class PartsPlan(Plan):
    """The parts of a structured string such as ``B/123/P``, as numbers and categories.

    Attributes
    ----------
    pattern:
        Regular expression (RE2) with a named group per part.
    numbers, categories:
        The parts that vary.
    """

    type: ClassVar[str] = "parts"
    pattern: str = ""
    numbers: tuple[Part, ...] = ()
    categories: tuple[Part, ...] = ()

    @property
    def number_names(self) -> tuple[str, ...]:
        """A name per numeric part."""
        return tuple(part.name for part in self.numbers)

    @property
    def category_names(self) -> tuple[str, ...]:
        """A name per part that is a category."""
        return tuple(part.name for part in self.categories)

    @property
    def level_names(self) -> tuple[tuple[str, ...], ...]:
        """Levels of these categories."""
        return tuple(part.levels for part in self.categories)

    @property
    def reads_words(self) -> bool:
        """True: its cells are text."""
        return True

    @property
    def groups(self) -> int:
        """Number of parts, including those that do not vary."""
        return self.pattern.count("(?P<")

    @cached_property
    def _known(self) -> tuple[Any, ...]:
        return tuple(pa.array(part.levels, pa.large_string()) for part in self.categories)

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """The parts; all of them are missing in cells with another structure."""
        text = words(column)
        groups = [*split_parts(text, self.pattern), text]  # the last one is the whole string: group -1
        pieces = Pieces()
        for part in self.numbers:
            pieces.numbers.append(parse_numbers(groups[part.group])[0])
        for part, levels in zip(self.categories, self._known, strict=True):
            pieces.codes.append(codes_of(groups[part.group], levels))
        return pieces


def split_parts(text: Words, pattern: str) -> list[Words]:
    """The groups of a pattern, each as words; null where the word does not match or the part is blank."""
    fields = pc.extract_regex(text, pattern=pattern)
    valid = fields.is_valid()
    parts = []
    for i in range(fields.type.num_fields):
        part = fields.field(i)
        parts.append(pc.if_else(pc.and_(valid, pc.not_equal(part, "")), part, pa.scalar(None, part.type)))
    return parts


_PLANS: dict[str, type[Plan]] = {
    plan.type: plan
    for plan in (
        NumberPlan,
        DurationPlan,
        CategoryPlan,
        TextPlan,
        DatePlan,
        ClockPlan,
        PartsPlan,
    )
}


def plan_from_json(data: dict[str, Any]) -> Plan:
    """The plan that :meth:`Plan.to_json` wrote."""
    body = {key: _tuples(value) for key, value in data.items() if key != "type"}
    kind = _PLANS.get(data["type"])
    if data["type"] in modalities():
        return FilePlan(data["column"], data["type"])
    if kind is None:
        raise DataError(
            f"The model has a column of type {data['type']!r}, which this version of automl does not know. "
            "Next: load it with the version that saved it."
        )
    if kind is NumberPlan and "notation" in data:
        body["notation"] = Notation.from_json(data["notation"])
    elif kind is NumberPlan:
        body["notation"] = notation_of_format_1(body.pop("decimal"), body.pop("unit"))
    if kind is DatePlan:
        body["reading"] = DateReading(**data["reading"])
    if kind is PartsPlan:
        for name in ("numbers", "categories"):
            body[name] = tuple(
                Part(part["group"], part["name"], tuple(part["levels"])) for part in data[name]
            )
    return kind(**body)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
