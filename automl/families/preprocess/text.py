"""Texts as numbers: hashed TF-IDF terms for linear models, and their leading directions for trees and nets.

Terms are hashed, not listed: a document then has the same terms in every fold and every model, so a
worker (or a predictor with many members) splits it once. Hashing into 2²² buckets merges few of the
20,000 terms that are kept, and models need no vocabulary file.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from automl.core.table import Strings
from automl.families.preprocess.saved import Saved

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Float32 = npt.NDArray[np.float32]
MAX_CHARACTERS = 5000
_BUCKETS = 1 << 22
_WORDS = re.compile(r"\w+")
# Scripts without blanks between words: kana, Chinese characters and their compatibility forms.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORDS_AND_SIGNS = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")
_BLANKS = re.compile(r"\s+")
_MULTIPLIER = 0x9E3779B1
_CACHED_TERMS = 8_000_000
_BLOCK = 2_000  # texts whose terms are held at a time: of long ones only a few in a hundred are kept


class TermKind(NamedTuple):
    """The terms that are counted in a text.

    Attributes
    ----------
    characters:
        Whether terms are runs of characters within words, else runs of neighbouring words.
    shortest, longest:
        Lengths of the runs.
    signs:
        Whether punctuation marks, emoji and each Chinese or Japanese character count as words, too.
    head, tail:
        Characters that are read from the beginning and, where a text is longer, from its end.
    """

    characters: bool = False
    shortest: int = 1
    longest: int = 2
    signs: bool = False
    head: int = MAX_CHARACTERS
    tail: int = 0

    def read(self, text: str) -> str:
        """The part of a text that is read, in lower case."""
        if len(text) > self.head + self.tail:
            end = f" {text[-self.tail :]}" if self.tail else ""
            text = text[: self.head] + end
        return text.lower()

    def hashes(self, text: str) -> npt.NDArray[np.uint64]:
        """A hash of every term of the text, repeated as often as the term."""
        find = _character_hashes if self.characters else _word_hashes
        return find(self.read(text), self)


WORDS = TermKind()
RUNS = TermKind(characters=True, shortest=4, longest=4)


@dataclass(frozen=True, kw_only=True)
class TermWeights(Saved):
    """TF-IDF of the terms that occur often enough: ``(1 + log count) · idf``, rows of length 1.

    Attributes
    ----------
    buckets:
        Hash buckets of the kept terms, ascending.
    idf:
        ``1 + log((1 + documents) / (1 + documents with the term))``, as in scikit-learn.
    characters, shortest, longest, signs, head, tail:
        The kind of the terms, see :class:`TermKind`; no ``longest`` stands for the usual kinds,
        :data:`WORDS` and :data:`RUNS`.
    """

    buckets: npt.NDArray[np.int32]
    idf: Float32
    characters: bool = False
    shortest: int = 0
    longest: int = 0
    signs: bool = False
    head: int = MAX_CHARACTERS
    tail: int = 0

    @property
    def kind(self) -> TermKind:
        """The terms that are counted."""
        if not self.longest:
            return RUNS if self.characters else WORDS
        return TermKind(self.characters, self.shortest, self.longest, self.signs, self.head, self.tail)

    @classmethod
    def fit(cls, texts: Strings, *, max_terms: int, kind: TermKind = WORDS) -> Self:
        """Learn from one column of texts; terms in fewer than 5 documents (2 below 10,000) are dropped."""
        occurring = np.zeros(1, dtype=np.int64)
        for block in _blocks(texts):
            columns, _, _ = _terms(block, kind)
            more = np.bincount(columns, minlength=len(occurring))
            more[: len(occurring)] += occurring
            occurring = more
        minimum = 5 if len(texts) >= 10_000 else 2
        # A term in every document carries no information.
        kept = np.flatnonzero((occurring >= minimum) & (occurring < max(len(texts), 1)))
        if len(kept) > max_terms:
            kept = np.sort(kept[np.argsort(-occurring[kept], kind="stable")[:max_terms]])
        idf = 1.0 + np.log((1.0 + len(texts)) / (1.0 + occurring[kept]))
        return cls(buckets=kept.astype(np.int32), idf=idf.astype(np.float32), **kind._asdict())

    def transform(self, texts: Strings) -> csr_matrix:
        """``(rows, terms)`` sparse float32."""
        from scipy.sparse import csr_matrix

        parts = [self._weighted(block) for block in _blocks(texts)]
        weights, places, counts = (np.concatenate(kind) for kind in zip(*parts, strict=True))
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        return csr_matrix((weights, places, starts), shape=(len(texts), len(self.buckets)))

    def _weighted(self, texts: Strings) -> tuple[Float32, npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Weights and places of the kept terms of some texts, one text after another, and their counts."""
        columns, counts, lengths = _terms(texts, self.kind)
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
        return weights.astype(np.float32), place, np.bincount(rows, minlength=len(texts))


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
        kinds: Sequence[TermKind] | None = None,
    ) -> Self:
        """Learn from text columns.

        Parameters
        ----------
        max_characters:
            Columns with more characters in total get no character terms.
        words:
            False leaves out words where there are character terms.
        kinds:
            The kinds of terms, in place of :data:`WORDS` and :data:`RUNS`; ``words`` then changes nothing.
        """
        if kinds is None:
            kinds = (WORDS, RUNS) if words else (RUNS,)
        weights, owner = [], []
        for i, column in enumerate(texts):
            read = max((kind.head + kind.tail for kind in kinds if kind.characters), default=0)
            affordable = sum(min(len(text), read) for text in column) <= max_characters
            chosen = [kind for kind in kinds if affordable or not kind.characters]
            for kind in chosen or [WORDS]:
                weights.append(TermWeights.fit(column, max_terms=max_terms, kind=kind))
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
        self._terms: dict[tuple[str, TermKind], tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]] = {}
        self._lock = Lock()

    def get(self, text: str, kind: TermKind) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Hash buckets of the document's terms, ascending, and how often each occurs."""
        cached = self._terms.get((text, kind))
        if cached is not None:
            return cached
        buckets, counts = np.unique(kind.hashes(text) % _BUCKETS, return_counts=True)
        terms = (buckets.astype(np.int32), counts.astype(np.int32))
        with self._lock:
            if self._held + len(buckets) > self._capacity:
                self._terms.clear()
                self._held = 0
            self._terms[text, kind] = terms
            self._held += len(buckets)
        return terms


_cache = _TermCache(_CACHED_TERMS)


def _blocks(texts: Strings) -> Iterator[Strings]:
    """The texts in blocks; one empty block where there are none."""
    for start in range(0, max(1, len(texts)), _BLOCK):
        yield texts[start : start + _BLOCK]


def _terms(
    texts: Iterable[Any], kind: TermKind
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Buckets and counts of all documents one after another, and the number of terms of each document."""
    documents = [_cache.get(text, kind) for text in texts]
    lengths = np.array([len(buckets) for buckets, _ in documents], dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int32)
    buckets = np.concatenate([nothing, *(item[0] for item in documents)])
    counts = np.concatenate([nothing, *(item[1] for item in documents)])
    return buckets, counts, lengths


def _word_hashes(text: str, kind: TermKind) -> npt.NDArray[np.uint64]:
    """Hashes of the runs of neighbouring words."""
    words = (_WORDS_AND_SIGNS if kind.signs else _WORDS).findall(text)
    codes = (zlib.crc32(word.encode(errors="surrogatepass")) for word in words)
    single = np.fromiter(codes, dtype=np.uint64, count=len(words))
    runs, parts = single, []
    for length in range(1, kind.longest + 1):
        if length > 1:
            runs = runs[:-1] * np.uint64(_MULTIPLIER) + single[length - 1 :]
        if length >= kind.shortest:
            parts.append(_mixed(runs))
    return np.concatenate(parts)


def _character_hashes(text: str, kind: TermKind) -> npt.NDArray[np.uint64]:
    """Hashes of the runs of characters within words, a blank at both ends of each word included."""
    words = _BLANKS.split(text)
    symbols = np.frombuffer(f" {'  '.join(words)} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    nothing = np.zeros(0, dtype=np.uint64)
    return np.concatenate([nothing, *_character_runs(symbols, kind.shortest, kind.longest)])


def _character_runs(
    symbols: npt.NDArray[np.uint32], shortest: int, longest: int
) -> Iterable[npt.NDArray[np.uint64]]:
    """The hashes for each length of runs of ``symbols``; a run ends where two blanks follow one another."""
    blank = symbols == ord(" ")
    rolling, crosses = np.zeros(len(symbols), dtype=np.uint64), np.zeros(len(symbols), dtype=bool)
    for offset in range(min(longest, len(symbols))):
        count = len(symbols) - offset
        rolling = rolling[:count] * np.uint64(_MULTIPLIER) + symbols[offset:]
        if offset:
            crosses = crosses[:count] | (blank[offset:] & blank[offset - 1 : -1])
        if offset + 1 >= shortest:
            yield _mixed(rolling[~crosses])


def _mixed(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Every input bit spread over the low bits (the finaliser of MurmurHash3's authors, public domain)."""
    hashes = (hashes ^ (hashes >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    return hashes ^ (hashes >> np.uint64(33))
