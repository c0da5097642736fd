"""LightGBM: boosted trees grown leaf by leaf, with native categories and missing values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from automl.core.family import Family, FitContext, ScoreTerms
from automl.core.predictions import Link, Loss, Predictions
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.families.engines.boosting import (
    BoosterInputs,
    FoldData,
    Preparation,
    RoundControl,
    column_share,
    prediction_threads,
)
from automl.families.nets.texts.columns import reads_embeddings

_OBJECTIVES: dict[str, tuple[str, str]] = {
    Loss.LOGISTIC: ("binary", "binary_logloss"),
    Loss.SOFTMAX: ("multiclass", "multi_logloss"),
    Loss.SQUARED: ("regression", "rmse"),
    Loss.ABSOLUTE: ("regression_l1", "l1"),
    Loss.POISSON: ("poisson", "poisson"),
}
_TREES_IN_CACHE = 50


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters under LightGBM's own names; ``n_rounds`` is used when there are no held-out rows.

    ``interactions`` adds features of two columns (:mod:`automl.families.preprocess.interactions`).
    """

    learning_rate: float = 0.05
    num_leaves: int = 31
    min_data_in_leaf: int = 20
    min_sum_hessian_in_leaf: float = 1e-3
    feature_fraction: float = 1.0
    bagging_fraction: float = 1.0
    extra_trees: bool = False
    lambda_l1: float = 1e-4
    lambda_l2: float = 1e-4
    cat_smooth: float = 10.0
    max_bin: int = 255
    interactions: bool = False
    texts: Literal["terms", "embedding", "both"] = "terms"
    n_rounds: int = 300


@dataclass(frozen=True)
class FittedLightGBM:
    """A booster with the way from tables to its matrix."""

    inputs: BoosterInputs
    booster: Any

    def predict(self, inputs: Table) -> Predictions:
        """Predictions ``(rows, n_outputs)``."""
        if not inputs.rows:
            return np.empty((0, self.inputs.n_outputs))
        return self.inputs.predictions(_BY_LINK[self.inputs.used_link](self._margins(inputs)))

    def _margins(self, inputs: Table) -> npt.NDArray[np.float64]:
        """Sums of leaf values, ``(rows,)`` or ``(rows, classes)``.

        LightGBM walks all trees row by row, which reads a large model from memory for every row; few trees
        at a time stay in the processor's cache (2,137 trees and 1,000 rows: 66 ms against 154).
        """
        values = self.inputs.transform(inputs).values
        trees, per_round = self.booster.num_trees(), self.booster.num_model_per_iteration()
        step = max(1, _TREES_IN_CACHE // per_round)
        threads = prediction_threads(inputs.rows, trees)
        margins = np.zeros((inputs.rows, per_round) if per_round > 1 else inputs.rows)
        for start in range(0, trees // per_round, step):
            margins += self.booster.predict(
                values,
                start_iteration=start,
                num_iteration=step,
                raw_score=True,
                num_threads=threads,
                predict_disable_shape_check=True,
            )
        return margins

    def save(self, folder: Path) -> None:
        """Write inputs and booster (LightGBM's text)."""
        self.inputs.save(folder, "inputs")
        self.booster.save_model(folder / "booster.txt")


def terms(fitted: FittedLightGBM, inputs: Table, typical: Table) -> ScoreTerms | None:
    """LightGBM's own TreeSHAP (Lundberg et al. 2020, algorithm 2), which weighs rows by the training data."""
    if not fitted.inputs.explains(inputs):
        return None
    values = fitted.inputs.transform(inputs).values
    contributions = fitted.booster.predict(values, pred_contrib=True, predict_disable_shape_check=True)
    return fitted.inputs.terms(inputs, np.asarray(contributions))


def _shares(margins: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    shares = np.exp(margins - margins.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


_BY_LINK: dict[Link, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    Link.IDENTITY: lambda margins: margins,
    Link.LOG: lambda margins: np.exp(np.clip(margins, -500, 500)),
    Link.LOGISTIC: lambda margins: np.asarray(1.0 / (1.0 + np.exp(-np.clip(margins, -500, 500)))),
    Link.SOFTMAX: _shares,
}


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FittedLightGBM:
    """Boost until the held-out loss levels off or the time is over."""
    import lightgbm

    preparation = Preparation(encode_high=True, interactions=params.interactions)
    data = preparation.fold_data(inputs, target, task, context)
    train, valid = context.cached(
        ("lightgbm", params.max_bin, *data.key), lambda: _datasets(data, params.max_bin, context.threads)
    )
    control = RoundControl.of(
        data, task, context, learning_rate=params.learning_rate, n_rounds=params.n_rounds
    )
    booster = lightgbm.Booster(_library_params(params, data, task, context), train)
    if valid is not None:
        booster.add_valid(valid, "valid")
    _boost(booster, control)
    control.record(params.learning_rate)
    # A booster of its own, without the rounds past the best one and without hold on the data.
    text = booster.model_to_string(num_iteration=control.best_round)
    return FittedLightGBM(data.inputs, lightgbm.Booster(model_str=text))


def load(folder: Path) -> FittedLightGBM:
    """The model that ``save`` wrote."""
    import lightgbm

    booster = lightgbm.Booster(model_file=folder / "booster.txt")
    return FittedLightGBM(BoosterInputs.load(folder, "inputs"), booster)


def _library_params(params: Params, data: FoldData, task: Task, context: FitContext) -> dict[str, Any]:
    objective, metric = _OBJECTIVES[task.loss]
    values = asdict(params)
    del values["n_rounds"], values["interactions"], values["texts"]
    values["feature_fraction"] = column_share(params.feature_fraction, data.train.values.shape[1])
    if task.link is Link.SOFTMAX:
        values["num_class"] = task.n_outputs
    return {
        **values,
        **_dataset_params(params.max_bin, context.threads),
        "bagging_freq": 1 if params.bagging_fraction < 1 else 0,
        "objective": objective,
        "metric": metric,
        "seed": context.seed,
        "deterministic": True,
        "force_row_wise": True,
    }


def _dataset_params(max_bin: int, threads: int) -> dict[str, Any]:
    # Without feature_pre_filter one binned data set serves every min_data_in_leaf.
    return {"max_bin": max_bin, "feature_pre_filter": False, "num_threads": threads, "verbosity": -1}


def _datasets(data: FoldData, max_bin: int, threads: int) -> tuple[Any, Any]:
    """Binned training and held-out rows; the latter use the bins of the former."""
    import lightgbm

    params = _dataset_params(max_bin, threads)
    categorical = list(data.train.categorical)
    train = lightgbm.Dataset(
        data.train.values,
        data.target,
        weight=data.weights,
        categorical_feature=categorical,
        params=params,
    )
    train.construct()
    if data.valid is None:
        return train, None
    valid = train.create_valid(data.valid.values, data.valid_target, weight=data.valid_weights, params=params)
    return train, valid.construct()


def _boost(booster: Any, control: RoundControl) -> None:
    """Add rounds until the control stops them, or LightGBM finds no split."""
    going_on = True
    while going_on:
        rate = control.learning_rate
        exhausted = booster.update()
        results = booster.eval_valid()
        going_on = control.after_round(results[0][2] if results else None) and not exhausted
        if control.learning_rate != rate:
            booster.reset_parameter({"learning_rate": control.learning_rate})


FAMILY = reads_embeddings(
    Family(
        name="lightgbm",
        summary="Boosted trees (LightGBM): leaf by leaf, native categories and missing values.",
        libraries=("lightgbm",),
        losses=frozenset(_OBJECTIVES),
        params=Params,
        fit=fit,
        load=load,
        terms=terms,
        opening=(20, 70, 130, 170),
        sample_weights=True,
    )
)
