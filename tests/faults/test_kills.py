"""Kill -9 at random points over a search of some families; with AUTOML_KILLS=100 as often, over all."""

from __future__ import annotations

import os

import pytest
from kill_harness import measure

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]


@pytest.mark.timeout(14_400)
def test_a_search_that_is_killed_again_and_again_ends_like_one_that_is_not() -> None:
    asked = os.environ.get("AUTOML_KILLS")
    kills, families = int(asked or 5), "" if asked else "linear,lightgbm,extra_trees,tabular_net"
    figures = measure(kills=kills, trials=10 if asked else 8, families=families, seed=5)
    assert figures.total >= kills
    assert not figures.differences
    assert figures.alike == figures.searches


@pytest.mark.timeout(3600)
def test_a_search_of_texts_that_is_killed_ends_like_one_that_is_not() -> None:
    figures = measure(kills=3, trials=8, seed=3, data="texts", most=3)
    assert figures.total >= 3
    assert not figures.differences
    assert figures.alike == figures.searches
