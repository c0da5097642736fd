"""Refits of members on all rows, where a single holdout judged: which, in what time, and what is deployed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_encoders import write_encoder

import automl
from automl.controller.strategy.refits import SHARE, Refits, deployed
from automl.core.trial import Candidate, Status, Trial, TrialResult
from automl.families import families
from automl.problem.preparation import prepare
from automl.problem.problem import Problem
from automl.problem.settings import Settings

ROWS = 200


def reviews() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    good = generator.integers(0, 2, ROWS)
    things = [" ".join(generator.choice(["red", "stone", "river", "cloud"], 4)) for _ in range(ROWS)]
    texts = [f"{thing} {('bad', 'good')[k]}" for thing, k in zip(things, good, strict=True)]
    return pd.DataFrame({"review": texts, "verdict": np.where(good == 1, "fine", "poor")})


def problem_of(**options: object) -> Problem:
    return prepare(Settings.from_choices({"data": reviews(), "target": "verdict", **options})).problem


@pytest.fixture(scope="module")
def problem() -> Problem:
    return problem_of(folds=1)


def trials(*families: str, seconds: float = 2.0) -> dict[int, Trial]:
    result = TrialResult(status=Status.DONE, seconds=seconds, facts={"prepare_seconds": 1.0})
    return {
        number: Trial(number, Candidate(family=family, params={"c": number}), result)
        for number, family in enumerate(families)
    }


def refits_of(problem: Problem, seconds: float = 100.0) -> Refits:
    return Refits(problem=problem, families=families(), seconds=seconds)


def test_all_rows_train_beside_a_holdout_that_was_drawn_and_never_beside_folds_or_a_given_split(
    problem: Problem,
) -> None:
    assert problem.can_refit
    [whole] = problem.repeats[0].folds
    assert len(whole.train) == ROWS > len(problem.split.folds[0].train)
    assert not problem_of(folds=3).can_refit
    given = reviews().assign(part=["train"] * 150 + ["valid"] * 50)
    settings = {"data": given, "target": "verdict", "fold_column": "part"}
    assert not prepare(Settings.from_choices(settings)).problem.can_refit


def test_members_are_fitted_again_by_weight_those_whose_fits_need_no_held_out_rows(problem: Problem) -> None:
    history = trials("dummy", "text_probe", "lightgbm", "text_probe", "text_probe")
    weights = {1: 0.2, 2: 0.3, 3: 0.49, 4: 0.01}
    refits, order = refits_of(problem), []
    assert refits.needed(history, weights) > 2 * (2.0 - 1.0) * ROWS / len(problem.split.folds[0].train)
    while (candidate := refits.next(history, weights, left=50.0)) is not None:
        order.append(candidate)
        history[len(history)] = Trial(len(history), candidate)
    assert [candidate.params["c"] for candidate in order] == [3, 1]
    assert {(candidate.origin, candidate.repeat) for candidate in order} == {("refit", 1)}
    assert refits.needed(history, weights) == 0


def test_what_would_take_too_long_is_deployed_as_it_was_judged(problem: Problem) -> None:
    history, weights = trials("dummy", "text_finetune", "text_probe", seconds=60.0), {1: 0.5, 2: 0.5}
    assert refits_of(problem, 100.0).next(history, weights, left=90.0) is None
    longer = refits_of(problem, 2 * 1.3 * 60.0 * 1.5 / SHARE)
    assert longer.next(history, weights, left=10.0) is None
    found = longer.next(history, weights, left=500.0)
    assert found is not None
    assert found.family == "text_finetune"


def test_only_a_refit_that_ended_well_stands_for_its_member() -> None:
    history = trials("dummy", "text_probe", "text_probe")
    again = replace(history[1].candidate, origin="refit", repeat=1)
    cut = Trial(3, again, TrialResult(status=Status.TIMEOUT))
    assert deployed({**history, 3: cut}, 1).number == 1
    done = replace(cut, result=TrialResult(status=Status.DONE))
    assert [deployed({**history, 3: done}, number).number for number in (1, 2)] == [3, 2]


def test_a_search_deploys_the_models_of_all_rows_and_says_so(tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    result = automl.search(
        reviews(),
        target="verdict",
        families=("text_probe",),
        weights_dir=encoder,
        folds=1,
        time=120,  # it ends when ten configurations were tried
        executor="inline",
        name="whole",
        store=tmp_path / "mlruns",
    )
    refits = {member.refit for member in result.best.members}
    assert refits
    assert None not in refits
    board = result.leaderboard.set_index("trial")
    assert set(board.loc[sorted(refits), "origin"]) == {"refit"}
    assert board.loc[sorted(refits), "validation"].isna().all()
    bodies = [json.loads(path.read_text()) for path in result.predictor.folder.rglob("member.json")]
    assert {body["repeat"] for body in bodies} == {1}
    assert (
        automl.load("whole", store=tmp_path / "mlruns").predict(reviews()) == reviews()["verdict"]
    ).mean() > 0.9
