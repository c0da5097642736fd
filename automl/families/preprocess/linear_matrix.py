"""One matrix of a whole table for linear models: scaled numbers, indicators, target encodings, text terms."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from automl.core.family import FitContext
from automl.core.table import Codes, Table
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights
from automl.families.preprocess.categories import RareMerge, TargetEncoding, one_hot, rare_minimum
from automl.families.preprocess.numbers import Impute, Quantile, Splines, Squash, Standard
from automl.families.preprocess.saved import Saved
from automl.families.preprocess.text import TextTerms

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Matrix: TypeAlias = "npt.NDArray[np.float64] | npt.NDArray[np.float32] | csr_matrix"
Numeric = Literal["standard", "squash", "quantile", "splines"]
_ONE_HOT_LEVELS = 100
_FEW_LEVELS = 10
# Deviations; a sum of larger numbers would overflow and not be a number.
_FURTHEST = 1e100


@dataclass(frozen=True, kw_only=True)
class LinearMatrix(Saved):
    """The fitted transformation of a table to a matrix without missing values and with scaled dense columns.

    Columns in order: numbers (with flags for missing values, and hinges for splines), target encodings,
    indicators of levels, text terms. With texts, the matrix is sparse.

    Attributes
    ----------
    squash, quantile, splines:
        The transformation before standardisation; at most one of them is set.
    scale:
        Standardises all dense columns except indicators.
    shown, encoded:
        Category columns that become indicators, and those that become target encodings.
    merge:
        Renumbers the levels of ``shown``.
    """

    impute: Impute
    squash: Squash | None
    quantile: Quantile | None
    splines: Splines | None
    scale: Standard
    shown: npt.NDArray[np.int64]
    encoded: npt.NDArray[np.int64]
    merge: RareMerge
    encoding: TargetEncoding | None
    terms: TextTerms | None

    @classmethod
    def fit(
        cls,
        table: Table,
        target: Encoded,
        task: Task,
        *,
        numeric: Numeric = "standard",
        seed: int = 0,
        weights: Weights | None = None,
    ) -> tuple[Self, Matrix]:
        """Learn from training rows, and return their matrix with out-of-fold target encodings.

        Target encodings and the scale of the columns follow ``weights``; medians and quantiles do not.
        """
        numbers = np.asarray(table.numbers)
        impute = Impute.fit(numbers)
        squash = Squash.fit(numbers) if numeric == "squash" else None
        quantile = Quantile.fit(numbers) if numeric == "quantile" else None
        splines = Splines.fit(impute.fill(numbers)) if numeric == "splines" else None
        codes = np.asarray(table.codes)
        levels = np.array([len(np.unique(column[column >= 0])) for column in codes.T], dtype=np.int64)
        shown, encoded = np.flatnonzero(levels <= _ONE_HOT_LEVELS), np.flatnonzero(levels > _ONE_HOT_LEVELS)
        # With few levels, all are kept; with more, the rare ones share an indicator.
        minimum = rare_minimum(table.rows) if (levels[shown] > _FEW_LEVELS).any() else 1
        merge = RareMerge.fit(_with_missing(codes[:, shown]), minimum)
        encoding, held_out = None, None
        if len(encoded):
            encoding, held_out = TargetEncoding.fit_transform(
                codes[:, encoded], target, task, seed=seed, weights=weights
            )
        terms = TextTerms.fit(table.texts) if table.texts else None
        nothing = Standard(np.zeros(0), np.zeros(0))
        matrix = cls(
            impute=impute,
            squash=squash,
            quantile=quantile,
            splines=splines,
            scale=nothing,
            shown=shown,
            encoded=encoded,
            merge=merge,
            encoding=encoding,
            terms=terms,
        )
        dense = matrix._dense(table, held_out)
        matrix = cls(
            impute=impute,
            squash=squash,
            quantile=quantile,
            splines=splines,
            scale=Standard.fit(dense, weights),
            shown=shown,
            encoded=encoded,
            merge=merge,
            encoding=encoding,
            terms=terms,
        )
        return matrix, matrix._join(dense, table)

    def transform(self, table: Table) -> Matrix:
        """The matrix of rows that were not used to fit."""
        encoded = self.encoding.transform(table.codes[:, self.encoded]) if self.encoding else None
        return self._join(self._dense(table, encoded), table)

    def owners(self, categories: int) -> npt.NDArray[np.int64]:
        """``(columns,)``: the feature of the table that each column is made of.

        Parameters
        ----------
        categories:
            How many the table has.
        """
        numbers = len(self.impute.median)
        parts = [np.arange(numbers)]
        if self.splines is not None:
            parts.append(self.splines.owner)
        parts.append(self.impute.flagged)
        if self.encoding is not None:
            parts.append(numbers + np.repeat(self.encoded, self.encoding.outputs))
        parts.append(numbers + np.repeat(self.shown, np.array(self.merge.levels, dtype=np.int64)))
        if self.terms is not None:
            terms = [len(weight.buckets) for weight in self.terms.weights]
            parts.append(numbers + categories + np.repeat(np.array(self.terms.owner, dtype=np.int64), terms))
        return np.concatenate(parts).astype(np.int64)

    def _dense(self, table: Table, encoded: npt.NDArray[np.float32] | None) -> npt.NDArray[np.float64]:
        """Numbers, flags and target encodings before standardisation."""
        filled = self.impute.fill(table.numbers)
        flags = np.isnan(table.numbers[:, self.impute.flagged]).astype(np.float64)
        if self.squash is not None:
            filled = self.squash.transform(filled)
        elif self.quantile is not None:
            filled = self.quantile.transform(filled)
        elif self.splines is not None:
            filled = self.splines.transform(filled)
        parts = [filled, flags]
        if encoded is not None:
            parts.append(encoded.astype(np.float64))
        return np.hstack(parts)

    def _join(self, dense: npt.NDArray[np.float64], table: Table) -> Matrix:
        codes = self.merge.transform(_with_missing(table.codes[:, self.shown]))
        with np.errstate(over="ignore"):
            scaled = self.scale.transform(dense).clip(-_FURTHEST, _FURTHEST)
        joined: Any = np.hstack([scaled, one_hot(codes, self.merge.levels)])
        if self.terms is None:
            return joined
        from scipy.sparse import csr_matrix, hstack

        parts = [csr_matrix(joined), self.terms.transform(table.texts)]
        return hstack(parts, format="csr", dtype=np.float64)


def matrices_of(
    family: str, inputs: Table, target: Encoded, task: Task, context: FitContext, *, numeric: Numeric
) -> tuple[LinearMatrix, Matrix, Matrix | None]:
    """The matrices of a fold's rows and of its held-out ones, from the cache if they were made before.

    Parameters
    ----------
    family:
        Whose trials share them: families may see different columns of one table.
    """
    digest = hashlib.blake2b(np.ascontiguousarray(target).tobytes(), digest_size=16).hexdigest()

    def build() -> tuple[LinearMatrix, Matrix, Matrix | None]:
        # A constant seed, since trials of all seeds share the matrix.
        matrix, train = LinearMatrix.fit(
            inputs, target, task, numeric=numeric, seed=0, weights=context.weights
        )
        return matrix, train, None if context.valid is None else matrix.transform(context.valid[0])

    return context.cached((family, digest, inputs.rows, numeric, context.valid is None), build)


def _with_missing(codes: Codes) -> Codes:
    """Codes from 0, which is missing, so that missing values get an indicator of their own."""
    return codes + np.int32(1)
