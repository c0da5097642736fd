"""CatBoost: boosted symmetric trees, with its own ordered encodings of categories."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from automl.core.family import Family, FitContext, ScoreTerms
from automl.core.predictions import Link, Loss, Predictions
from automl.core.table import Table
from automl.core.tasks import Encoded, Task, constant_of
from automl.core.weights import Weights
from automl.families.engines.boosting import BoosterInputs, FoldData, Preparation, RoundControl
from automl.families.nets.texts.columns import reads_embeddings
from automl.families.preprocess.constant import Constant
from automl.families.preprocess.tree_matrix import TreeData

_MODEL = "model.cbm"
_LOSSES: dict[str, str] = {
    Loss.LOGISTIC: "Logloss",
    Loss.SOFTMAX: "MultiClass",
    Loss.SQUARED: "RMSE",
    Loss.ABSOLUTE: "MAE",
    Loss.POISSON: "Poisson",
}
_PREDICTION_TYPES = {
    Link.IDENTITY: "RawFormulaVal",
    Link.LOG: "Exponent",
    Link.LOGISTIC: "Probability",
    Link.SOFTMAX: "Probability",
}
# Rounds between two looks at the held-out rows, times the learning rate. CatBoost hands its callback the
# whole history as a new list in every round (1.2.10), so that looking each time is quadratic in rounds.
_LOOK = 0.15
# CatBoost cannot change its learning rate on the way, so a raised one costs the rounds that there were.
_WORTH_RESTART = 20


@dataclass(frozen=True, kw_only=True)
class Params:
    """Parameters under CatBoost's own names; ``n_rounds`` is used when there are no held-out rows.

    ``interactions`` adds features of two columns (:mod:`automl.families.preprocess.interactions`).
    Without a ``border_count`` there is one border for 8 rows, 64 to 254 of them: on 427 rows of 30 numbers,
    a round with 254 took 5 times as long as one with 32, and the model was worse.
    """

    learning_rate: float = 0.05
    depth: int = 6
    l2_leaf_reg: float = 3.0
    grow_policy: Literal["SymmetricTree", "Depthwise"] = "SymmetricTree"
    max_ctr_complexity: int = 4
    one_hot_max_size: int = 10
    random_strength: float = 1.0
    subsample: float = 1.0
    border_count: int | None = None
    interactions: bool = False
    texts: Literal["terms", "embedding", "both"] = "terms"
    n_rounds: int = 500


@dataclass(frozen=True)
class FittedCatBoost:
    """A model with the way from tables to its features."""

    inputs: BoosterInputs
    model: Any

    def predict(self, inputs: Table) -> Predictions:
        """Predictions ``(rows, n_outputs)``."""
        if not inputs.rows:
            return np.empty((0, self.inputs.n_outputs))
        pool = _pool(self.inputs.transform(inputs), None)
        kind = _PREDICTION_TYPES[self.inputs.used_link]
        # Symmetric trees are quick: more threads would cost more than they save.
        return self.inputs.predictions(self.model.predict(pool, prediction_type=kind, thread_count=1))

    def save(self, folder: Path) -> None:
        """Write inputs and model (cbm)."""
        self.inputs.save(folder, "inputs")
        self.model.save_model(str(folder / _MODEL), format="cbm")


def fit(
    params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext
) -> FittedCatBoost | Constant:
    """Boost until the held-out loss levels off or the time is over."""
    import catboost

    preparation = Preparation(encode_high=False, interactions=params.interactions)
    data = preparation.fold_data(inputs, target, task, context)
    # CatBoost refuses rows or values that are all alike, and one class to learn where two are held out.
    if _all_alike(data.train.values) or np.ptp(target) == 0:
        return Constant(constant_of(task, target, context.weights))
    train, valid = context.cached(("catboost", *data.key), lambda: _pools(data))
    control = RoundControl.of(
        data, task, context, learning_rate=params.learning_rate, n_rounds=params.n_rounds
    )
    while True:
        rate = control.learning_rate
        model = catboost.CatBoost(_library_params(params, control, task))
        model.fit(
            train, eval_set=valid, use_best_model=valid is not None, callbacks=[_RoundCallback(control)]
        )
        if control.learning_rate == rate:
            break
        control.restart()
    control.record(params.learning_rate)
    return FittedCatBoost(data.inputs, model)


def load(folder: Path) -> FittedCatBoost | Constant:
    """The model that ``save`` wrote."""
    if not (folder / _MODEL).exists():
        return Constant.load(folder)
    import catboost

    model = catboost.CatBoost().load_model(str(folder / _MODEL), format="cbm")
    return FittedCatBoost(BoosterInputs.load(folder, "inputs"), model)


def terms(fitted: FittedCatBoost | Constant, inputs: Table, typical: Table) -> ScoreTerms | None:
    """CatBoost's own TreeSHAP; it puts the numbers before the categories."""
    if isinstance(fitted, Constant) or not fitted.inputs.explains(inputs):
        return None
    data = fitted.inputs.transform(inputs)
    given = fitted.model.get_feature_importance(_pool(data, None), type="ShapValues", thread_count=1)
    numeric = np.setdiff1d(np.arange(data.values.shape[1]), data.categorical)
    contributions = np.empty_like(given)
    contributions[:, [*numeric, *data.categorical, given.shape[1] - 1]] = given
    return fitted.inputs.terms(inputs, contributions)


def _library_params(params: Params, control: RoundControl, task: Task) -> dict[str, Any]:
    loss = _LOSSES[task.loss]
    values = asdict(params)
    del values["n_rounds"], values["interactions"], values["texts"]
    values["border_count"] = params.border_count or min(max(control.rows // 8, 64), 254)
    if params.subsample < 1:
        values["bootstrap_type"] = "Bernoulli"
    else:
        del values["subsample"]
    if task.link is Link.SOFTMAX:
        values["classes_count"] = task.n_outputs
    return {
        **values,
        "learning_rate": control.learning_rate,
        "iterations": control.max_rounds,
        "loss_function": loss,
        "eval_metric": f"{loss}:hints=skip_train~true",
        "metric_period": max(1, round(_LOOK / control.learning_rate)),
        "allow_const_label": True,
        "allow_writing_files": False,
        "logging_level": "Silent",
        "random_seed": control.context.seed,
        "thread_count": control.context.threads,
    }


def _all_alike(values: npt.NDArray[np.float32]) -> bool:
    """Tell whether every column holds one value, or none; the first rows decide for most tables."""
    part = values[:100]
    if not np.array_equal(part, np.broadcast_to(values[:1], part.shape), equal_nan=True):
        return False
    return np.array_equal(values, np.broadcast_to(values[:1], values.shape), equal_nan=True)


def _pools(data: FoldData) -> tuple[Any, Any]:
    train = _pool(data.train, data.target, data.weights)
    if data.valid is None:
        return train, None
    return train, _pool(data.valid, data.valid_target, data.valid_weights)


def _pool(part: TreeData, target: npt.NDArray[np.float64] | None, weights: Weights | None = None) -> Any:
    """CatBoost's data set. Of the ways to build one with categories, this is the fastest (1.1 ms for
    1,000 × 19 against 2.6 ms from a data frame)."""
    from catboost import FeaturesData, Pool

    numeric = np.setdiff1d(np.arange(part.values.shape[1]), part.categorical)
    codes = np.nan_to_num(part.values[:, list(part.categorical)], nan=-1.0).astype(np.int64)
    names = np.array([str(code).encode() for code in range(-1, int(codes.max(initial=0)) + 1)], dtype=object)
    features = FeaturesData(
        num_feature_data=np.ascontiguousarray(part.values[:, numeric]) if len(numeric) else None,
        cat_feature_data=names[codes + 1] if part.categorical else None,
    )
    return Pool(features, target, weight=weights)


@dataclass
class _RoundCallback:
    """CatBoost's hook after every round; False stops."""

    control: RoundControl
    looks: int = 0

    def after_iteration(self, info: Any) -> bool:
        losses: list[float] = next(iter(info.metrics.get("validation", {}).values()), [])
        looked = len(losses) > self.looks
        self.looks = len(losses)
        rate = self.control.learning_rate
        go_on = self.control.after_round(losses[-1] if looked else None)
        if self.control.rounds_possible < _WORTH_RESTART:
            self.control.learning_rate = rate
        return go_on and self.control.learning_rate == rate


FAMILY = reads_embeddings(
    Family(
        name="catboost",
        summary="Boosted trees (CatBoost): symmetric trees, ordered encodings of categories.",
        libraries=("catboost",),
        losses=frozenset(_LOSSES),
        params=Params,
        fit=fit,
        load=load,
        terms=terms,
        opening=(30, 100, 150),
        sample_weights=True,
    )
)
