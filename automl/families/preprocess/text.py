"""Texts as numbers: hashed TF-IDF terms for linear models, and their leading directions for trees and nets.

Terms are hashed, not listed: a document then has the same terms in every fold and every model, so a
worker (or a predictor with many members) splits it once. Hashing into 2²² buckets merges few of the
20,000 terms that are kept, and models need no vocabulary file.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from automl.core.table import Strings
from automl.families.preprocess.saved import Saved

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Float32 = npt.NDArray[np.float32]
MAX_CHARACTERS = 5000
_RUN = 4
_BUCKETS = 1 << 22
_WORDS = re.compile(r"\w+")
_BLANKS = re.compile(r"\s+")
_MULTIPLIER = 0x9E3779B1
_CACHED_TERMS = 8_000_000


@dataclass(frozen=True)
class TermWeights(Saved):
    """TF-IDF of the terms that occur often enough: ``(1 + log count) · idf``, rows of length 1.

    Attributes
    ----------
    buckets:
        Hash buckets of the kept terms, ascending.
    idf:
        ``1 + log((1 + documents) / (1 + documents with the term))``, as in scikit-learn.
    characters:
        Whether terms are runs of 4 characters within words instead of words and word pairs.
    """

    buckets: npt.NDArray[np.int32]
    idf: Float32
    characters: bool = False

    @classmethod
    def fit(cls, texts: Strings, *, max_terms: int, characters: bool = False) -> Self:
        """Learn from one column of texts; terms in fewer than 5 documents (2 below 10,000) are dropped."""
        columns, _, _ = _terms(texts, characters)
        occurring = np.bincount(columns, minlength=1) if len(columns) else np.zeros(1, dtype=np.int64)
        minimum = 5 if len(texts) >= 10_000 else 2
        # A term in every document carries no information.
        kept = np.flatnonzero((occurring >= minimum) & (occurring < max(len(texts), 1)))
        if len(kept) > max_terms:
            kept = np.sort(kept[np.argsort(-occurring[kept], kind="stable")[:max_terms]])
        idf = 1.0 + np.log((1.0 + len(texts)) / (1.0 + occurring[kept]))
        return cls(kept.astype(np.int32), idf.astype(np.float32), characters)

    def transform(self, texts: Strings) -> csr_matrix:
        """``(rows, terms)`` sparse float32."""
        from scipy.sparse import csr_matrix

        columns, counts, lengths = _terms(texts, self.characters)
        place = np.searchsorted(self.buckets, columns)
        if len(self.buckets):
            relevant = self.buckets[np.minimum(place, len(self.buckets) - 1)] == columns
        else:
            relevant = np.zeros(len(columns), dtype=bool)
        rows = np.repeat(np.arange(len(texts)), lengths)[relevant]
        place = place[relevant].astype(np.int32)
        weights = (1.0 + np.log(counts[relevant])) * self.idf[place]
        norms = np.sqrt(np.bincount(rows, weights**2, minlength=len(texts)))
        weights /= norms[rows]
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(texts)))])
        shape = (len(texts), len(self.buckets))
        return csr_matrix((weights.astype(np.float32), place, starts.astype(np.int32)), shape=shape)


@dataclass(frozen=True)
class TextVectors(Saved):
    """Dense vectors of texts: TF-IDF of words and word pairs, then a truncated SVD (LSA).

    Attributes
    ----------
    weights:
        Weights of each text column.
    components:
        All columns' components one after another, each ``terms · size`` numbers.
    sizes:
        Vector length per column: ``size``, less if there are few rows or terms, 0 without usable terms.
    """

    weights: tuple[TermWeights, ...]
    components: Float32
    sizes: tuple[int, ...]

    @classmethod
    def fit(cls, texts: Sequence[Strings], *, size: int = 30, seed: int = 0, max_terms: int = 20_000) -> Self:
        """Learn from text columns ``(rows,)``."""
        weights, components, sizes = [], [], []
        for column in texts:
            weight = TermWeights.fit(column, max_terms=max_terms)
            rows, terms = len(column), len(weight.buckets)
            length = min(size, terms - 1, rows - 1) if terms > 2 else 0
            length = max(length, 0)
            if length:
                components.append(_directions(weight.transform(column), length, seed).ravel())
            weights.append(weight)
            sizes.append(length)
        flat = np.concatenate(components) if components else np.zeros(0)
        return cls(tuple(weights), flat.astype(np.float32), tuple(sizes))

    def transform(self, texts: Sequence[Strings]) -> Float32:
        """``(rows, sum of sizes)``: ``size`` columns per text column, fewer for a tiny vocabulary."""
        rows = len(texts[0]) if texts else 0
        parts, start = [np.zeros((rows, 0), dtype=np.float32)], 0
        for column, weight, size in zip(texts, self.weights, self.sizes, strict=True):
            if not size:
                continue
            stop = start + size * len(weight.buckets)
            matrix = self.components[start:stop].reshape(len(weight.buckets), size)
            parts.append(np.asarray(weight.transform(column) @ matrix, dtype=np.float32))
            start = stop
        return np.hstack(parts)


@dataclass(frozen=True)
class TextTerms(Saved):
    """Sparse TF-IDF columns: words, word pairs, and runs of 4 characters where that is affordable.

    Runs within words match inflections, compounds and code names: on 1,600 issue reports they alone are more
    informative than words.

    Attributes
    ----------
    weights:
        Word terms of each text column, then character terms of each where they are used.
    owner:
        The text column of each entry of ``weights``.
    """

    weights: tuple[TermWeights, ...]
    owner: tuple[int, ...]

    @classmethod
    def fit(
        cls,
        texts: Sequence[Strings],
        *,
        max_terms: int = 20_000,
        max_characters: int = 10_000_000,
        words: bool = True,
    ) -> Self:
        """Learn from text columns.

        Parameters
        ----------
        max_characters:
            Columns with more characters in total get no character terms.
        words:
            False leaves out words where there are character terms.
        """
        weights, owner = [], []
        for i, column in enumerate(texts):
            characters = sum(min(len(text), MAX_CHARACTERS) for text in column) <= max_characters
            for chosen in (False, True):
                if characters if chosen else words or not characters:
                    weights.append(TermWeights.fit(column, max_terms=max_terms, characters=chosen))
                    owner.append(i)
        return cls(tuple(weights), tuple(owner))

    def transform(self, texts: Sequence[Strings]) -> csr_matrix:
        """``(rows, terms)`` sparse float32."""
        from scipy.sparse import csr_matrix, hstack

        parts = [weight.transform(texts[i]) for weight, i in zip(self.weights, self.owner, strict=True)]
        if not parts:
            return csr_matrix((len(texts[0]) if texts else 0, 0), dtype=np.float32)
        return hstack(parts, format="csr", dtype=np.float32)


def _directions(matrix: csr_matrix, size: int, seed: int) -> npt.NDArray[np.float64]:
    """``(terms, size)`` leading right singular vectors by random projections (Halko et al. 2011, 4.4)."""
    generator = np.random.default_rng(seed)
    width = min(size + 10, *matrix.shape)
    basis = np.linalg.qr(matrix @ generator.standard_normal((matrix.shape[1], width)).astype(np.float32))[0]
    for _ in range(3):
        basis = np.linalg.qr(matrix.T @ basis)[0]
        basis = np.linalg.qr(matrix @ basis)[0]
    _, _, right = np.linalg.svd((matrix.T @ basis).T, full_matrices=False)
    right = right[:size]
    # A direction's sign is arbitrary: the largest weight is made positive.
    largest = right[np.arange(len(right)), np.abs(right).argmax(axis=1)]
    return np.asarray((right * np.where(largest < 0, -1.0, 1.0)[:, None]).T)


class _TermCache:
    """The terms of recent documents, by their text; bounded by the number of terms held."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._held = 0
        self._terms: dict[tuple[str, bool], tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]] = {}
        self._lock = Lock()

    def get(self, text: str, characters: bool) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Hash buckets of the document's terms, ascending, and how often each occurs."""
        cached = self._terms.get((text, characters))
        if cached is not None:
            return cached
        hashes = _character_hashes(text) if characters else _word_hashes(text)
        buckets, counts = np.unique(hashes % _BUCKETS, return_counts=True)
        terms = (buckets.astype(np.int32), counts.astype(np.int32))
        with self._lock:
            if self._held + len(buckets) > self._capacity:
                self._terms.clear()
                self._held = 0
            self._terms[text, characters] = terms
            self._held += len(buckets)
        return terms


_cache = _TermCache(_CACHED_TERMS)


def _terms(
    texts: Iterable[Any], characters: bool
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Buckets and counts of all documents one after another, and the number of terms of each document."""
    documents = [_cache.get(text, characters) for text in texts]
    lengths = np.array([len(buckets) for buckets, _ in documents], dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int32)
    buckets = np.concatenate([nothing, *(item[0] for item in documents)])
    counts = np.concatenate([nothing, *(item[1] for item in documents)])
    return buckets, counts, lengths


def _word_hashes(text: str) -> npt.NDArray[np.uint64]:
    """Hashes of the words and of the pairs of neighbouring words."""
    words = _WORDS.findall(text[:MAX_CHARACTERS].lower())
    single = np.fromiter((zlib.crc32(word.encode()) for word in words), dtype=np.uint64, count=len(words))
    pairs = _mixed(single[:-1] * np.uint64(_MULTIPLIER) + single[1:])
    return np.concatenate([_mixed(single), pairs])


def _character_hashes(text: str) -> npt.NDArray[np.uint64]:
    """Hashes of the runs of 4 characters within words, a blank at both ends of each word included."""
    words = _BLANKS.split(text[:MAX_CHARACTERS].lower())
    symbols = np.frombuffer(f" {'  '.join(words)} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    if len(symbols) < _RUN:
        return np.zeros(0, dtype=np.uint64)
    count = len(symbols) - _RUN + 1
    rolling = np.zeros(count, dtype=np.uint64)
    crosses = np.zeros(count, dtype=bool)
    for offset in range(_RUN):
        part = symbols[offset : offset + count]
        rolling = rolling * np.uint64(_MULTIPLIER) + part
        if offset:
            crosses |= (part == ord(" ")) & (symbols[offset - 1 : offset - 1 + count] == ord(" "))
    return _mixed(rolling[~crosses])


def _mixed(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Every input bit spread over the low bits (the finaliser of MurmurHash3's authors, public domain)."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return hashes ^ (hashes >> np.uint64(33))
