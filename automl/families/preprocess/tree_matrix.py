"""One numeric matrix of a whole table for trees: numbers, category codes or their encodings, text vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights
from automl.families.preprocess.categories import Counts, RareMerge, TargetEncoding, rare_minimum
from automl.families.preprocess.saved import Saved
from automl.families.preprocess.text import TextVectors
from automl.families.preprocess.text_scores import TextScores

Float32 = npt.NDArray[np.float32]
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class TreeData:
    """The input of a tree library.

    Attributes
    ----------
    values:
        ``(rows, columns)`` float32, contiguous by rows; NaN is missing.
    categorical:
        Columns that hold category codes (whole numbers from 0; NaN is missing or unseen), ascending.
    names:
        One distinct name per column.
    """

    values: Float32
    categorical: tuple[int, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class TreeMatrix(Saved):
    """The fitted transformation of a table to :class:`TreeData`.

    Attributes
    ----------
    centre:
        Subtracted from each number before it is converted to float32; 0 unless float32 would merge distinct
        values (such as seconds since 1970).
    merge:
        Renumbers the code columns in ``coded``.
    coded, encoded, counted:
        Category columns that become codes, target encodings, and counts.
    native:
        Whether code columns are marked as categorical.
    vectors, scores:
        Texts as their leading directions, and as out-of-fold scores of the target.
    """

    centre: npt.NDArray[np.float64]
    coded: npt.NDArray[np.int64]
    encoded: npt.NDArray[np.int64]
    counted: npt.NDArray[np.int64]
    native: bool
    merge: RareMerge
    encoding: TargetEncoding | None
    counts: Counts | None
    vectors: TextVectors | None
    scores: TextScores | None
    names: tuple[str, ...]

    @classmethod
    def fit(
        cls,
        table: Table,
        target: Encoded,
        task: Task,
        *,
        encode_high: bool = True,
        high_cardinality: int = 100,
        ordinal_all: bool = False,
        text_size: int = 30,
        seed: int = 0,
        weights: Weights | None = None,
    ) -> tuple[Self, TreeData]:
        """Learn from training rows, and return their matrix with out-of-fold target encodings.

        Parameters
        ----------
        encode_high:
            Columns of more than ``high_cardinality`` levels become a target encoding and a count instead
            of codes. False leaves codes (for libraries that encode them themselves).
        ordinal_all:
            For forests: no column is marked as categorical, and columns of more than 10 levels get a
            target encoding too.
        weights:
            Of the rows, for what learns from the target: its encodings and the scores of texts.
        """
        levels = np.array([len(np.unique(column[column >= 0])) for column in table.codes.T], dtype=np.int64)
        high = levels > high_cardinality if encode_high else np.zeros(len(levels), dtype=bool)
        encoded = np.flatnonzero(high | (levels > 10) if ordinal_all else high)
        coded, counted = np.flatnonzero(~high), np.flatnonzero(high)
        codes = np.asarray(table.codes)
        # An ordered code column loses its order when rare levels move to the end.
        merge = RareMerge.fit(codes[:, coded], 1 if ordinal_all else rare_minimum(table.rows))
        encoding, held_out = None, None
        if len(encoded):
            encoding, held_out = TargetEncoding.fit_transform(
                codes[:, encoded], target, task, seed=seed, weights=weights
            )
        counts = Counts.fit(codes[:, counted]) if len(counted) else None
        vectors, scores, text_scores = None, None, None
        if table.texts:
            vectors = TextVectors.fit(table.texts, size=text_size, seed=seed)
            scores, text_scores = TextScores.fit_transform(
                table.texts, target, task, seed=seed, weights=weights
            )
        matrix = cls(
            centre=_centre(table.numbers),
            coded=coded,
            encoded=encoded,
            counted=counted,
            native=not ordinal_all,
            merge=merge,
            encoding=encoding,
            counts=counts,
            vectors=vectors,
            scores=scores,
            names=_names(table, coded, encoded, counted, encoding, vectors, scores),
        )
        return matrix, matrix._data(table, held_out, text_scores)

    def transform(self, table: Table) -> TreeData:
        """The matrix of rows that were not fitted on."""
        encoded = self.encoding.transform(table.codes[:, self.encoded]) if self.encoding else None
        scores = self.scores.transform(table.texts) if self.scores else None
        return self._data(table, encoded, scores)

    @property
    def levels(self) -> tuple[int, ...]:
        """Per code column how many codes there are."""
        return self.merge.levels

    def owners(self, categories: int) -> npt.NDArray[np.int64]:
        """``(columns,)``: the feature of the table that each column is made of; -1 for none or several.

        Parameters
        ----------
        categories:
            How many the table has.
        """
        numbers = len(self.centre)
        parts = [np.arange(numbers), numbers + self.coded]
        if self.encoding is not None:
            parts.append(numbers + np.repeat(self.encoded, self.encoding.outputs))
        if self.counts is not None:
            parts.append(numbers + self.counted)
        sizes = self.vectors.sizes if self.vectors is not None else ()
        parts.append(numbers + categories + np.repeat(np.arange(len(sizes)), np.array(sizes, dtype=np.int64)))
        if self.scores is not None:  # of all texts together
            parts.append(np.full(self.scores.outputs, numbers + categories if len(sizes) == 1 else -1))
        owned = np.concatenate(parts).astype(np.int64)
        return np.append(owned, np.full(len(self.names) - len(owned), -1))

    def _data(self, table: Table, encoded: Float32 | None, scores: Float32 | None) -> TreeData:
        numbers, start = table.numbers.shape[1], 0
        # Zeros: what nothing below fills is the constant column of a table without any usable one.
        values = np.zeros((table.rows, len(self.names)), dtype=np.float32)
        values[:, :numbers] = np.clip(table.numbers - self.centre, -_LARGEST, _LARGEST)
        start = numbers + len(self.coded)
        codes = self.merge.transform(table.codes[:, self.coded])
        values[:, numbers:start] = np.where(codes < 0, np.nan, codes)
        if encoded is not None:
            values[:, start : start + encoded.shape[1]] = encoded
            start += encoded.shape[1]
        if self.counts is not None:
            values[:, start : start + len(self.counted)] = self.counts.transform(table.codes[:, self.counted])
            start += len(self.counted)
        if self.vectors is not None:
            vectors = self.vectors.transform(table.texts)
            values[:, start : start + vectors.shape[1]] = vectors
            start += vectors.shape[1]
        if scores is not None:
            values[:, start:] = scores
        categorical = tuple(range(numbers, numbers + len(self.coded))) if self.native else ()
        return TreeData(values, categorical, self.names)


def _centre(numbers: npt.NDArray[np.float64], sample: int = 5000) -> npt.NDArray[np.float64]:
    """The median of the columns whose values float32 would merge, else 0."""
    step = max(1, len(numbers) // sample)
    part = np.asarray(numbers[::step])
    centre = np.zeros(part.shape[1])
    for j, column in enumerate(part.T):
        exact = np.unique(column[~np.isnan(column)])
        clipped = np.clip(exact, -_LARGEST, _LARGEST).astype(np.float32)
        if len(exact) and len(np.unique(clipped)) < len(exact):
            centre[j] = exact[len(exact) // 2]
    return centre


def _names(
    table: Table,
    coded: npt.NDArray[np.int64],
    encoded: npt.NDArray[np.int64],
    counted: npt.NDArray[np.int64],
    encoding: TargetEncoding | None,
    vectors: TextVectors | None,
    scores: TextScores | None,
) -> tuple[str, ...]:
    categories = table.features.categories
    names = [*table.features.numbers, *(categories[j] for j in coded)]
    outputs = encoding.outputs if encoding else 0
    names += [f"{categories[j]} target {k}" for j in encoded for k in range(outputs)]
    names += [f"{categories[j]} count" for j in counted]
    sizes = vectors.sizes if vectors else ()
    names += [
        f"{name} text {k}"
        for name, size in zip(table.features.texts, sizes, strict=True)
        for k in range(size)
    ]
    names += [f"text score {k}" for k in range(scores.outputs if scores else 0)]
    return tuple(names) or ("constant",)
