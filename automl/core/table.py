"""The values of the data layer: what a column holds, and the arrays that families are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]
Strings = npt.NDArray[np.object_]


class Kind(StrEnum):
    """What a column holds. ``id`` and ``constant`` columns are not used as inputs."""

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
    kind: Kind
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
    texts, images:
        One name per entry of ``Table.texts`` / ``Table.images``.
    """

    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    levels: tuple[tuple[str, ...], ...] = ()
    texts: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds that are present (dates are numbers by the time they are features)."""
        present = {
            Kind.NUMBER: self.numbers,
            Kind.CATEGORY: self.categories,
            Kind.TEXT: self.texts,
            Kind.IMAGE: self.images,
        }
        return frozenset(kind for kind, names in present.items() if names)


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
    images:
        One object array of file paths (``str``) per image feature, each ``(rows,)``.
    """

    features: Features
    numbers: Array
    codes: Codes
    texts: tuple[Strings, ...] = field(default=())
    images: tuple[Strings, ...] = field(default=())

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.numbers.shape[0])

    def take(self, rows: Rows | slice) -> Table:
        """The table of these row numbers, in their order."""
        return Table(
            self.features,
            self.numbers[rows],
            self.codes[rows],
            tuple(column[rows] for column in self.texts),
            tuple(column[rows] for column in self.images),
        )
