"""XGBoost: boosted trees on histograms, with native categories and missing values."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

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
from automl.families.preprocess.tree_matrix import TreeData

_OBJECTIVES: dict[str, tuple[str, str]] = {
    Loss.LOGISTIC: ("binary:logistic", "logloss"),
    Loss.SOFTMAX: ("multi:softprob", "mlogloss"),
    Loss.SQUARED: ("reg:squarederror", "rmse"),
    Loss.ABSOLUTE: ("reg:absoluteerror", "mae"),
    Loss.POISSON: ("count:poisson", "poisson-nloglik"),
}


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters under XGBoost's own names; ``n_rounds`` is used when there are no held-out rows.

    ``interactions`` adds features of two columns (:mod:`automl.families.preprocess.interactions`).
    """

    learning_rate: float = 0.1
    grow_policy: Literal["depthwise", "lossguide"] = "depthwise"
    max_depth: int = 6
    max_leaves: int = 31
    min_child_weight: float = 1.0
    subsample: float = 1.0
    colsample_bytree: float = 1.0
    colsample_bylevel: float = 1.0
    reg_lambda: float = 1.0
    reg_alpha: float = 1e-4
    max_cat_to_onehot: int = 4
    max_bin: int = 256
    interactions: bool = False
    texts: Literal["terms", "embedding", "both"] = "terms"
    n_rounds: int = 300


@dataclass(frozen=True)
class FittedXGBoost:
    """A booster with the way from tables to its matrix."""

    inputs: BoosterInputs
    booster: Any

    def predict(self, inputs: Table) -> Predictions:
        """Predictions ``(rows, n_outputs)``."""
        if not inputs.rows:
            return np.empty((0, self.inputs.n_outputs))
        values = self.inputs.transform(inputs).values
        per_round = self.inputs.n_outputs if self.inputs.used_link is Link.SOFTMAX else 1
        trees = self.booster.num_boosted_rounds() * per_round
        self.booster.set_param({"nthread": prediction_threads(inputs.rows, trees)})
        return self.inputs.predictions(self.booster.inplace_predict(values, validate_features=False))

    def save(self, folder: Path) -> None:
        """Write inputs and booster (UBJSON)."""
        self.inputs.save(folder, "inputs")
        self.booster.save_model(folder / "booster.ubj")


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FittedXGBoost:
    """Boost until the held-out loss levels off or the time is over."""
    import xgboost

    preparation = Preparation(encode_high=True, interactions=params.interactions)
    data = preparation.fold_data(inputs, target, task, context)
    train, valid = context.cached(
        ("xgboost", params.max_bin, *data.key), lambda: _matrices(data, params.max_bin, context.threads)
    )
    control = RoundControl.of(
        data, task, context, learning_rate=params.learning_rate, n_rounds=params.n_rounds
    )
    booster = xgboost.train(
        _library_params(params, data, task, context),
        train,
        num_boost_round=control.max_rounds,
        evals=[] if valid is None else [(valid, "valid")],
        callbacks=[_round_callback(control)],
        verbose_eval=False,
    )
    control.record(params.learning_rate)
    if control.best_round < control.round:
        booster = booster[: control.best_round]
    return FittedXGBoost(data.inputs, booster)


def load(folder: Path) -> FittedXGBoost:
    """The model that ``save`` wrote."""
    import xgboost

    booster = xgboost.Booster(model_file=folder / "booster.ubj")
    return FittedXGBoost(BoosterInputs.load(folder, "inputs"), booster)


def terms(fitted: FittedXGBoost, inputs: Table, typical: Table) -> ScoreTerms | None:
    """XGBoost's own TreeSHAP (Lundberg et al. 2020, algorithm 2), in float32."""
    if not fitted.inputs.explains(inputs):
        return None
    import xgboost

    data = fitted.inputs.transform(inputs)
    matrix = xgboost.DMatrix(data.values, feature_types=_feature_types(data), enable_categorical=True)
    contributions = fitted.booster.predict(matrix, pred_contribs=True, validate_features=False)
    return fitted.inputs.terms(inputs, np.asarray(contributions))


def _library_params(params: Params, data: FoldData, task: Task, context: FitContext) -> dict[str, Any]:
    objective, metric = _OBJECTIVES[task.loss]
    values = asdict(params)
    del values["n_rounds"], values["interactions"], values["texts"]
    values["colsample_bytree"] = column_share(params.colsample_bytree, data.train.values.shape[1])
    # Leaves bound a tree that grows by loss, depth one that grows by level; 0 means unbounded.
    values["max_leaves" if params.grow_policy == "depthwise" else "max_depth"] = 0
    if task.link is Link.SOFTMAX:
        values["num_class"] = task.n_outputs
    return {
        **values,
        "objective": objective,
        "eval_metric": metric,
        "tree_method": "hist",
        "nthread": context.threads,
        "seed": context.seed,
        "verbosity": 0,
    }


def _matrices(data: FoldData, max_bin: int, threads: int) -> tuple[Any, Any]:
    """Binned matrices of the training and the held-out rows; the second uses the bins of the first."""
    import xgboost

    def binned(part: TreeData, target: Any, weights: Any, reference: Any) -> Any:
        return xgboost.QuantileDMatrix(
            part.values,
            target,
            weight=weights,
            feature_types=_feature_types(part),
            enable_categorical=True,
            max_bin=max_bin,
            nthread=threads,
            ref=reference,
        )

    train = binned(data.train, data.target, data.weights, None)
    if data.valid is None:
        return train, None
    return train, binned(data.valid, data.valid_target, data.valid_weights, train)


def _feature_types(part: TreeData) -> list[str]:
    """``c`` for a column of category codes, ``q`` for one of numbers."""
    categorical = set(part.categorical)
    return ["c" if j in categorical else "q" for j in range(part.values.shape[1])]


def _round_callback(control: RoundControl) -> Any:
    from xgboost.callback import TrainingCallback

    class Rounds(TrainingCallback):
        """XGBoost's hook after every round; True stops."""

        def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, Any]) -> bool:
            rate = control.learning_rate
            losses = next(iter(evals_log["valid"].values())) if "valid" in evals_log else [None]
            go_on = control.after_round(losses[-1])
            if control.learning_rate != rate:
                model.set_param({"learning_rate": control.learning_rate})
            return not go_on

    return Rounds()


FAMILY = reads_embeddings(
    Family(
        name="xgboost",
        summary="Boosted trees (XGBoost): histograms, native categories and missing values.",
        libraries=("xgboost",),
        losses=frozenset(_OBJECTIVES),
        params=Params,
        fit=fit,
        load=load,
        terms=terms,
        opening=(60, 140),
        sample_weights=True,
    )
)
