"""Kill -9 at random points over a search of several families; more kills with AUTOML_KILLS=100."""

from __future__ import annotations

import os

import pytest
from kill_harness import measure

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]


@pytest.mark.timeout(3600)
def test_a_search_that_is_killed_again_and_again_ends_like_one_that_is_not() -> None:
    kills = int(os.environ.get("AUTOML_KILLS", "5"))
    figures = measure(kills=kills, trials=8, families="linear,lightgbm,extra_trees,tabular_net", seed=5)
    assert figures.total >= kills
    assert not figures.differences
    assert figures.alike == figures.searches
