"""A clean target as a task sees it first: its distinct labels as Python's own values, and their order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Label = str | int | float | bool

_NEGATIVE_WORDS = ("no", "false", "n", "f", "negative", "absent", "off", "0", "-1")
_POSITIVE_WORDS = ("yes", "true", "y", "t", "positive", "present", "on", "1", "1")


@dataclass(frozen=True, eq=False)
class RawTarget:
    """A clean target column, without missing values.

    Attributes
    ----------
    values:
        ``(rows,)`` labels or numbers.
    """

    values: npt.NDArray[Any]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.values)

    @cached_property
    def distinct(self) -> list[Label]:
        """Distinct values, the most frequent first; spellings that differ in blanks count once."""
        seen: dict[str, Label] = {}
        for value, _ in self._counter.most_common():
            seen.setdefault(label_key(value), _scalar(value))
        return list(seen.values())

    @cached_property
    def counts(self) -> Counter[str]:
        """Rows by the key of a label."""
        rows = Counter[str]()
        for value, count in self._counter.items():
            rows[label_key(value)] += count
        return rows

    @cached_property
    def _counter(self) -> Counter[Any]:
        return Counter(self.values.tolist())


def _scalar(value: Any) -> Label:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool | int | str):
        return plain
    if isinstance(plain, float):
        return plain
    return str(plain)


def label_key(value: Any) -> str:
    """The text by which two spellings of a label are the same."""
    plain = _scalar(value)
    if isinstance(plain, str):
        return plain.strip()
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return repr(int(plain)) if float(plain).is_integer() else repr(plain)


def ordered_labels(values: list[Label]) -> tuple[Label, ...]:
    """Ascending; of two words like no and yes, the affirmative one last."""
    if len(values) == 2:
        keys = [label_key(value).casefold() for value in values]
        for negative, positive in zip(_NEGATIVE_WORDS, _POSITIVE_WORDS, strict=True):
            if set(keys) == {negative, positive}:
                return tuple(sorted(values, key=lambda value: label_key(value).casefold() == positive))
    if all(isinstance(value, bool) or is_number(value) for value in values):
        return tuple(sorted(values, key=lambda value: (float(value), str(value))))
    return tuple(sorted(values, key=str))


def is_number(value: Label) -> bool:
    """True for a number, and for the text of one."""
    try:
        return not isinstance(value, bool) and np.isfinite(float(value))
    except ValueError:
        return False
