"""The one smaller retry of a trial that ran out of memory."""

from __future__ import annotations

import numpy as np
import pytest

from automl.controller.strategy.retry import smaller
from automl.controller.strategy.space_files import load_space
from automl.core.trial import Candidate
from automl.families import families


@pytest.mark.parametrize(
    "family", ["lightgbm", "xgboost", "catboost", "random_forest", "tabular_net", "tabm"]
)
def test_every_large_family_can_shrink_and_stays_valid(family: str) -> None:
    space = load_space(family, families()[family].params).for_task("binary", 5000)
    generator = np.random.default_rng(0)
    for _ in range(30):
        candidate = Candidate(family=family, params=dict(space.draw(generator)), seed=7, origin="sampler")
        retry = smaller(candidate, space)
        if retry is not None:
            assert (retry.family, retry.seed, retry.origin) == (family, 7, "retry")
            assert retry.params != candidate.params
            space.bind(retry.params)


def test_leaves_and_widths_are_about_halved_and_interactions_left_out() -> None:
    space = load_space("lightgbm", families()["lightgbm"].params).for_task("binary", 5000)
    retry = smaller(Candidate(family="lightgbm", params={"num_leaves": 200, "interactions": True}), space)
    assert retry is not None
    assert retry.params == {"num_leaves": 100, "interactions": False}


def test_what_cannot_shrink_is_not_tried_again() -> None:
    space = load_space("linear", families()["linear"].params).for_task("binary", 5000)
    assert smaller(Candidate(family="linear", params={"C": 1.0}), space) is None
