"""Predictions with their bounds: intervals of numbers, sets of classes, and why a model has neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from automl.core.errors import UsageError
from automl.core.predictions import Answer
from automl.core.text import label_text
from automl.model.conformal import Bounds, ClassSets, checked_level

if TYPE_CHECKING:
    import os

    import pandas as pd

    from automl.model.predictor import Data, Predictor

BETWEEN = "|"
"""Between the classes of a set, where it is written as one text."""


def predict_bounded(
    predictor: Predictor, data: Data, level: float, *, image_root: str | os.PathLike[str] | None = None
) -> pd.DataFrame:
    """Predictions with their bounds in one table, whatever the task: what files and servers give.

    Returns
    -------
    pandas.DataFrame
        Of numbers :meth:`~automl.model.predictor.Predictor.predict_interval`. Of classes the columns
        ``NAME``, the prediction, and ``NAME_set``, a text of the classes of
        :meth:`~automl.model.predictor.Predictor.predict_set`, the most probable first, with ``|`` between
        them (``\\|`` within a label).

    Raises
    ------
    UsageError
        As these two.
    """
    import numpy as np

    if predictor.task.answer is not Answer.CLASSES:
        return predictor.predict_interval(data, level=level, image_root=image_root)
    sets = sets_of(predictor, level)
    _, outputs, made = predictor.answered(data, image_root)
    inside = sets.members(outputs, predictor.decision.answers(outputs).argmax(axis=1), level)
    labels = [label_text(label).replace(BETWEEN, "\\" + BETWEEN) for label in predictor.task.labels]
    ranked = np.argsort(-outputs, axis=1, kind="stable")
    texts = [
        BETWEEN.join(labels[code] for code in order if chosen[code])
        for order, chosen in zip(ranked, inside, strict=True)
    ]
    return made.to_frame().assign(**{f"{predictor.target_name}_set": texts})


def intervals_of(predictor: Predictor, level: float) -> Bounds:
    """The intervals of a model, once it is certain that it has them and that the level is one.

    Raises
    ------
    UsageError
        Where it has none, and for another level.
    """
    checked_level(level)
    if predictor.task.answer is Answer.CLASSES:
        raise UsageError(
            f"{predictor.name!r} predicts classes ({predictor.task.name}), which have no intervals. "
            "Next: ask for sets of classes with predict_set."
        )
    if not isinstance(predictor.conformal, Bounds):
        raise _without(predictor, "intervals")
    return predictor.conformal


def sets_of(predictor: Predictor, level: float) -> ClassSets:
    """The sets of classes of a model, as :func:`intervals_of`."""
    checked_level(level)
    if predictor.task.answer is not Answer.CLASSES:
        raise UsageError(
            f"{predictor.name!r} predicts numbers ({predictor.task.name}), of which there are no sets. "
            "Next: ask for intervals with predict_interval."
        )
    if not isinstance(predictor.conformal, ClassSets):
        raise _without(predictor, "sets of classes")
    return predictor.conformal


def _without(predictor: Predictor, what: str) -> UsageError:
    return UsageError(
        f"The model of {predictor.name!r} has no {what}: it is the model of a single trial, or was saved by "
        "a version without them. Next: use the result of the search, or search again."
    )
