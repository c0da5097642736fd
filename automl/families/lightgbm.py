"""LightGBM: boosted trees grown leaf by leaf, with native categories and missing values."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.boosting import FoldData, RoundControl, TargetScale, objective_of
from automl.data.table import Table
from automl.families.base import Family, FitContext
from automl.preprocess.tree_matrix import TreeMatrix
from automl.tasks import Encoded, Predictions, Task

_OBJECTIVES = {
    "binary": ("binary", "binary_logloss"),
    "multiclass": ("multiclass", "multi_logloss"),
    "squared": ("regression", "rmse"),
    "absolute": ("regression_l1", "l1"),
}


@dataclass(frozen=True)
class Params:
    """Parameters under LightGBM's own names; ``n_rounds`` is used when there are no held-out rows."""

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
    n_rounds: int = 300


@dataclass(frozen=True)
class FittedLightGBM:
    """A booster with the way from tables to its matrix."""

    matrix: TreeMatrix
    scale: TargetScale
    booster: Any
    n_outputs: int

    def predict(self, inputs: Table) -> Predictions:
        """Predictions ``(rows, n_outputs)``."""
        if not inputs.rows:
            return np.empty((0, self.n_outputs))
        values = self.matrix.transform(inputs).values
        # One thread: starting more costs more than a thousand rows take.
        raw = self.booster.predict(values, num_threads=1, predict_disable_shape_check=True)
        return self.scale.predictions(raw, self.n_outputs)

    def save(self, folder: Path) -> None:
        """Write matrix, booster (LightGBM's text) and scale."""
        self.matrix.save(folder)
        self.booster.save_model(folder / "booster.txt")
        body = {"n_outputs": self.n_outputs, "scale": asdict(self.scale)}
        (folder / "lightgbm.json").write_text(json.dumps(body), encoding="utf-8")


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FittedLightGBM:
    """Boost until the held-out loss levels off or the time is over."""
    import lightgbm

    data = FoldData.prepare(inputs, target, task, context, encode_high=True)
    train, valid = context.cached(
        ("lightgbm", params.max_bin, *data.key), lambda: _datasets(data, params.max_bin, context.threads)
    )
    control = RoundControl.of(
        data, task, context, learning_rate=params.learning_rate, n_rounds=params.n_rounds
    )
    booster = lightgbm.Booster(_library_params(params, task, context), train)
    if valid is not None:
        booster.add_valid(valid, "valid")
    _boost(booster, control)
    control.record(params.learning_rate)
    # A booster of its own, without the rounds past the best one and without hold on the data.
    text = booster.model_to_string(num_iteration=control.best_round)
    return FittedLightGBM(data.matrix, data.scale, lightgbm.Booster(model_str=text), task.n_outputs)


def load(folder: Path) -> FittedLightGBM:
    """The model that ``save`` wrote."""
    import lightgbm

    body = json.loads((folder / "lightgbm.json").read_text(encoding="utf-8"))
    booster = lightgbm.Booster(model_file=folder / "booster.txt")
    return FittedLightGBM(TreeMatrix.load(folder), TargetScale(**body["scale"]), booster, body["n_outputs"])


def _library_params(params: Params, task: Task, context: FitContext) -> dict[str, Any]:
    objective, metric = _OBJECTIVES[objective_of(task)]
    values = asdict(params)
    del values["n_rounds"]
    if task.name == "multiclass":
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
    """Binned training and held-out rows; the second uses the bins of the first."""
    import lightgbm

    params = _dataset_params(max_bin, threads)
    categorical = list(data.train.categorical)
    train = lightgbm.Dataset(data.train.values, data.target, categorical_feature=categorical, params=params)
    train.construct()
    if data.valid is None:
        return train, None
    return train, train.create_valid(data.valid.values, data.valid_target, params=params).construct()


def _boost(booster: Any, control: RoundControl) -> None:
    """Add rounds until the control, or LightGBM for want of a split, ends it."""
    going_on = True
    while going_on:
        rate = control.learning_rate
        exhausted = booster.update()
        results = booster.eval_valid()
        going_on = control.after_round(results[0][2] if results else None) and not exhausted
        if control.learning_rate != rate:
            booster.reset_parameter({"learning_rate": control.learning_rate})


FAMILY = Family(
    name="lightgbm",
    summary="Boosted trees (LightGBM): leaf by leaf, native categories and missing values.",
    params=Params,
    fit=fit,
    load=load,
)
