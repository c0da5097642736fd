"""Tables as arrays for nets: scaled numbers, indicators, and codes for embeddings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights
from automl.families.preprocess.categories import RareMerge, one_hot, rare_minimum
from automl.families.preprocess.numbers import Impute, Quantile, Squash, Standard
from automl.families.preprocess.saved import Saved
from automl.families.preprocess.text import TextVectors
from automl.families.preprocess.text_scores import TextScores

Float32 = npt.NDArray[np.float32]
ONE_HOT_LEVELS = 10
# Beside the target scores, few directions are best for a net: 10 beat 30 and 100 on 1,600 issues.
TEXT_SIZE = 10


@dataclass(frozen=True)
class NetInput:
    """The inputs of a net.

    Attributes
    ----------
    numbers:
        ``(rows, columns)`` scaled numbers without missing values, to be embedded or used as they are.
    dense:
        ``(rows, columns)`` indicators of few-level categories and of missing numbers, and text vectors.
    codes:
        ``(rows, columns)`` of categories with more levels; 0 is missing or unseen.
    """

    numbers: Float32
    dense: Float32
    codes: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class NetMatrix(Saved):
    """The fitted transformation of a table to :class:`NetInput`.

    Attributes
    ----------
    impute:
        Medians and flags of missing numbers.
    squash, quantile:
        The scaling of the numbers; one of them is set.
    merge:
        Renumbers category codes; rare levels are merged.
    levels:
        Number of levels per category column: those of ``merge``, or more if several folds share one layout.
    vectors, scores:
        Text columns as their leading directions, and as scores of the target.
    text_scale:
        Standardises both.
    """

    impute: Impute
    squash: Squash | None
    quantile: Quantile | None
    merge: RareMerge
    levels: tuple[int, ...]
    vectors: TextVectors | None
    scores: TextScores | None
    text_scale: Standard | None

    @classmethod
    def fit(
        cls,
        table: Table,
        target: Encoded,
        task: Task,
        *,
        scaling: str = "squash",
        seed: int = 0,
        weights: Weights | None = None,
    ) -> tuple[Self, Float32 | None]:
        """Learn from training rows; ``scaling`` is ``squash`` or ``quantile``.

        Text scores follow the ``weights`` of the rows; medians and quantiles do not.
        The second value is the out-of-fold text scores of these rows, for :meth:`transform`.
        """
        numbers = np.asarray(table.numbers)
        merge = RareMerge.fit(np.asarray(table.codes), rare_minimum(table.rows))
        vectors, scores, scale, held_out = None, None, None, None
        if table.texts:
            vectors = TextVectors.fit(table.texts, size=TEXT_SIZE, seed=seed)
            scores, held_out = TextScores.fit_transform(table.texts, target, task, seed=seed, weights=weights)
            scale = Standard.fit(np.hstack([vectors.transform(table.texts), held_out]))
        matrix = cls(
            impute=Impute.fit(numbers),
            squash=Squash.fit(numbers) if scaling == "squash" else None,
            quantile=Quantile.fit(numbers) if scaling == "quantile" else None,
            merge=merge,
            levels=merge.levels,
            vectors=vectors,
            scores=scores,
            text_scale=scale,
        )
        return matrix, held_out

    def transform(self, table: Table, scores: Float32 | None = None) -> NetInput:
        """The arrays of any rows; ``scores`` replaces their text scores."""
        numbers = np.asarray(table.numbers)
        filled = self.impute.fill(numbers)
        scale = self.squash or self.quantile
        scaled = scale.transform(filled) if scale is not None else filled
        merged = self.merge.transform(np.asarray(table.codes))
        parts = [one_hot(merged[:, self.indicated], self.indicator_sizes)]
        if len(self.impute.flagged):
            parts.append(np.isnan(numbers[:, self.impute.flagged]).astype(np.float32))
        if self.vectors is not None and self.scores is not None and self.text_scale is not None:
            text_scores = self.scores.transform(table.texts) if scores is None else scores
            texts = np.hstack([self.vectors.transform(table.texts), text_scores])
            parts.append(self.text_scale.transform(texts).astype(np.float32))
        return NetInput(
            scaled.astype(np.float32),
            np.concatenate(parts, axis=1),
            merged[:, self.embedded].astype(np.int64) + 1,
        )

    @property
    def indicated(self) -> list[int]:
        """Category columns that become indicators: those with few levels."""
        return [j for j, count in enumerate(self.levels) if 0 < count <= ONE_HOT_LEVELS]

    @property
    def embedded(self) -> list[int]:
        """Category columns that become codes for embeddings."""
        return [j for j, count in enumerate(self.levels) if count > ONE_HOT_LEVELS]

    @property
    def indicator_sizes(self) -> tuple[int, ...]:
        """Number of indicators of each category column in ``indicated``."""
        return tuple(self.levels[j] for j in self.indicated)

    @property
    def dense_sizes(self) -> tuple[int, ...]:
        """Widths of the features that make up ``dense``."""
        texts = (*self.vectors.sizes, self.scores.outputs) if self.vectors and self.scores else ()
        return (*self.indicator_sizes, *[1] * len(self.impute.flagged), *(size for size in texts if size))

    @property
    def embedded_levels(self) -> tuple[int, ...]:
        """Number of levels of each category column in ``embedded``, without missing."""
        return tuple(self.levels[j] for j in self.embedded)


def align(matrices: Sequence[NetMatrix]) -> list[NetMatrix] | None:
    """The matrices of several folds with one layout for all; None where text vectors differ in length.

    A fold may lack a rare level or a missing value that another has; its column exists and stays 0.
    """
    if len({matrix.vectors.sizes if matrix.vectors else () for matrix in matrices}) > 1:
        return None
    flagged = np.unique(np.concatenate([matrix.impute.flagged for matrix in matrices]))
    levels = tuple(max(counts) for counts in zip(*(matrix.levels for matrix in matrices), strict=True))
    return [
        replace(matrix, impute=replace(matrix.impute, flagged=flagged), levels=levels) for matrix in matrices
    ]


@dataclass(frozen=True)
class QuantileBins:
    """Bins of a piecewise-linear encoding, padded to one number of bins.

    The encoding of x is ``clip((x - left) · inverse_width, 0, 1)`` per bin (Gorishniy et al. 2022, arXiv
    2203.05556, equation 1); a padded bin has inverse width 0 and so is always 0. What lies outside of the
    first and last edge is left to a linear term.

    Attributes
    ----------
    left, inverse_width:
        ``(columns, bins)``.
    """

    left: Float32
    inverse_width: Float32

    @classmethod
    def fit(cls, numbers: Float32, bins: int) -> Self:
        """Bins between quantiles of each column of training rows; fewer where values repeat."""
        levels = np.linspace(0, 1, bins + 1)
        edges = np.quantile(numbers, levels, axis=0) if len(numbers) else np.zeros((bins + 1, 0))
        columns = [np.unique(column.astype(np.float32)) for column in edges.T]
        width = max([len(column) - 1 for column in columns], default=0)
        left = np.zeros((len(columns), width), dtype=np.float32)
        inverse = np.zeros((len(columns), width), dtype=np.float32)
        for j, column in enumerate(columns):
            left[j, : len(column) - 1] = column[:-1]
            # Edges that float32 can barely distinguish would give an infinite slope.
            inverse[j, : len(column) - 1] = 1.0 / np.maximum(np.diff(column), 1e-6)
        return cls(left, inverse)


def embedding_size(levels: int, *, largest: int = 600) -> int:
    """Width of a category's vector: ``min(600, round(1.6 · levels^.56))`` (fastai 2.8, ``emb_sz_rule``)."""
    return min(largest, int(1.6 * math.pow(levels, 0.56) + 0.5))
