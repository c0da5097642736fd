"""Answers of models, and the two things that libraries need to know of them: the link and the loss."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Predictions = npt.NDArray[np.floating]
"""``(rows, n_outputs)``: a probability per class, or one column of values."""


class Answer(StrEnum):
    """The meaning of a prediction, by which checks of the data, figures and parts of the report are chosen.

    A further kind of answer (the boxes of a detector) is a further member, with a type of predictions of its
    own and a row in each of the tables that are keyed by this.
    """

    CLASSES = "classes"
    """A probability per class, which sum to 1."""
    NUMBERS = "numbers"
    """One value."""


class Link(StrEnum):
    """The way from the scores that a model adds up to predictions."""

    IDENTITY = "identity"
    """The score is the value. Such a target may be shifted and scaled while a model is fitted."""
    LOG = "log"
    """The score is the logarithm of the value, which is above 0."""
    LOGISTIC = "logistic"
    """One score, the log-odds of class 1 of two."""
    SOFTMAX = "softmax"
    """A score per class."""

    @classmethod
    def usual(cls, n_outputs: int) -> Link:
        """The link of a model that was saved before links were: by its number of outputs."""
        return {1: cls.IDENTITY, 2: cls.LOGISTIC}.get(n_outputs, cls.SOFTMAX)


class Loss(StrEnum):
    """Losses that fits minimise. A family has a table from these to its library's names.

    A task of another package may state a loss that is not here, as any other text: the families that declare
    it fit the task, all others are left out.
    """

    SQUARED = "squared"
    ABSOLUTE = "absolute"
    POISSON = "poisson"
    """Poisson's deviance of non-negative values, with the link :attr:`Link.LOG`."""
    LOGISTIC = "logistic"
    """Log loss of two classes."""
    SOFTMAX = "softmax"
    """Log loss of several classes."""


USUAL_LOSSES: frozenset[str] = frozenset({Loss.SQUARED, Loss.ABSOLUTE, Loss.LOGISTIC, Loss.SOFTMAX})
"""Of the built-in tasks."""


def finite_predictions(predictions: npt.NDArray[Any], wanted: tuple[int, int], what: str) -> Predictions:
    """Predictions of the wanted shape as float32, once they are finite there.

    Parameters
    ----------
    what:
        Names them in an error, as ``predictions of fold 0``.

    Raises
    ------
    ValueError
        For another shape, and for values that are NaN or infinite.
    """
    if predictions.shape != wanted:
        raise ValueError(f"{what} have shape {predictions.shape} instead of {wanted}")
    with np.errstate(over="ignore"):
        values: Predictions = predictions.astype(np.float32)
    wrong = ~np.isfinite(values).all(axis=1)
    if wrong.any():
        raise ValueError(f"{int(wrong.sum())} of {len(values)} {what} are NaN or infinite")
    return values
