"""Extra trees: averaged deep trees on all rows, with split points drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from automl.core.family import Family, FitContext
from automl.core.predictions import Answer
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.families.engines.averaged_trees import FittedForest, grow, smallest_leaf
from automl.families.nets.texts.columns import reads_embeddings


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters under scikit-learn's own names; ``max_leaf_nodes`` 0 sets no limit."""

    n_estimators: int = 300
    max_features: Literal["sqrt", "log2"] | float = "sqrt"
    min_samples_leaf: int = 1
    criterion: Literal["gini", "entropy"] = "gini"
    max_leaf_nodes: int = 0
    texts: Literal["terms", "embedding", "both"] = "terms"


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FittedForest:
    """Grow the forest."""
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    shared = {
        "max_features": params.max_features,
        "min_samples_leaf": smallest_leaf(params.min_samples_leaf, inputs.rows),
        "max_leaf_nodes": params.max_leaf_nodes or None,
        "n_jobs": context.threads,
        "random_state": context.seed,
        "warm_start": True,
    }
    kinds = {
        Answer.NUMBERS: lambda: ExtraTreesRegressor(criterion="squared_error", **shared),
        Answer.CLASSES: lambda: ExtraTreesClassifier(criterion=params.criterion, **shared),
    }
    estimator = kinds[task.answer]()
    return grow(estimator, inputs, target, task, context, most_trees=params.n_estimators)


FAMILY = reads_embeddings(
    Family(
        name="extra_trees",
        summary="Extra trees (scikit-learn): averaged deep trees with random split points.",
        libraries=("sklearn",),
        params=Params,
        fit=fit,
        load=FittedForest.load,
        opening=(40, 200),
        sample_weights=True,
    )
)
