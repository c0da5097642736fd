"""What is made of one column: a plan per kind, learned from training rows and used on every later one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.data.cells import Words, is_numeric, numbers, parse_numbers, raw_words, words
from automl.data.dates import ISO, DateReading, date_fields, hours, moments
from automl.data.table import Array, Codes, Strings
from automl.errors import DataError

# False and True as pandas, people and numbers write them: even places are False.
_TRUTHS = ("False", "True", "false", "true", "0", "1", "FALSE", "TRUE")


@dataclass
class Pieces:
    """The features of one column of one frame, in the order of its plan's names."""

    numbers: list[Array] = field(default_factory=list)
    codes: list[Codes] = field(default_factory=list)
    texts: list[Strings] = field(default_factory=list)
    images: list[Strings] = field(default_factory=list)
    days: Array | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan(ABC):
    """How one column of the user's becomes features.

    Attributes
    ----------
    column:
        Its name.
    """

    type: ClassVar[str]
    column: str

    @property
    def number_names(self) -> tuple[str, ...]:
        """Names of the numbers it gives."""
        return ()

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names of the categories it gives."""
        return ()

    @property
    def level_names(self) -> tuple[tuple[str, ...], ...]:
        """Levels of these categories."""
        return ()

    @property
    def text_names(self) -> tuple[str, ...]:
        """Names of the texts it gives."""
        return ()

    @property
    def image_names(self) -> tuple[str, ...]:
        """Names of the image paths it gives."""
        return ()

    @abstractmethod
    def encode(self, column: pd.Series[Any]) -> Pieces:
        """The features of these rows."""

    def to_json(self) -> dict[str, Any]:
        """Plain data from which :func:`plan_from_json` makes the same plan."""
        return {"type": self.type, **asdict(self)}


@dataclass(frozen=True)
class NumberPlan(Plan):
    """A number as it is.

    Attributes
    ----------
    decimal:
        How text is read: ``.``, ``,`` or ``1,000`` (commas between thousands).
    lenient:
        Text that is no number is missing (the user asked for a number) instead of an error.
    """

    type: ClassVar[str] = "number"
    decimal: str = "."
    lenient: bool = False

    @property
    def number_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """Numbers; text is parsed.

        Raises
        ------
        DataError
            For text that is no number.
        """
        if is_numeric(column):
            return Pieces([numbers(column)])
        if column.dtype.kind == "m":
            seconds = column.to_numpy(dtype="timedelta64[us]")
            values = seconds.astype(np.int64) / 1e6
            values[np.isnat(seconds)] = np.nan
            return Pieces([values])
        if pd.api.types.is_bool_dtype(column.dtype):
            return Pieces([column.to_numpy(dtype=np.float64, na_value=np.nan)])
        text = words(column)
        values, bad = parse_numbers(text, decimal=self.decimal)
        count = int(bad.sum())
        if not count:
            return Pieces([values])
        row = int(np.flatnonzero(bad)[0])
        sample = text[row].as_py()
        if self.lenient:
            return Pieces(
                [values],
                notes=[f"Column {self.column!r}: {count} values such as {sample!r} are no numbers: missing."],
            )
        raise DataError(
            f"Column {self.column!r} held numbers in training, but {count} of {len(column)} values are none: "
            f"{sample!r} in row {row}. Next: repair them or leave them blank."
        )


@dataclass(frozen=True)
class CategoryPlan(Plan):
    """One of known levels.

    Attributes
    ----------
    levels:
        In the order of their codes.
    cut:
        Training had more levels; the rare ones count as missing.
    truth:
        The levels are False and True, however they are written.
    """

    type: ClassVar[str] = "category"
    levels: tuple[str, ...] = ()
    cut: bool = False
    truth: bool = False

    @property
    def category_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    @property
    def level_names(self) -> tuple[tuple[str, ...], ...]:
        """Its levels."""
        return (self.levels,)

    @cached_property
    def _known(self) -> Any:
        return pa.array(_TRUTHS if self.truth else self.levels, pa.large_string())

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """Codes; levels that training did not have are -1 and counted in a note."""
        text = raw_words(column)
        codes = self._codes(text)
        if int((codes < 0).sum()) == text.null_count:
            return Pieces(codes=[codes])
        text = words(column)
        codes = self._codes(pc.utf8_lower(text) if self.truth else text)
        notes = []
        unseen = int((codes < 0).sum()) - text.null_count
        if unseen and not self.cut:
            sample = text.filter(pa.array(codes < 0)).drop_null()[0].as_py()
            notes.append(
                f"Column {self.column!r}: {unseen} values, such as {sample[:60]!r}, were never seen in "
                "training; they count as missing."
            )
        return Pieces(codes=[codes], notes=notes)

    def _codes(self, text: Words) -> Codes:
        codes = codes_of(text, self._known)
        return np.where(codes > 0, codes % 2, codes).astype(np.int32) if self.truth else codes


def codes_of(text: Words, known: Any) -> Codes:
    """Places of the words among the known ones; -1 for nulls and others."""
    if text.type != known.type:
        text = text.cast(known.type)
    found = pc.index_in(text, value_set=known)
    return np.asarray(found.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)


@dataclass(frozen=True)
class TextPlan(Plan):
    """Free text."""

    type: ClassVar[str] = "text"

    @property
    def text_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """Trimmed text; missing is the empty string."""
        return Pieces(texts=[strings(column)])


@dataclass(frozen=True)
class ImagePlan(Plan):
    """Paths of image files, passed on as they are."""

    type: ClassVar[str] = "image"

    @property
    def image_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """Trimmed paths."""
        return Pieces(images=[strings(column)])


def strings(column: pd.Series[Any]) -> Strings:
    """Words as an object array of ``str``; missing is the empty string."""
    filled = words(column).fill_null("").to_numpy(zero_copy_only=False)
    return np.asarray(filled, dtype=object)


@dataclass(frozen=True)
class DatePlan(Plan):
    """The calendar's numbers of a date.

    Attributes
    ----------
    reading:
        How dates are written.
    fields, names:
        Fields of :data:`automl.data.dates.FIELDS` that vary, and the names of their features.
    """

    type: ClassVar[str] = "date"
    reading: DateReading = ISO
    fields: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def number_names(self) -> tuple[str, ...]:
        """One per field."""
        return self.names

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """The fields; what is no date is missing and counted in a note."""
        days = moments(column, self.reading)
        pieces = Pieces(date_fields(days, self.fields), days=days)
        missing = np.isnan(days)
        if missing.any() and column.dtype.kind != "M":
            bad = words(column).filter(pa.array(missing)).drop_null()
            if len(bad):
                pieces.notes.append(
                    f"Column {self.column!r}: {len(bad)} values, such as {bad[0].as_py()[:60]!r}, are no "
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
        """Hours with fractions; what is no time is missing and counted in a note."""
        text = words(column)
        distinct = text.dictionary_encode()  # times repeat; the regular expression is the slow part
        places = distinct.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        values = np.append(hours(distinct.dictionary), np.nan)[places]
        bad = int(np.isnan(values).sum()) - text.null_count
        note = f"Column {self.column!r}: {bad} values are no times of day; they count as missing."
        return Pieces([values], notes=[note] if bad else [])


@dataclass(frozen=True)
class Part:
    """One part of a structured string.

    Attributes
    ----------
    group:
        Number of the regular expression's group.
    name:
        Of the feature.
    levels:
        Of a category; empty for a number.
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
        """One per part that is a number."""
        return tuple(part.name for part in self.numbers)

    @property
    def category_names(self) -> tuple[str, ...]:
        """One per part that is a category."""
        return tuple(part.name for part in self.categories)

    @property
    def level_names(self) -> tuple[tuple[str, ...], ...]:
        """Levels of these categories."""
        return tuple(part.levels for part in self.categories)

    @property
    def groups(self) -> int:
        """Number of parts, those that do not vary included."""
        return self.pattern.count("(?P<")

    @cached_property
    def _known(self) -> tuple[Any, ...]:
        return tuple(pa.array(part.levels, pa.large_string()) for part in self.categories)

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """The parts; what has another structure is missing in all of them."""
        found = split_parts(words(column), self.pattern)
        pieces = Pieces()
        for part in self.numbers:
            pieces.numbers.append(parse_numbers(found[part.group])[0])
        for part, known in zip(self.categories, self._known, strict=True):
            pieces.codes.append(codes_of(found[part.group], known))
        return pieces


def split_parts(text: Words, pattern: str) -> list[Words]:
    """The groups of a pattern, each as words; null where the word does not match or the part is blank."""
    found = pc.extract_regex(text, pattern=pattern)
    valid = found.is_valid()
    parts = []
    for i in range(found.type.num_fields):
        part = found.field(i)
        parts.append(pc.if_else(pc.and_(valid, pc.not_equal(part, "")), part, pa.scalar(None, part.type)))
    return parts


_PLANS: dict[str, type[Plan]] = {
    plan.type: plan
    for plan in (NumberPlan, CategoryPlan, TextPlan, ImagePlan, DatePlan, ClockPlan, PartsPlan)
}


def plan_from_json(data: dict[str, Any]) -> Plan:
    """The plan that :meth:`Plan.to_json` wrote."""
    body = {key: _tuples(value) for key, value in data.items() if key != "type"}
    kind = _PLANS.get(data["type"])
    if kind is None:
        raise DataError(
            f"The model has a column of type {data['type']!r}, which this version of automl does not know. "
            "Next: load it with the version that saved it."
        )
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
