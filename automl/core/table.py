"""The values of the data layer: kinds of columns, and the arrays that families are given."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Strings = npt.NDArray[np.object_]


class Kind(StrEnum):
    """The content of a column. ``id`` and ``constant`` columns are not used as inputs.

    Plug-ins bring further kinds of files (see :mod:`automl.core.modality`), which are plain words.
    """

    NUMBER = "number"
    CATEGORY = "category"
    TEXT = "text"
    DATE = "date"
    IMAGE = "image"
    ID = "id"
    CONSTANT = "constant"


TABLE_KINDS = frozenset({Kind.NUMBER, Kind.CATEGORY, Kind.TEXT})
"""Kinds of features that families of tables read; dates are numbers by the time they are features."""


@dataclass(frozen=True)
class Column:
    """One column of the user's data: its kind, and why that kind was chosen."""

    name: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Features:
    """Names of a table's features, in the order of its arrays; shared by every part of a data set.

    Attributes
    ----------
    numbers:
        One name per column of ``Table.numbers``.
    categories:
        One name per column of ``Table.codes``.
    levels:
        Per category its level names; code ``i`` means ``levels[column][i]``, ``-1`` missing or unseen.
        Levels are in ascending order of their text, in numeric order when all of them are numbers, and in
        the calendar's order when all of them are months or weekdays.
    texts:
        One name per entry of ``Table.texts``.
    files:
        By kind, one name per entry of ``Table.files``.
    """

    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()
    texts: tuple[str, ...] = ()
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the image columns."""
        return self.files.get(Kind.IMAGE, ())

    @property
    def by_kind(self) -> dict[str, tuple[str, ...]]:
        """The names of each kind, in the order of :attr:`Table.columns`."""
        own: dict[str, tuple[str, ...]] = {
            Kind.NUMBER: self.numbers,
            Kind.CATEGORY: self.categories,
            Kind.TEXT: self.texts,
        }
        return {**own, **self.files}

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order of :attr:`Table.columns`."""
        return tuple(name for names in self.by_kind.values() for name in names)

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds that are present (dates are numbers by the time they are features)."""
        return frozenset(kind for kind, names in self.by_kind.items() if names)


@dataclass(frozen=True)
class Table:
    """Rows as arrays: what every family fits on and predicts from.

    Attributes
    ----------
    features:
        Names and levels.
    numbers:
        ``(rows, len(features.numbers))`` float64; NaN is missing, never infinite.
    codes:
        ``(rows, len(features.categories))`` int32; ``-1`` is missing or unseen.
    texts:
        One object array of ``str`` per text feature, each ``(rows,)``; missing is ``""``.
    files:
        By kind (``image`` and those of plug-ins), one object array per feature, each ``(rows,)``: paths of
        files, or what stands for their contents (``str``), or what was passed in memory.
    """

    features: Features
    numbers: Array
    codes: Codes
    texts: tuple[Strings, ...] = ()
    files: Mapping[str, tuple[Strings, ...]] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.numbers.shape[0])

    @property
    def images(self) -> tuple[Strings, ...]:
        """Its image columns."""
        return self.files.get(Kind.IMAGE, ())

    @property
    def words(self) -> tuple[Strings, ...]:
        """All columns that are neither numbers nor codes: texts, then files by kind."""
        return (*self.texts, *(column for columns in self.files.values() for column in columns))

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """Every column, each ``(rows,)``, in the order of :attr:`Features.names`."""
        return (*self.numbers.T, *self.codes.T, *self.words)

    def take(self, rows: Rows | slice) -> Table:
        """The table of these row numbers, in their order."""
        return Table(
            self.features,
            self.numbers[rows],
            self.codes[rows],
            tuple(column[rows] for column in self.texts),
            {kind: tuple(column[rows] for column in columns) for kind, columns in self.files.items()},
        )

    def followed_by(self, other: Table) -> Table:
        """Its rows, then those of another table with the same features."""
        return Table(
            self.features,
            np.concatenate([self.numbers, other.numbers]),
            np.concatenate([self.codes, other.codes]),
            tuple(np.concatenate(pair) for pair in zip(self.texts, other.texts, strict=True)),
            {
                kind: tuple(np.concatenate(pair) for pair in zip(columns, other.files[kind], strict=True))
                for kind, columns in self.files.items()
            },
        )

    def digest(self, beginning: bytes = b"") -> str:
        """SHA-256 of ``beginning`` and of all cells, hexadecimal.

        Where cells stand for the contents of files, it is of what stands there: see
        :meth:`automl.problem.source.Source.contents`.
        """
        digest = hashlib.sha256(beginning)
        digest.update(np.ascontiguousarray(self.numbers).tobytes())
        digest.update(np.ascontiguousarray(self.codes).tobytes())
        for column in self.words:
            digest.update(json.dumps(list(column)).encode())
        return digest.hexdigest()
