"""Amounts: numbers as people write them, with signs, units and separators; a whole cell or nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from automl.core.table import Array, Codes
from automl.data.cells.plain import Mask, Words, flags, without_placeholders
from automl.data.cells.units import NO_UNIT, Mark, Scale, is_currency, scales_of

_SAMPLE = 500
_LIKELY_MARKS = 100  # at most so many are considered, the most frequent first
_MOSTLY = 0.8  # of the cells must be amounts; the others then count as words among them

# Characters that look alike are read alike: blanks of every width, every dash as a minus, every apostrophe.
_ALIKE = (
    ("[\u200b-\u200f\u2060\ufeff]", ""),
    ("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000\t]", " "),
    ("[\u2018\u2019\u02bc\u00b4`\uff07]", "'"),
    ("^([^0-9]{0,6})[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]", "\\1-"),
    ("[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]([^0-9]{0,2})$", "-\\1"),
)
_RUN = re.compile("[0-9](?:[0-9.,' ]*[0-9])?")
_BLANKS = str.maketrans(dict.fromkeys("\u00a0\u2007\u2009\u202f", " ") | {"\u2019": "'"})
_DASHES = (("/-$", ""), (",-+$", ""))  # as in Rs. 500/- and € 12,-
_ODD = "[^\\x20-\\x7e]|`"
_CELL = (
    r"^(?P<open>\(?) ?(?P<about>(?:[~≈]|(?i:ca|c|approx|about|circa)[.]? )?) ?(?P<limit>(?:[<>]=?|[≤≥])?) ?"
    r"(?P<first>[+-]?) ?(?P<before>(?:[^\s0-9.,'()+<>~≈/-][^0-9()+<>-]{0,7}?[.]?)?) ?(?P<second>[+-]?) ?"
    r"(?P<number>(?:[0-9](?:[0-9.,' ]*[0-9])?[.,]?|[.,][0-9]+)(?:[eE][+-]?[0-9]{1,3})?) ?"
    r"(?P<after>(?:[^\s0-9.,'()+-][^0-9()]{0,15}?[²³23]?|/ ?[0-9]{1,6}|[+])?) ?(?P<last>-?) ?(?P<close>\)?)$"
)
_ANGLE = (
    r"^(?P<first>-?) ?(?P<degrees>[0-9]{1,3}) ?° ?(?P<minutes>[0-9]{1,2}(?:[.][0-9]+)?) ?['′]"
    r"(?: ?(?P<seconds>[0-9]{1,2}(?:[.][0-9]+)?) ?(?:[\"″]|''))? ?(?P<after>[NSEWO]?)$"
)


@dataclass(frozen=True)
class Notation:
    """The notation of a column's numbers.

    Attributes
    ----------
    decimal, thousands:
        The characters before the fraction and between thousands; ``thousands`` may be empty.
    scales:
        Every mark beside the numbers, with the scale it stands for; empty for numbers alone.
    """

    decimal: str = "."
    thousands: str = ""
    scales: tuple[tuple[Mark, Scale], ...] = ()

    @cached_property
    def units(self) -> tuple[str, ...]:
        """The units of the numbers, sorted; usually one, the empty string."""
        return tuple(sorted({scale.unit for _, scale in self.scales})) or ("",)

    @property
    def several(self) -> bool:
        """True if the numbers are in units that cannot be converted into one."""
        return len(self.units) > 1

    @property
    def levels(self) -> tuple[str, ...]:
        """The units as levels of a category."""
        return tuple(unit or NO_UNIT for unit in self.units)

    @property
    def unit(self) -> str:
        """The one unit of all numbers, or an empty string."""
        return "" if self.several else self.units[0]

    @property
    def described(self) -> str:
        """A description for people that begins with a comma; empty for plain numbers."""
        parts = []
        if self.several:
            parts.append("in " + ", ".join(self.levels))
        elif self.unit:
            parts.append(f"in {self.unit}")
        scaled = [(mark, scale) for mark, scale in self.scales if scale.factor != 1.0]
        if scaled:
            parts.append(", ".join(f"{mark.shown} as {_times(scale)}" for mark, scale in scaled))
        if self.decimal == ",":
            parts.append("decimal comma")
        names = {",": "commas", ".": "points", "'": "apostrophes", " ": "blanks"}
        if self.thousands and self.decimal + self.thousands != ",.":
            parts.append(f"{names[self.thousands]} between thousands")
        return "".join(f", {part}" for part in parts)

    def read(self, text: Words) -> Amounts:
        """Words as numbers in this notation; nulls and placeholders count as missing, not as bad."""
        words = _Distinct.of(text)
        return self._read(_Parts.of(words.distinct), words.places)

    def _read(self, parts: _Parts, places: Codes) -> Amounts:
        """The amounts of a column whose cells are these words, given by their places; -1 is missing."""
        values = parts.numbers(self)
        scales = dict(self.scales) or {Mark(): Scale()}
        units = np.full(len(values), -1, dtype=np.int32)
        for code, mark in enumerate(parts.marks):
            rows = parts.codes == code
            scale = scales.get(mark) or self._alike(mark)
            values[rows] *= np.nan if scale is None else scale.factor
            units[rows] = -1 if scale is None else self.units.index(scale.unit)
        units[np.isnan(values)] = -1
        values, units = np.append(values, np.nan), np.append(units, np.int32(-1))
        bad = (places >= 0) & np.isnan(values[places])
        return Amounts(self, values[places], units[places], bad)

    def _alike(self, mark: Mark) -> Scale | None:
        """The scale of a number without a mark, if all the others share one unit: that unit."""
        return Scale(1.0, self.units[0]) if mark == Mark() and not self.several else None

    def to_json(self) -> dict[str, Any]:
        """Plain data for :meth:`from_json`."""
        marks = [[m.before, m.after, m.limit, s.factor, s.unit] for m, s in self.scales]
        return {"decimal": self.decimal, "thousands": self.thousands, "scales": marks}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Notation:
        """The notation that :meth:`to_json` wrote."""
        scales = ((Mark(str(b), str(a), str(t)), Scale(float(f), str(u))) for b, a, t, f, u in data["scales"])
        return cls(data["decimal"], data["thousands"], tuple(scales))


PLAIN = Notation()
_STYLES = {".": (".", ""), ",": (",", "."), "1,000": (".", ",")}


def notation_of(style: str | None) -> Notation:
    """The notation of plain numbers in a style of :func:`automl.data.cells.plain.decimal_style`."""
    return Notation(*_STYLES[style or "."])


_NOTATIONS = (
    PLAIN,
    Notation(".", ","),
    Notation(",", "."),
    *(Notation(decimal, thousands) for thousands in "' " for decimal in ".,"),
)


@dataclass(frozen=True)
class Amounts:
    """The amounts that were read from a column.

    Attributes
    ----------
    values:
        ``(rows,)`` in their unit; NaN where the cell is missing or holds something else.
    units:
        ``(rows,)`` places in ``notation.units``; -1 where there is no amount.
    bad:
        ``(rows,)`` cells that hold something else.
    """

    notation: Notation
    values: Array
    units: Codes
    bad: Mask


def find_amounts(text: Words) -> Amounts | None:
    """The column as amounts in the one notation that fits it, or None if it does not hold amounts.

    At least 80 % of the words must be amounts; the others are marked as bad.
    """
    words = _Distinct.of(text)
    valid = words.places[words.places >= 0]
    step = max(1, len(valid) // _SAMPLE)
    sample = words.distinct.take(pa.array(valid[::step][:_SAMPLE]))
    if not len(sample) or _Parts.of(sample).share < _MOSTLY:
        return None
    parts = _Parts.of(words.distinct)
    likely = parts.with_known_marks(np.bincount(valid, minlength=len(words.distinct)))
    coded = pc.any(pc.match_substring_regex(parts.written, "^0[0-9]+$")).as_py()  # 007 is not a quantity
    notation = None if coded or not likely.marks else _notation(likely)
    amounts = None if notation is None else notation._read(parts, words.places)
    return amounts if amounts is not None and amounts.bad.sum() <= (1 - _MOSTLY) * len(valid) else None


@dataclass(frozen=True)
class _Distinct:
    """Distinct words of a column, and the place of each row's word among them; -1 for missing ones."""

    distinct: Words
    places: Codes

    @classmethod
    def of(cls, text: Words) -> _Distinct:
        """The distinct words of a column; placeholders count as missing."""
        encoded = without_placeholders(text).dictionary_encode()
        return cls(encoded.dictionary, encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False))


def _notation(parts: _Parts) -> Notation | None:
    scales = scales_of(parts.marks)
    if scales is None:
        return None
    ordered = tuple(sorted(scales.items()))
    money = any(is_currency(part) for mark in scales for part in (mark.before, mark.after) if part)
    if money and parts.points_between_thousands():
        return Notation(",", ".", ordered)
    for candidate in _NOTATIONS:
        if parts.all_written(candidate):
            return Notation(candidate.decimal, candidate.thousands, ordered)
    return None


def _times(scale: Scale) -> str:
    if scale.factor == -1.0:
        return "negative"
    digits = ",.0f" if scale.factor.is_integer() else ".6g"
    return f"{scale.factor:{digits}} {scale.unit}".strip()


@dataclass(frozen=True)
class _Parts:
    """Words split into number, sign and marks.

    Attributes
    ----------
    negative, written:
        ``(words,)`` whether there is a minus sign or brackets, and the number as written.
    fixed:
        ``(words,)`` angles in degrees; NaN for other words.
    codes, marks:
        ``(words,)`` places among the marks; -1 for a word that is not an amount.
    """

    negative: npt.NDArray[np.bool_]
    written: Words
    fixed: Array
    codes: Codes
    marks: tuple[Mark, ...]

    @classmethod
    def of(cls, words: Words) -> _Parts:
        """The parts of every word."""
        text = _plain(words)
        fields = pc.extract_regex(text, pattern=_CELL)
        minus = sum(flags(pc.equal(fields.field(name), "-")) for name in ("first", "second", "last"))
        opened, closed = (flags(pc.not_equal(fields.field(name), "")) for name in ("open", "close"))
        negative = np.asarray(minus + opened, dtype=np.int64)
        good = flags(fields.is_valid()) & (opened == closed) & (negative <= 1)
        around = [pc.fill_null(fields.field(name), "") for name in ("before", "after", "limit")]
        joined = pc.binary_join_element_wise(*around, pa.scalar("\n", text.type)).dictionary_encode()
        codes = np.where(good, joined.indices.to_numpy(zero_copy_only=False), -1)
        marks = [_mark(word) for word in joined.dictionary.to_pylist()]
        angles, endings = _angles(text)
        for ending in {word for word in endings if word is not None}:
            marks.append(Mark("", ending))
            codes[[word == ending for word in endings]] = len(marks) - 1
        used, codes = _renumbered(codes, marks)
        return cls(negative > 0, fields.field("number"), angles, codes, used)

    @property
    def share(self) -> float:
        """Share of the words that are amounts."""
        return float(np.mean(self.codes >= 0)) if len(self.codes) else 0.0

    def with_known_marks(self, rows: npt.NDArray[np.int64]) -> _Parts:
        """These parts without rare marks that are not units, such as those of ``#DIV/0!``.

        Parameters
        ----------
        rows:
            ``(words,)`` how often each word occurs.
        """
        counts = np.bincount(self.codes + 1, weights=rows, minlength=len(self.marks) + 1)[1:]
        kept: list[Mark] = []
        for code in np.argsort(-counts, kind="stable")[:_LIKELY_MARKS]:
            if scales_of([*kept, self.marks[code]]) is not None:
                kept.append(self.marks[code])
        places = {mark: place for place, mark in enumerate(kept)}
        renumbered = np.array([*(places.get(mark, -1) for mark in self.marks), -1], dtype=np.int32)
        return replace(self, codes=renumbered[self.codes], marks=tuple(kept))

    def _numbers_of_amounts(self) -> Words:
        return self.written.filter(pa.array((self.codes >= 0) & np.isnan(self.fixed)))

    def all_written(self, notation: Notation) -> bool:
        """Return whether every number is written in this notation."""
        fits = pc.match_substring_regex(self._numbers_of_amounts(), _pattern(notation))
        return bool(pc.all(fits, min_count=0).as_py())

    def points_between_thousands(self) -> bool:
        """Return whether points stand between the thousands of large numbers alone: 1.234 beside 999."""
        numbers = self._numbers_of_amounts()
        pointed = pc.match_substring_regex(numbers, r"^[1-9][0-9]{0,2}([.][0-9]{3})+$")
        small = pc.match_substring_regex(numbers, r"^[0-9]{1,3}$")
        return bool(
            pc.any(pointed).as_py() and pc.any(small).as_py() and pc.all(pc.or_(pointed, small)).as_py()
        )

    def numbers(self, notation: Notation) -> Array:
        """The numbers with their signs; NaN where a word is not an amount in this notation."""
        good = pc.fill_null(pc.match_substring_regex(self.written, _pattern(notation)), False)
        text = pc.if_else(
            pc.and_(good, pa.array(self.codes >= 0)), self.written, pa.scalar(None, self.written.type)
        )
        if notation.thousands:
            text = pc.replace_substring(text, notation.thousands, "")
        if notation.decimal == ",":
            text = pc.replace_substring(text, ",", ".")
        values = np.array(pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False), dtype=np.float64)
        values[self.negative] *= -1.0
        return np.where(np.isnan(self.fixed), values, self.fixed)


def cuts_numbers(word: str, borders: Iterable[int]) -> bool:
    """Return whether a border is inside a number with separators, such as 1,914.52 in ``USD 1,914.52``."""
    for run in _RUN.finditer(word.translate(_BLANKS)):
        if any(run.start() < border < run.end() for border in borders) and any(
            re.match(_pattern(notation), run.group()) for notation in _NOTATIONS
        ):
            return True
    return False


def _pattern(notation: Notation) -> str:
    """Regular expression for numbers in this notation; with commas also as in India, 12,34,567."""
    point, sign = re.escape(notation.decimal), re.escape(notation.thousands)
    plain = rf"[0-9]+({point}[0-9]*)?|{point}[0-9]+"
    grouped = rf"|[1-9][0-9]{{0,2}}({sign}[0-9]{{3}})+({point}[0-9]*)?" if sign else ""
    indian = rf"|[1-9][0-9]?(,[0-9]{{2}})+,[0-9]{{3}}({point}[0-9]*)?" if notation.thousands == "," else ""
    return rf"^({plain}{grouped}{indian})([eE][+-]?[0-9]+)?$"


def _plain(words: Words) -> Words:
    """The words with characters that look alike written alike."""
    for pattern, sign in _DASHES:
        words = pc.replace_substring_regex(words, pattern, sign)
    if not pc.any(pc.match_substring_regex(words, _ODD)).as_py():
        return words
    if pc.any(pc.match_substring_regex(words, "[\uff01-\uff5e]")).as_py():  # full-width forms
        words = pc.utf8_normalize(words, form="NFKC")
    for pattern, sign in _ALIKE:
        words = pc.replace_substring_regex(words, pattern, sign)
    return pc.utf8_trim_whitespace(words)


def _mark(joined: str) -> Mark:
    """The mark around a number, without blanks."""
    before, after, limit = ("".join(part.split()) for part in joined.split("\n"))
    return Mark(before, after, limit)


def _renumbered(codes: Codes, marks: list[Mark]) -> tuple[tuple[Mark, ...], Codes]:
    """Each mark once, without those that no word has; and the codes to match."""
    distinct: dict[Mark, int] = {}
    places = np.full(len(marks) + 1, -1, dtype=np.int32)
    for code in np.unique(codes[codes >= 0]):
        places[code] = distinct.setdefault(marks[code], len(distinct))
    return tuple(distinct), places[codes]


def _angles(text: Words) -> tuple[Array, list[str | None]]:
    """Degrees, minutes and seconds as degrees (NaN elsewhere), and the hemisphere after each."""
    fields = pc.extract_regex(text, pattern=_ANGLE)
    if fields.null_count == len(fields):
        return np.full(len(text), np.nan), [None] * len(text)
    parts = []
    for name in ("degrees", "minutes", "seconds"):
        part = fields.field(name)
        filled = pc.if_else(pc.equal(part, ""), pa.scalar("0", part.type), part)
        parts.append(np.asarray(pc.cast(filled, pa.float64()).to_numpy(zero_copy_only=False)))
    values = parts[0] + parts[1] / 60 + parts[2] / 3600
    values = np.where(flags(fields.is_valid()), values, np.nan)
    below = flags(pc.equal(fields.field("first"), "-"))
    return np.where(below, -values, values), fields.field("after").to_pylist()
