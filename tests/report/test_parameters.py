"""Which hyperparameters mattered: told from trials whose scores are known functions of them."""

from __future__ import annotations

import numpy as np

from automl.report.facts.parameters import LEAST_TRIALS, parameter_shares
from automl.tracker import LeaderboardRow


def row(number: int, params: dict, score: float | None) -> LeaderboardRow:
    return LeaderboardRow(
        trial=number,
        run_id=f"{number:032x}",
        family="family",
        params=params,
        state="done",
        origin="sampler",
        validation=score,
        standard_error=0.01,
        seconds=1.0,
        predict_ms_per_1000_rows=1.0,
        model_bytes=1,
    )


def rows(count: int = 60) -> list[LeaderboardRow]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        rate, noise = float(rng.random()), float(rng.random())
        kind = str(rng.choice(["a", "b"]))
        score = -abs(rate - 0.8) + (0.3 if kind == "b" else 0.0) + 0.02 * float(rng.normal())
        made.append(row(number, {"rate": rate, "noise": noise, "kind": kind, "fixed": 3}, score))
    return made


def test_what_the_score_depends_on_comes_first_and_noise_explains_nothing():
    count, shares = parameter_shares(rows(), greater_is_better=True)["family"]
    by_name = {item.name: item for item in shares}
    assert count == 60
    assert {shares[0].name, shares[1].name} == {"rate", "kind"}
    assert by_name["noise"].share < 0.12
    assert "fixed" not in by_name  # never varied
    assert by_name["kind"].best.startswith("b")


def test_the_direction_of_the_metric_changes_where_it_was_good_and_not_how_much_it_matters():
    good = parameter_shares(rows(), greater_is_better=True)["family"][1]
    bad = parameter_shares(rows(), greater_is_better=False)["family"][1]
    assert sorted((s.name, round(s.share, 6)) for s in good) == sorted(
        (s.name, round(s.share, 6)) for s in bad
    )
    assert next(s for s in bad if s.name == "kind").best.startswith("a")


def test_few_trials_and_trials_without_a_score_say_nothing():
    assert not parameter_shares(rows(LEAST_TRIALS - 1), greater_is_better=True)
    assert not parameter_shares([row(i, {"rate": i}, None) for i in range(40)], greater_is_better=True)
