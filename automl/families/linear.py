"""Linear models: logistic, multinomial and ridge regression along a path of penalties; L1 and elastic net."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from automl.core.family import Family, FitContext, ScoreTerms, TrialStopped
from automl.core.predictions import Link, Predictions
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.families.engines.linear_terms import LinearScore
from automl.families.engines.penalty_path import fit_scores, predictions_of
from automl.families.engines.solvers import LINEAR_LOSSES
from automl.families.preprocess.linear_matrix import LinearMatrix, matrices_of
from automl.families.preprocess.saved import Saved


@dataclass(frozen=True)
class Params:
    """Parameters of a linear model.

    Attributes
    ----------
    penalty:
        ``path``: L2, its strength chosen among 21 values; ``l1`` and ``elastic``: at strength ``C``.
    C:
        Inverse strength of the penalty, on scikit-learn's scale.
    l1_ratio:
        Share of L1 in an elastic net.
    numeric:
        How numbers are prepared.
    """

    penalty: Literal["path", "l1", "elastic"] = "path"
    C: float = 1.0
    l1_ratio: float = 0.5
    numeric: Literal["standard", "squash", "quantile", "splines"] = "standard"


@dataclass(frozen=True, kw_only=True)
class FittedLinear(Saved):
    """Coefficients with the way from tables to their matrix.

    Attributes
    ----------
    coefficients, intercept:
        ``(columns, scores)`` and ``(scores,)``; one score for two classes, the log-odds of class 1.
    bounds:
        Least and largest prediction of a value.
    link:
        How predictions follow from scores; empty in models of earlier versions.
    """

    matrix: LinearMatrix
    coefficients: npt.NDArray[np.floating]
    intercept: npt.NDArray[np.float64]
    n_outputs: int
    bounds: tuple[float, float]
    link: str = ""

    def predict(self, inputs: Table) -> Predictions:
        """Predictions ``(rows, n_outputs)``."""
        scores = np.asarray(self.matrix.transform(inputs) @ self.coefficients) + self.intercept
        return predictions_of(scores, Link(self.link or Link.usual(self.n_outputs)), self.bounds)


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FittedLinear:
    """Fit along the path of penalties, or at the one asked for."""
    matrix, train, held_out = matrices_of("linear", inputs, target, task, context, numeric=params.numeric)
    if context.should_stop():
        raise TrialStopped("The time ran out before the first step.")
    elastic = None
    if params.penalty != "path":
        elastic = params.C, 1.0 if params.penalty == "l1" else params.l1_ratio
    scores = fit_scores(train, held_out, target, task, context, elastic=elastic)
    return FittedLinear(
        matrix=matrix,
        coefficients=scores.coefficients,
        intercept=scores.intercept,
        n_outputs=task.n_outputs,
        bounds=scores.bounds,
        link=task.link,
    )


def load(folder: Path) -> FittedLinear:
    """The model that ``save`` wrote."""
    return FittedLinear.load(folder)


def terms(fitted: FittedLinear, inputs: Table, typical: Table) -> ScoreTerms | None:
    """Exact terms of each feature, for models of one score."""
    score = LinearScore(
        matrix=fitted.matrix,
        coefficients=fitted.coefficients,
        intercept=fitted.intercept,
        owners=fitted.matrix.owners(len(inputs.features.categories)),
        link=Link(fitted.link or Link.usual(fitted.n_outputs)),
    )
    return score.terms(inputs, typical)


FAMILY = Family(
    name="linear",
    summary="Logistic, multinomial or ridge regression along a path of penalties; L1 and elastic net.",
    losses=LINEAR_LOSSES,
    params=Params,
    fit=fit,
    load=load,
    terms=terms,
    opening=(10, 110, 180),
    quick=True,
    sample_weights=True,
)
