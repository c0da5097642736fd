"""Kill -9 on a Ray cluster in the middle of a search; AUTOML_CLUSTER_KILLS=20 for so many kills."""

from __future__ import annotations

import os

import pytest

pytest.importorskip("ray", reason="the extra 'ray' is not installed")

from cluster_kills import measure

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]


@pytest.mark.timeout(3600)
def test_on_three_nodes_that_are_killed_again_and_again_the_trials_are_those_of_this_machine() -> None:
    kills = int(os.environ.get("AUTOML_CLUSTER_KILLS", "3"))
    outcome = measure(kills=kills, trials=max(24, 5 * kills))
    assert outcome.total >= kills
    assert not outcome.differences
