from __future__ import annotations

from automl.core.trial import Candidate


def test_a_candidate_comes_back_from_its_json() -> None:
    candidate = Candidate(
        family="linear", params={"C": 2.0}, seed=3, log_target=True, origin="sampler", repeat=1
    )
    assert Candidate.from_json(candidate.to_json()) == candidate


def test_candidates_of_earlier_versions_are_read_and_have_the_keys_of_then() -> None:
    """They state the share of the full effort, which was 1 in every trial."""
    then = {"family": "linear", "params": {"C": 2.0}, "seed": 3, "fidelity": 1.0, "log_target": False}
    candidate = Candidate.from_json({**then, "origin": "sampler", "repeat": 0})
    assert candidate == Candidate(family="linear", params={"C": 2.0}, seed=3, origin="sampler")
    assert candidate.key == "d281ed668d9c7b48"
