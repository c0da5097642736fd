"""Column names, and columns that only number the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from automl.core.errors import DataError


def text_names(columns: pd.Index[Any]) -> list[str]:
    """The column names of any frame as text; those with several levels joined by blanks."""
    if isinstance(columns, pd.MultiIndex):
        return [" ".join(map(str, parts)).strip() for parts in columns]
    return [str(column) for column in columns]


def with_wanted_names(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """The names, spelled as in ``wanted`` where they differ only by blanks around them.

    The names of a file are read without such blanks; a frame that another program read from it keeps them.
    """
    targets = set(wanted)
    absent = targets.difference(names)
    doubles = Counter(map(str.strip, targets))
    spellings = {name.strip(): name for name in absent if doubles[name.strip()] == 1}
    candidates = Counter(name.strip() for name in names if name not in targets)
    return [
        spellings[name.strip()]
        if name not in targets and name.strip() in spellings and candidates[name.strip()] == 1
        else name
        for name in names
    ]


def refuse_duplicates(names: Sequence[str], where: str) -> None:
    """Raise :class:`DataError` if a column name occurs twice."""
    if len(set(names)) == len(names):
        return
    places: dict[str, list[int]] = {}
    for number, column in enumerate(names, start=1):
        places.setdefault(column, []).append(number)
    twice = [
        f"{column!r} (columns {', '.join(map(str, at))})" for column, at in places.items() if len(at) > 1
    ]
    shown = ", ".join(twice[:8]) + (", …" if len(twice) > 8 else "")
    raise DataError(
        f"{where} has duplicate column names: {shown}. Names must be unique. Next: rename or drop them."
    )


def unique_name(name: str, taken: Collection[str]) -> str:
    """``name``, with a number after it if it is taken."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name} ({number})", number + 1
    return candidate


def fill_blank_names(names: Sequence[str]) -> list[str]:
    """Names with blank ones replaced by ``Unnamed: 3`` (the position, from 0), as in pandas."""
    taken = {name for name in names if name.strip()}
    filled = []
    for i, name in enumerate(names):
        filled.append(name if name.strip() else unique_name(f"Unnamed: {i}", taken))
        taken.add(filled[-1])
    return filled


def is_row_number(column: pd.Series[Any]) -> bool:
    """Return whether the column counts up by one from 0 or 1."""
    if not pd.api.types.is_integer_dtype(column.dtype) or column.isna().any() or not len(column):
        return False
    values = column.to_numpy(dtype=np.int64)
    return bool(values[0] in (0, 1) and (np.diff(values) == 1).all())


def listed(items: Sequence[str], limit: int = 6) -> str:
    """The first items for a message, and the number of further ones."""
    return ", ".join(items[:limit]) + (f" and {len(items) - limit} more" if len(items) > limit else "")
