"""Plans: how a column becomes features; learned from training rows and applied to all later rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.core.table import Array, Codes, Strings
from automl.core.text import quoted
from automl.data.cells.plain import NUMBER, PLACEHOLDERS, Words, is_numeric, raw_words, text_of, words

# Spellings of False and True in pandas, by people and as numbers; even places are False.
_TRUTHS = ("False", "True", "false", "true", "0", "1", "FALSE", "TRUE")


@dataclass(kw_only=True)
class Pieces:
    """The features of one column of one frame, in the order of its plan's names."""

    numbers: list[Array] = field(default_factory=list)
    codes: list[Codes] = field(default_factory=list)
    texts: list[Strings] = field(default_factory=list)
    files: list[Strings] = field(default_factory=list)
    days: Array | None = None
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan(ABC):
    """The plan by which one column of the user's becomes features.

    Attributes
    ----------
    column:
        The name of the column.
    """

    type: ClassVar[str]
    column: str

    @property
    def number_names(self) -> tuple[str, ...]:
        """Names of the numbers that it makes."""
        return ()

    @property
    def category_names(self) -> tuple[str, ...]:
        """Names of the categories that it makes."""
        return ()

    @property
    def level_names(self) -> tuple[tuple[str, ...], ...]:
        """Levels of these categories."""
        return ()

    @property
    def text_names(self) -> tuple[str, ...]:
        """Names of the texts that it makes."""
        return ()

    @property
    def file_names(self) -> tuple[str, ...]:
        """Names of the columns of files that it makes."""
        return ()

    @property
    def kind(self) -> str:
        """The kind of these files."""
        return ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all that it gives."""
        return (*self.number_names, *self.category_names, *self.text_names, *self.file_names)

    @property
    def reads_words(self) -> bool:
        """True if the spelling of cells matters, even if all of them are numbers."""
        return False

    @abstractmethod
    def encode(self, column: pd.Series[Any]) -> Pieces:
        """The features of these rows."""

    def to_json(self) -> dict[str, Any]:
        """Plain data from which :func:`plan_from_json` makes the same plan."""
        return {"type": self.type, **asdict(self)}


@dataclass(frozen=True)
class CategoryPlan(Plan):
    """A category with known levels.

    Attributes
    ----------
    levels:
        The levels in the order of their codes.
    cut:
        Whether training had more levels; the rare ones count as missing.
    truth:
        Whether the levels are False and True, however they are spelled.
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

    @property
    def reads_words(self) -> bool:
        """True if a level could be read as another number or as missing: ``1,000`` or ``-``."""
        return any("," in level or level in PLACEHOLDERS for level in self.levels)

    @cached_property
    def _known(self) -> Any:
        return pa.array(_TRUTHS if self.truth else self.levels, pa.large_string())

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """Codes; levels that did not occur in training are -1 and counted in a note."""
        text = raw_words(column)
        codes = self._codes(text)
        if int((codes < 0).sum()) == text.null_count:
            return Pieces(codes=[codes])
        text = words(column)
        codes = self._codes(pc.utf8_lower(text) if self.truth else text)
        if is_numeric(column) or pd.api.types.is_bool_dtype(column.dtype):
            codes = np.where(codes < 0, self._codes_by_value(text), codes)
        notes = []
        unseen = int((codes < 0).sum()) - text.null_count
        if unseen and not self.cut:
            sample = text.filter(pa.array(codes < 0)).drop_null()[0].as_py()
            notes.append(
                f"Column {self.column!r}: {unseen} values, such as {quoted(sample)}, did not occur in "
                "training; they count as missing."
            )
        return Pieces(codes=[codes], notes=notes)

    def _codes_by_value(self, text: Words) -> Codes:
        """Codes of levels with the same meaning: 7 and ``007`` or ``7.0``, True and ``TRUE``.

        A column that was text in training is read as numbers if only its numbers occur.
        """
        alike: dict[str, int] = {}
        for code, level in enumerate(self.levels):
            number = text_of(float(level)) if NUMBER.match(level) else level.lower()
            alike.setdefault(number, code)
        return codes_of(pc.utf8_lower(text), pa.array(list(alike), pa.large_string()), list(alike.values()))

    def _codes(self, text: Words) -> Codes:
        codes = codes_of(text, self._known)
        return np.where(codes > 0, codes % 2, codes).astype(np.int32) if self.truth else codes


def codes_of(text: Words, levels: Any, codes: Sequence[int] | None = None) -> Codes:
    """Places of the words among the levels, or the codes at these places; -1 for nulls and others."""
    if text.type != levels.type:
        text = text.cast(levels.type)
    indices = pc.index_in(text, value_set=levels)
    places = np.asarray(indices.fill_null(-1).to_numpy(zero_copy_only=False), dtype=np.int32)
    return places if codes is None else np.array([*codes, -1], dtype=np.int32)[places]


@dataclass(frozen=True)
class TextPlan(Plan):
    """Free text."""

    type: ClassVar[str] = "text"

    @property
    def text_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    @property
    def reads_words(self) -> bool:
        """True: its cells are text."""
        return True

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """Trimmed text; missing is the empty string."""
        return Pieces(texts=[strings(column)])


@dataclass(frozen=True)
class FilePlan(Plan):
    """Paths of files of one kind, passed on as they are.

    Attributes
    ----------
    of:
        Their kind, such as ``image``.
    """

    type: ClassVar[str] = "files"
    of: str = ""

    @property
    def kind(self) -> str:
        """Their kind."""
        return self.of

    @property
    def file_names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.column,)

    def encode(self, column: pd.Series[Any]) -> Pieces:
        """Trimmed paths; what was passed in memory as it is."""
        if column.dtype.kind != "O" or all(isinstance(cell, str) for cell in column):
            return Pieces(files=[strings(column)])
        cells = np.empty(len(column), dtype=object)
        for place, cell in enumerate(column):
            missing = cell is None or cell is pd.NA or (isinstance(cell, float) and np.isnan(cell))
            cells[place] = cell.strip() if isinstance(cell, str) else "" if missing else cell
        return Pieces(files=[cells])

    def to_json(self) -> dict[str, Any]:
        """The type is their kind, as it was before there were files of other kinds."""
        return {"type": str(self.of), "column": self.column}


def strings(column: pd.Series[Any]) -> Strings:
    """Words as an object array of ``str``; missing is the empty string."""
    filled = words(column).fill_null("").to_numpy(zero_copy_only=False)
    return np.asarray(filled, dtype=object)
