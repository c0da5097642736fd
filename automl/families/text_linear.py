"""Linear models of texts: sparse TF-IDF of words and of characters along a path of penalties."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from automl.core.family import Family, FitContext, ScoreTerms, TrialStopped
from automl.core.predictions import Link, Predictions
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task
from automl.families.engines.linear_terms import LinearScore
from automl.families.engines.penalty_path import fit_scores, predictions_of
from automl.families.engines.solvers import LINEAR_LOSSES, RidgePath
from automl.families.preprocess.saved import Saved
from automl.families.preprocess.text_matrix import TermChoice, TextMatrix, text_matrices

# Per penalty: with tens of thousands of terms further ones cost seconds and change the third digit of a loss.
_STEPS = 25


@dataclass(frozen=True)
class Params:
    """Parameters of a linear model of texts.

    Attributes
    ----------
    words:
        Longest run of neighbouring words that is a term; 0 for no words.
    characters:
        Longest run of characters within a word that is a term; 0 for none. The shortest one has 3.
    max_terms:
        Terms of each kind that are kept in each text column.
    weighting:
        ``idf``: rare terms count more; ``target``: times how differently a term occurs in the classes.
    numeric:
        How numbers beside the texts are prepared.
    """

    words: int = 2
    characters: int = 4
    max_terms: int = 50_000
    weighting: Literal["idf", "target"] = "idf"
    numeric: Literal["standard", "squash", "quantile", "splines"] = "standard"


@dataclass(frozen=True, kw_only=True)
class FittedTextLinear(Saved):
    """Coefficients with the way from tables to their matrix.

    Attributes
    ----------
    coefficients, intercept:
        ``(columns, scores)`` and ``(scores,)``; one score for two classes, the log-odds of class 1.
    bounds:
        Least and largest prediction of a value.
    link:
        How predictions follow from scores.
    """

    matrix: TextMatrix
    coefficients: npt.NDArray[np.floating]
    intercept: npt.NDArray[np.float64]
    bounds: tuple[float, float]
    link: str

    def predict(self, inputs: Table) -> Predictions:
        """Predictions ``(rows, n_outputs)``."""
        scores = np.asarray(self.matrix.transform(inputs) @ self.coefficients) + self.intercept
        return predictions_of(scores, Link(self.link), self.bounds)


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FittedTextLinear:
    """Fit along the path of penalties."""
    choice = TermChoice(params.words, params.characters, params.max_terms, params.weighting)
    matrix, train, held_out = text_matrices(
        inputs, target, task, context, choice=choice, numeric=params.numeric
    )
    if context.should_stop():
        raise TrialStopped("The time ran out before the first step.")
    context.facts["terms"] = float(len(matrix.factors))
    if RidgePath.affordable(train):
        train = train.astype(np.float64)  # decompositions lose too much in single precision
    scores = fit_scores(train, held_out, target, task, context, steps=_STEPS)
    return FittedTextLinear(
        matrix=matrix,
        coefficients=scores.coefficients,
        intercept=scores.intercept,
        bounds=scores.bounds,
        link=task.link,
    )


def load(folder: Path) -> FittedTextLinear:
    """The model that ``save`` wrote."""
    return FittedTextLinear.load(folder)


def terms(fitted: FittedTextLinear, inputs: Table, typical: Table) -> ScoreTerms | None:
    """Exact terms of each feature, for models of one score."""
    score = LinearScore(
        matrix=fitted.matrix,
        coefficients=fitted.coefficients,
        intercept=fitted.intercept,
        owners=fitted.matrix.owners(len(inputs.features.numbers), len(inputs.features.categories)),
        link=Link(fitted.link),
    )
    return score.terms(inputs, typical)


FAMILY = Family(
    name="text_linear",
    summary="Words and runs of characters (TF-IDF) in a logistic, multinomial or ridge regression.",
    losses=LINEAR_LOSSES,
    kinds=frozenset({Kind.TEXT}),
    params=Params,
    fit=fit,
    load=load,
    terms=terms,
    opening=(12, 55, 145),
    quick=True,
    sample_weights=True,
)
