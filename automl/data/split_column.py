"""Columns that assign rows to training and testing: ``split``, ``set``, ``is_train``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.data.images.split_folders import TEST, TRAIN, VAL, part_of

if TYPE_CHECKING:
    import pandas as pd

_MOST_WORDS = 8  # distinct ones in such a column
_FIRST = 100  # cells; most other columns fail at the first one
_ASKS = re.compile(r"is[_ .-]?(?P<part>train|test)(?:ing)?", re.I)
_TRUTHS = {"true": True, "yes": True, "1": True, "1.0": True, "y": True, "t": True}
_TRUTHS |= {"false": False, "no": False, "0": False, "0.0": False, "n": False, "f": False}


def parts_in(column: pd.Series[Any]) -> npt.NDArray[Any] | None:
    """``train``, ``val`` or ``test`` per row, if every cell names a part and ``train`` is among them.

    Cells are read like names of folders (:func:`automl.data.images.split_folders.part_of`); a column called
    ``is_train`` or ``is_test`` may hold truth values. None for every other column.
    """
    asks = _ASKS.fullmatch(str(column.name).strip())
    if not all(_part(value, asks) for value in column.head(_FIRST)):
        return None
    try:
        distinct = column.unique()
    except TypeError:  # a list in a later cell
        return None
    if not 2 <= len(distinct) <= _MOST_WORDS:
        return None
    parts = {value: _part(value, asks) for value in distinct}
    present = set(parts.values())
    if TRAIN not in present or len(present) < 2 or not present <= {TRAIN, VAL, TEST}:
        return None
    return np.array(column.map(parts), dtype=object)


def counts_of(parts: npt.NDArray[Any]) -> Mapping[str, int]:
    """Number of rows of each part, in the order in which they are used."""
    return {part: int((parts == part).sum()) for part in (TRAIN, VAL, TEST) if (parts == part).any()}


def _part(value: object, asks: re.Match[str] | None) -> str:
    if asks is None:
        return part_of(str(value)) if isinstance(value, str) else ""
    if not isinstance(value, str | bool | int | float | np.bool_ | np.number):
        return ""
    truth = _TRUTHS.get(str(value).strip().lower())
    if truth is None:
        return ""
    return TRAIN if truth == (asks["part"].lower() == TRAIN) else TEST
