"""Families that train for a tenth of the time: where a test asks for any model, and not for a good one."""

from __future__ import annotations

from dataclasses import make_dataclass, replace
from typing import Any

from automl.core.family import Family
from automl.core.trial import Candidate

_FEW: dict[str, dict[str, int | float]] = {
    **{family: {"epochs": 2} for family in ("tabular_net", "tabm")},
    **{family: {"n_estimators": 10} for family in ("random_forest", "extra_trees")},
    **{family: {"learning_rate": 0.3} for family in ("lightgbm", "xgboost", "catboost")},
}


def short_candidate(family: str) -> Candidate:
    """A candidate of the family that is trained soon."""
    return Candidate(family=family, params=dict(_FEW.get(family, {})))


def shortened(family: Family, **defaults: Any) -> Family:
    """The family where these parameters have these defaults."""
    fields = [(name, type(value), value) for name, value in defaults.items()]
    params: Any = make_dataclass("Shortened", fields, bases=(family.params,), frozen=True)
    return replace(family, params=params)
