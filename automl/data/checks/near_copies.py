"""Texts that are nearly the same: a training row may then tell a model the answer to one that judges it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.finding import NOTE, WARNING, Finding
from automl.core.table import Rows, Strings, Table
from automl.core.text import share_text
from automl.data.cells.row_numbers import row_number

SIMILAR = 0.8
"""Share of the runs of three words in either text that must be in both (Jaccard's coefficient)."""
_LEAST_WORDS = 8  # shorter texts are alike by chance
_RUN = 3
_MOST_CHARACTERS = 5_000
_SAMPLE = 20_000
# Two texts become candidates when they agree in all minima of a band: 98 % of those that share .8, 6 % at .3.
_BANDS, _BAND = 8, 4
_ALARM = 0.01
# Words; in scripts without blanks, each character.
_WORD = re.compile(r"[぀-ヿ㐀-䶿一-鿿]|[^\W぀-ヿ㐀-䶿一-鿿]+")

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class NearCopies:
    """Groups of texts that are nearly the same.

    Attributes
    ----------
    groups:
        ``(rows,)`` numbers; near copies (and equal texts) share one.
    texts:
        ``(rows,)`` numbers; equal texts share one.
    """

    groups: Rows
    texts: Rows

    @property
    def copied(self) -> npt.NDArray[np.bool_]:
        """``(rows,)``: whether another row has nearly, but not exactly, the row's text."""
        kinds = pd.Series(self.texts).groupby(self.groups).transform("nunique")
        return np.asarray(kinds > 1)


def find_near_copies(columns: Sequence[Strings]) -> NearCopies:
    """Near copies among the rows of text columns ``(rows,)``, which are read as one text."""
    joined = pd.Series(["\n".join(cells) for cells in zip(*columns, strict=True)], dtype=object)
    codes, distinct = pd.factorize(joined)
    runs = [_runs(text) for text in distinct]
    usable = np.array([place for place, hashes in enumerate(runs) if len(hashes)], dtype=np.int64)
    leader = np.arange(len(distinct))
    if len(usable) > 1:
        for first, second in _candidates([runs[place] for place in usable]):
            one, other = _root(leader, usable[first]), _root(leader, usable[second])
            if one != other and _similarity(runs[usable[first]], runs[usable[second]]) >= SIMILAR:
                leader[max(one, other)] = min(one, other)
    roots = np.array([_root(leader, place) for place in range(len(distinct))], dtype=np.int64)
    return NearCopies(roots[codes], np.asarray(codes, dtype=np.int64))


def near_copies_within(table: Table, frame: pd.DataFrame, *, dealt: bool) -> Iterator[Finding]:
    """A finding where rows have nearly the same text as others.

    Parameters
    ----------
    frame:
        The rows as they were read, by which messages name them.
    dealt:
        Whether the search assigns the rows to folds itself.
    """
    if not table.texts:
        return
    rows = _spread(table.rows)
    copied, pair = _pair([column[rows] for column in table.texts])
    if pair is None:
        return
    share = float(copied.mean())
    first, second = (row_number(frame, int(rows[place])) for place in pair)
    remedy = (
        "Where one of them trains and the other judges, scores are too good: name a column that they share, "
        "such as a thread or an author, with --group, or drop the copies."
    )
    if not dealt:
        remedy = "The given folds or parts decide where they are used. Keep near copies on one side."
    yield Finding(
        "near_copies",
        None,
        WARNING if share > _ALARM else NOTE,
        f"{int(copied.sum())} of {len(rows)} rows ({share_text(share, 1)}) have nearly the same text as "
        f"another row, for example rows {first} and {second}.",
        remedy,
    )


def near_copies_between(table: Table, test: Table) -> Iterator[Finding]:
    """A finding where rows of the test part have nearly the same text as a row of the data."""
    if not table.texts:
        return
    ours, theirs = _spread(table.rows), _spread(test.rows)
    columns = [
        np.concatenate([column[ours], other[theirs]])
        for column, other in zip(table.texts, test.texts, strict=True)
    ]
    copies = find_near_copies(columns)
    earlier, new = copies.groups[: len(ours)], copies.groups[len(ours) :]
    equal = np.isin(copies.texts[len(ours) :], copies.texts[: len(ours)])
    near = np.isin(new, earlier) & ~equal
    if not near.any():
        return
    share, first = float(near.mean()), int(near.argmax())
    like = int(np.flatnonzero(earlier == new[first])[0])
    yield Finding(
        "near_copies",
        None,
        WARNING if share > _ALARM else NOTE,
        f"{int(near.sum())} of {len(theirs)} rows of the test part ({share_text(share, 1)}) have nearly the "
        f"same text as a row of the data, for example row {int(theirs[first]) + 1} of the test part and row "
        f"{int(ours[like]) + 1} of the data.",
        "If they are versions of the same text, the score on the test part is too good: remove them from one "
        "part.",
    )


def _pair(columns: Sequence[Strings]) -> tuple[npt.NDArray[np.bool_], tuple[int, int] | None]:
    """Rows with a near copy, and the places of the first two that are copies of one another."""
    copies = find_near_copies(columns)
    copied = copies.copied
    if not copied.any():
        return copied, None
    first = int(copied.argmax())
    alike = (copies.groups == copies.groups[first]) & (copies.texts != copies.texts[first])
    return copied, (first, int(alike.argmax()))


def _spread(rows: int) -> Rows:
    """All rows, or a sample of them in their order."""
    if rows <= _SAMPLE:
        return np.arange(rows, dtype=np.int64)
    return np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False)).astype(np.int64)


def _runs(text: str) -> Hashes:
    """Distinct hashes of the runs of three words, ascending; none for short texts."""
    words = _WORD.findall(text[:_MOST_CHARACTERS].lower())
    if len(words) < _LEAST_WORDS:
        return np.zeros(0, dtype=np.uint64)
    codes = np.fromiter((zlib.crc32(word.encode()) for word in words), dtype=np.uint64, count=len(words))
    runs = codes[: 1 - _RUN]
    for offset in range(1, _RUN):
        runs = runs * np.uint64(0x9E3779B97F4A7C15) + codes[offset : len(codes) - _RUN + 1 + offset]
    return np.unique(runs)


def _candidates(runs: Sequence[Hashes]) -> Iterable[tuple[int, int]]:
    """Pairs of texts that may be near copies, by the minima of random orders (Broder 1997, MinHash)."""
    generator = np.random.default_rng(0)
    starts = np.concatenate([[0], np.cumsum([len(item) for item in runs])[:-1]])
    every = np.concatenate(runs)
    for _ in range(_BANDS):
        band = np.zeros(len(runs), dtype=np.uint64)
        for factor in generator.integers(1, 2**63, _BAND, dtype=np.uint64):
            mixed = (every * (factor | np.uint64(1))) ^ (every >> np.uint64(29))
            minima = np.minimum.reduceat(mixed * np.uint64(0xBF58476D1CE4E5B9), starts)
            band = band * np.uint64(0x94D049BB133111EB) + minima
        order = np.argsort(band, kind="stable")
        same = band[order][1:] == band[order][:-1]
        for place in np.flatnonzero(same):
            yield int(order[place]), int(order[place + 1])


def _similarity(first: Hashes, second: Hashes) -> float:
    common = len(np.intersect1d(first, second, assume_unique=True))
    return common / (len(first) + len(second) - common)


def _root(leader: Rows, place: int) -> int:
    while leader[place] != place:
        place = int(leader[place])
    return int(place)
