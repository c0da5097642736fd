"""Which families a search tries, by what was asked for and what the data is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from automl.controller.strategy.chosen_families import chosen_families, fitting_families
from automl.core.errors import UsageError
from automl.families import families
from automl.problem.preparation import prepare
from automl.problem.settings import Settings

FRAME = pd.DataFrame({"size": np.arange(60.0), "label": ["yes", "no"] * 30})


def settings(**choices: object) -> Settings:
    return Settings(**{"source": FRAME, "target": "label", **choices})


def test_the_baseline_is_always_there_and_first() -> None:
    assert chosen_families(settings(families=("linear",))) == ("dummy", "linear")
    assert set(chosen_families(settings())) == set(families())
    assert "linear" not in chosen_families(settings(without=("linear",)))


@pytest.mark.parametrize("name", ["families", "without"])
def test_an_unknown_family_is_named_with_one_like_it(name: str) -> None:
    with pytest.raises(UsageError, match=r"no family 'lineer'.*linear"):
        chosen_families(settings(**{name: ("lineer",)}))


def test_leaving_all_out_is_an_error() -> None:
    with pytest.raises(UsageError, match="leave no family"):
        chosen_families(settings(families=("linear",), without=("linear",)))


def test_families_of_images_do_not_fit_a_table() -> None:
    prepared = prepare(settings())
    fitting = fitting_families(("dummy", "linear", "image_probe"), prepared, settings(), device="cpu")
    assert set(fitting.spaces) == {"dummy", "linear"}
    with pytest.raises(UsageError, match=r"None of the families dummy, image_probe can handle binary"):
        fitting_families(("dummy", "image_probe"), prepared, settings(), device="cpu")
