"""Words that mean a missing value, and those among them that are the name of a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.data.cells.names import listed
from automl.data.cells.plain import MISSING_WORDS, Words

USUAL = "usual"
"""Stands for the usual words in a list of the user's own."""
BLANK = "blank"
"""Stands for blank cells, which always count as missing; alone in a list, nothing else does."""
_FREQUENT = 0.05  # of the rows: from this share on NA is rather the name of a class, such as a region
_NAMES = ("NA", "N/A")
_NONE = "None"


def missing_words(given: Sequence[str] | None) -> tuple[str, ...]:
    """The words that count as missing: the usual ones, or those given, and always a blank cell."""
    if given is None:
        return MISSING_WORDS
    words = [""]
    for word in given:
        if word.strip() != BLANK:
            words += MISSING_WORDS if word.strip() == USUAL else (word.strip(),)
    return tuple(dict.fromkeys(words))


@dataclass(frozen=True)
class LabelColumn:
    """The column whose words may be names of classes.

    Attributes
    ----------
    name:
        Of the target.
    words:
        Words that count as missing elsewhere and are labels here; None to decide by the rows.
    """

    name: str
    words: tuple[str, ...] | None = None


def is_label(word: str, rows: int, of: int) -> bool:
    """Return whether a word that counts as missing is a label, judged by its share of the target's rows.

    ``None`` is one if it repeats, ``NA`` if a twentieth of the rows have it; other words never are.
    """
    return (word == _NONE and rows > 1) or (word in _NAMES and rows >= _FREQUENT * of)


def count_words(text: Words, missing: Sequence[str]) -> dict[str, int]:
    """Count each word that counts as missing, except blanks."""
    named = [word for word in missing if word]
    counted = pc.value_counts(text.filter(pc.is_in(text, value_set=pa.array(named, text.type))))
    return {item["values"]: item["counts"] for item in counted.to_pylist()}


def without_words(text: Words, missing: Sequence[str]) -> Words:
    """The words, null where they count as missing."""
    named = pc.is_in(text, value_set=pa.array(missing, text.type))
    return pc.if_else(named, pa.scalar(None, text.type), text) if pc.any(named).as_py() else text


def frame_without_words(frame: pd.DataFrame, missing: Sequence[str]) -> pd.DataFrame:
    """The frame with missing values where its text cells hold words that count as missing."""
    made = frame.copy(deep=False)
    for name in frame.columns:
        column = frame[name]
        if column.dtype.kind == "O" or isinstance(column.dtype, pd.StringDtype):
            gone = column.isin(list(missing)).to_numpy()
            made[name] = column.mask(gone, None) if gone.any() else column
    return made


def word_notes(counts: Mapping[str, Mapping[str, int]], labels: str, kept: Mapping[str, int]) -> list[str]:
    """Sentences on the words that count as missing in each column, and on those kept as ``labels``."""
    notes = []
    places = [
        f"{word!r} in {name!r} ({rows})" for name, words in counts.items() for word, rows in words.items()
    ]
    if places:
        notes.append(f"Words that count as missing: {listed(places)}; change this with --missing.")
    for word, rows in kept.items():
        notes.append(
            f"The word {word!r} occurs in {rows} rows of {labels!r} and is taken for a class; "
            "--missing usual reads it as missing."
        )
    return notes


def labels_in_cells(column: pd.Series[Any], labels: Sequence[str] | None) -> dict[str, int]:
    """The words that are labels in a target without information on quotes, with the rows of each.

    ``labels`` are those found in training; None to decide by the rows.
    """
    cells = column[[isinstance(cell, str) for cell in column]]
    counts = count_words(pa.array(np.asarray(cells, dtype=object), pa.large_string()), MISSING_WORDS)
    if labels is not None:
        return {word: rows for word, rows in counts.items() if word in labels}
    return {word: rows for word, rows in counts.items() if is_label(word, rows, len(column))}
