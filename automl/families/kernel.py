"""Kernel machines: logistic, multinomial and ridge regression on similarities to some of the rows.

Each row is described by its similarities to at most a few hundred landmarks (the approximation of Nyström:
Williams and Seeger, NeurIPS 13, 2000), and scores are linear in these. On hundreds to thousands of rows
it is smooth where trees have steps, and takes a fraction of the time of a net.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from automl.core.family import Family, FitContext, Scope, TrialStopped
from automl.core.predictions import Link, Predictions
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task
from automl.families.engines.penalty_path import fit_scores, predictions_of
from automl.families.engines.solvers import LINEAR_LOSSES
from automl.families.preprocess.linear_matrix import LinearMatrix, matrices_of
from automl.families.preprocess.saved import Saved

Floats = npt.NDArray[np.float64]
_MOST_ROWS = 20_000
_PAIRS = 300
_LEAST_EIGENVALUE = 1e-7  # relative: below it a direction is rounding
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True)
class Params:
    """Parameters of a kernel machine.

    Attributes
    ----------
    kernel:
        ``gauss``: ``exp(-(d / s)²)`` of the Euclidean distance; ``laplace``: ``exp(-d / s)`` of the sum of
        absolute differences, which fits rougher functions.
    width:
        ``s`` in typical distances between rows.
    landmarks:
        Rows to compare with, at most.
    numeric:
        How numbers are prepared.
    """

    kernel: Literal["gauss", "laplace"] = "gauss"
    width: float = 1.0
    landmarks: int = 300
    numeric: Literal["standard", "squash", "quantile"] = "squash"


@dataclass(frozen=True, kw_only=True)
class Similarity(Saved):
    """Similarities to landmarks, whitened: inner products of two rows' features are the kernel's values.

    Attributes
    ----------
    landmarks:
        ``(landmarks, columns)`` prepared rows.
    whitening:
        ``(landmarks, features)``.
    scale:
        Distance at which the similarity is ``exp(-1)``.
    """

    kernel: str
    landmarks: Floats
    whitening: Floats
    scale: float

    @classmethod
    def fit(cls, rows: Floats, params: Params, seed: int) -> Similarity:
        """Choose landmarks among prepared rows ``(rows, columns)``."""
        generator = np.random.default_rng(seed)
        chosen = np.sort(generator.permutation(len(rows))[: params.landmarks])
        landmarks = np.unique(rows[chosen], axis=0)
        pairs = rows[generator.permutation(len(rows))[:_PAIRS]]
        apart = _distances(pairs, pairs, params.kernel)
        typical = float(np.median(apart[apart > 0])) if (apart > 0).any() else 1.0
        scale = params.width * typical
        values, vectors = np.linalg.eigh(_similar(landmarks, landmarks, params.kernel, scale))
        kept = values > _LEAST_EIGENVALUE * values[-1]
        whitening = vectors[:, kept] / np.sqrt(values[kept])
        return cls(kernel=params.kernel, landmarks=landmarks, whitening=whitening, scale=scale)

    def features(self, rows: Floats) -> Floats:
        """Features ``(rows, features)`` of prepared rows ``(rows, columns)``."""
        step = max(1, _CHUNK_CELLS // max(len(self.landmarks), 1))
        parts = [
            _similar(rows[start : start + step], self.landmarks, self.kernel, self.scale) @ self.whitening
            for start in range(0, len(rows), step)
        ]
        return np.vstack(parts) if parts else np.empty((0, self.whitening.shape[1]))


@dataclass(frozen=True, kw_only=True)
class FittedKernel(Saved):
    """A kernel machine with the way from tables to its features.

    Attributes
    ----------
    coefficients, intercept:
        ``(features, scores)`` and ``(scores,)``; one score for two classes, the log-odds of class 1.
    bounds:
        Least and largest prediction of a value.
    link:
        How predictions follow from scores.
    """

    matrix: LinearMatrix
    similarity: Similarity
    coefficients: npt.NDArray[np.floating]
    intercept: Floats
    bounds: tuple[float, float]
    link: str

    def predict(self, inputs: Table) -> Predictions:
        """Predictions ``(rows, n_outputs)``."""
        features = self.similarity.features(np.asarray(self.matrix.transform(inputs)))
        scores = np.asarray(features @ self.coefficients) + self.intercept
        return predictions_of(scores, Link(self.link), self.bounds)


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FittedKernel:
    """Fit along the path of penalties on the similarities."""
    inputs = replace(inputs, texts=())  # terms of texts would make the matrix sparse
    matrix, train, held_out = matrices_of("kernel", inputs, target, task, context, numeric=params.numeric)
    if context.should_stop():
        raise TrialStopped("The time ran out before the first step.")
    rows = np.asarray(train)
    similarity = Similarity.fit(rows, params, context.seed)
    context.facts["landmarks"] = float(len(similarity.landmarks))
    judged = None if held_out is None else similarity.features(np.asarray(held_out))
    scores = fit_scores(similarity.features(rows), judged, target, task, context)
    return FittedKernel(
        matrix=matrix,
        similarity=similarity,
        coefficients=scores.coefficients,
        intercept=scores.intercept,
        bounds=scores.bounds,
        link=task.link,
    )


def load(folder: Path) -> FittedKernel:
    """The model that ``save`` wrote."""
    return FittedKernel.load(folder)


def unsuited(scope: Scope) -> str:
    """The reason to leave the family out of a search; empty for none."""
    if scope.rows <= _MOST_ROWS:
        return ""
    return f"{scope.rows:,} rows to train on; kernel machines are for up to {_MOST_ROWS:,}"


def _distances(rows: Floats, others: Floats, kernel: str) -> Floats:
    """Distances ``(rows, others)`` as the kernel measures them."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(rows, others, "euclidean" if kernel == "gauss" else "cityblock"))


def _similar(rows: Floats, others: Floats, kernel: str, scale: float) -> Floats:
    away = _distances(rows, others, kernel) / scale
    return np.asarray(np.exp(-(away**2) if kernel == "gauss" else -away))


FAMILY = Family(
    name="kernel",
    summary="Logistic, multinomial or ridge regression on similarities to some of the rows.",
    losses=LINEAR_LOSSES,
    kinds=frozenset({Kind.NUMBER, Kind.CATEGORY}),
    params=Params,
    fit=fit,
    load=load,
    unsuited=unsuited,
    opening=(15, 125),
    sample_weights=True,
)
