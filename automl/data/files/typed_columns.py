"""Types of the columns of a text table, by rules that lose nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.data.cells.missing import count_words, is_label, missing_words, without_words, word_notes
from automl.data.cells.names import listed
from automl.data.cells.plain import (
    EXACT,
    Words,
    decimal_style,
    flags,
    has_leading_zeros,
    looks_numeric,
    parse_numbers,
)
from automl.data.files.dialect import TEXT, Dialect
from automl.data.files.quotes import Quotes

_POINTS = r"^\s*[+-]?([1-9][0-9]{0,2}([.][0-9]{3})+|[0-9]{1,3})\s*$"


@dataclass
class TypedColumns:
    """The columns of a text table on their way to a frame.

    Attributes
    ----------
    commas:
        The meaning of commas in number columns.
    label_words:
        Number of rows of each word that counts as missing elsewhere but is a label in the column of labels.
    """

    names: list[str]
    dialect: Dialect
    quotes: Quotes
    commas: dict[str, str] = field(default_factory=dict)
    label_words: dict[str, int] = field(default_factory=dict)

    def frame(self, cells: Any, notes: list[str]) -> pd.DataFrame:
        """The columns with their types; remarks are added to ``notes``."""
        dialect, names, missing = self.dialect, self.names, missing_words(self.dialect.missing)
        columns = []
        blanks: list[str] = []
        words: dict[str, dict[str, int]] = {}
        for place, (name, column) in enumerate(zip(names, cells.columns, strict=True)):
            typed = _typed(column, dialect, dialect.columns.get(name), missing)
            values = typed.values
            if typed.blanks:
                blanks.append(f"{name!r} ({typed.blanks})")
            if typed.style in (",", "1,000"):
                self.commas[name] = typed.style
            if pa.types.is_string(values.type) and values.null_count > column.null_count:
                raw = column.combine_chunks()
                values = self._with_words(place, raw, values)
                missing_here = pc.and_(pc.is_null(values), pc.is_valid(raw))
                words[name] = count_words(raw.filter(missing_here), missing)
            columns.append(values)
        if dialect.decimal is None and dialect.delimiter != ",":
            some = "," in self.commas.values()
            for i, (name, column) in enumerate(zip(names, cells.columns, strict=True)):
                expected = dialect.columns.get(name) == "," if dialect.columns else some
                if expected and name not in self.commas and _has_points_between_thousands(column):
                    columns[i] = _typed(column, replace(dialect, decimal=","), None, missing).values
                    self.commas[name] = ","
        if blanks:
            notes.append(f"Number columns with cells without a value: {listed(blanks)}.")
        notes += word_notes(words, "" if dialect.labels is None else dialect.labels.name, self.label_words)
        keys = [str(i) for i in range(len(names))]
        frame: pd.DataFrame = pa.Table.from_arrays(columns, names=keys).to_pandas()
        frame.columns = pd.Index(names)
        return frame

    def _with_words(self, place: int, raw: Words, values: Words) -> Words:
        """The words of a text column, including those that are not missing here: quoted ones and labels."""
        if self.dialect.missing is not None:
            return values
        gone = flags(pc.and_(pc.is_null(values), pc.is_valid(raw)))
        kept, others_quoted = np.zeros(len(gone), dtype=np.bool_), False
        if self.quotes.informative:
            counted = pc.value_counts(values.drop_null())
            most = int(np.argmax(counted.field(1).to_numpy())) if len(counted) else 0
            common = [counted.field(0)[most].as_py()] if len(counted) else []
            named = pc.unique(raw.filter(pa.array(gone))).to_pylist()
            bare = self.quotes.bare(place, [*named, *common])
            kept = gone & ~bare
            others_quoted = bool(common) and not bare[~gone].any()
        labels = self.dialect.labels
        if labels is not None and labels.name == self.names[place]:
            for word, rows in count_words(raw.filter(pa.array(gone & ~kept)), missing_words(None)).items():
                taught = labels.words is not None and word in labels.words
                if taught or (labels.words is None and not others_quoted and is_label(word, rows, len(raw))):
                    kept |= gone & flags(pc.equal(raw, word))
            self.label_words = count_words(raw.filter(pa.array(kept)), missing_words(None))
        return pc.if_else(pa.array(kept), raw, values) if kept.any() else values

    def comma_notes(self) -> list[str]:
        """Sentences on the meaning of commas."""
        decimal, thousands = (
            [repr(name) for name, style in self.commas.items() if style == meaning]
            for meaning in (",", "1,000")
        )
        notes = []
        if decimal:
            notes.append(f"Decimal commas were detected in {listed(decimal)}; --decimal overrides.")
        if thousands:
            notes.append(f"Commas were read as thousands separators in {listed(thousands)}.")
        return notes


def _has_points_between_thousands(column: Any) -> bool:
    """Return whether points may separate thousands, as beside decimal commas: 999 and 1.234, but not 1.5."""
    some = pc.any(pc.match_substring(column, ".")).as_py()
    return bool(some and pc.all(pc.match_substring_regex(column, _POINTS)).as_py())


@dataclass(frozen=True)
class _Column:
    """A column with its type, the style of its commas, and the number of blanks and placeholders."""

    values: Any
    style: str | None = None
    blanks: int = 0


def _typed(column: Any, dialect: Dialect, expected: str | None, missing: tuple[str, ...]) -> _Column:
    """A text column as whole numbers, numbers or truth values if every cell is one; else unchanged.

    Codes with leading zeros and whole numbers that float64 cannot hold stay text, as do columns that are
    ``expected`` to be text. Words that count as missing become null.
    """
    raw: Words = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    decimal = dialect.decimal
    points = decimal == "," and pc.any(pc.match_substring(raw, ".")).as_py()
    if expected != TEXT and not points and looks_numeric(raw):
        plain = _plain_numbers(raw)
        if plain is not None:
            return _Column(plain)
    text = without_words(raw, missing)
    if expected == TEXT:
        return _Column(text)
    if text.null_count == len(text):
        return _Column(text.cast(pa.float64()))
    truth = _truth_values(text)
    if truth is not None:
        return _Column(truth)
    if not looks_numeric(text):
        return _Column(text)
    if text is not raw and not points and (plain := _plain_numbers(text)) is not None:
        return _Column(plain)
    trimmed = pc.utf8_trim_whitespace(text)
    style = decimal
    if decimal is None:
        style = decimal_style(trimmed, european=expected == "," if expected else dialect.delimiter != ",")
    parsed, bad = parse_numbers(trimmed, decimal=style or ".")
    if bad.any() or np.isnan(parsed).all():
        return _Column(text)
    numbers = _exact(trimmed, pa.array(parsed, from_pandas=True))
    if numbers is trimmed:
        return _Column(text)
    return _Column(numbers, style, max(0, int(np.isnan(parsed).sum()) - text.null_count))


def _plain_numbers(text: Words) -> Any | None:
    """Numbers as programs write them, or None if a word is something else."""
    if text.null_count == len(text):
        return None
    try:
        numbers = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return None
    unknown = pc.any(pc.is_nan(numbers)).as_py()  # a word that may or may not count as missing
    return None if unknown else _exact(text, numbers)


def _exact(text: Words, numbers: Any) -> Any:
    """The numbers, as integers if the text has integers; the text itself if digits would be lost."""
    values = numbers.to_numpy(zero_copy_only=False)
    present = values[~np.isnan(values)]
    if not (present == np.floor(present)).all():
        return numbers
    if has_leading_zeros(text):
        return text
    large = bool(len(present)) and float(np.abs(present).max()) >= EXACT
    if large and pc.any(pc.match_substring_regex(text, "^[+-]?[0-9]{16,}$")).as_py() and text.null_count:
        return text
    try:
        return pc.cast(text, pa.int64())
    except pa.ArrowInvalid:  # with a decimal point, or too long
        return (
            text if large and pc.any(pc.match_substring_regex(text, "^[+-]?[0-9]{16,}$")).as_py() else numbers
        )


def _truth_values(text: Words) -> Any | None:
    first = text[0].as_py() if text[0].is_valid else text.drop_null()[0].as_py()
    if first.lower() not in ("true", "false"):
        return None
    lower = pc.utf8_lower(text)
    truths = pc.is_in(lower, value_set=pa.array(["true", "false"], lower.type))
    return pc.equal(lower, "true") if pc.all(pc.or_(truths, pc.is_null(lower))).as_py() else None
