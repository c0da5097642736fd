"""The column of ``--weight``: what it makes of a problem, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics

import automl
from automl.core.errors import DataError, UsageError
from automl.problem.preparation import Prepared, prepare
from automl.problem.problem import Problem
from automl.problem.settings import Settings

ROWS = 600


def table(rows: int = ROWS) -> pd.DataFrame:
    random = np.random.default_rng(0)
    x = random.normal(size=rows)
    heavy = random.random(rows) < 0.1
    label = np.where(x + heavy + random.normal(size=rows) > 0, "yes", "no")
    return pd.DataFrame({"x": x, "z": random.normal(size=rows), "w": np.where(heavy, 30.0, 2.0), "y": label})


def prepared(frame: pd.DataFrame, **choices) -> Prepared:
    return prepare(Settings.from_choices({"data": frame, "target": "y", "trials": 1, **choices}))


def test_weights_have_a_mean_of_1_and_are_no_feature():
    found = prepared(table(), weight="w")
    assert found.problem.table.features.numbers == ("x", "z")
    expected = table()["w"] / table()["w"].mean()
    assert found.problem.weights == pytest.approx(expected.to_numpy())
    assert found.weighting.startswith("weighted by w (effective rows ")
    assert prepared(table()).weighting == ""
    assert prepared(table()).problem.weights is None


def test_the_weights_are_part_of_what_a_trial_is():
    plain, weighted = prepared(table().drop(columns="w")), prepared(table(), weight="w")
    others = prepared(table().assign(w=table()["w"] ** 2), weight="w")
    digests = {item.problem.digest for item in (plain, weighted, others)}
    assert len(digests) == 3
    judged = prepared(table(), weight="w", drop=("z",)).problem
    assert judged.judging_digest == weighted.problem.judging_digest != judged.split.digest
    assert plain.problem.judging_digest == plain.problem.split.digest


def test_a_saved_problem_keeps_its_weights(tmp_path):
    problem = prepared(table(), weight="w").problem
    problem.save(tmp_path)
    loaded = Problem.load(tmp_path)
    assert np.array_equal(loaded.weights, problem.weights)
    assert np.array_equal(loaded.weights_of(np.array([3, 5])), problem.weights[[3, 5]])


def test_rows_of_weight_0_neither_train_nor_judge():
    frame = table()
    frame.loc[[4, 7], "w"] = 0
    frame.loc[4, "y"] = None  # nobody asks for the target of a row that does not count
    found = prepared(frame, weight="w")
    assert found.problem.table.rows == ROWS - 2
    assert "2 rows of weight 0 ('w') were left out: they neither train nor judge." in found.notes
    assert not any("without a target" in finding.evidence for finding in found.findings)


def test_every_fold_gets_its_share_of_the_weight():
    problem = prepared(table(), weight="w", folds=5).problem
    shares = [problem.weights[fold.valid].sum() / problem.weights.sum() for fold in problem.split.folds]
    assert shares == pytest.approx([0.2] * 5, abs=0.02)


def test_the_untouched_rows_have_weights_on_the_same_scale():
    found = prepared(table(), weight="w", holdout="10%")
    unit = found.problem.weights.min()
    assert found.test is not None
    assert len(found.test.weights) == found.test.table.rows
    assert np.unique(found.test.weights) == pytest.approx([unit, 15 * unit])
    assert found.problem.weights.mean() == pytest.approx(1.0)


def test_rows_of_test_bring_their_own_weights():
    apart = table().iloc[:50]
    with pytest.raises(DataError, match="--test has no column 'w', by which its rows are weighted"):
        prepared(table(), weight="w", test=apart.drop(columns="w"))
    plain, found = prepared(table(), test=apart), prepared(table(), weight="w", test=apart)
    assert found.test.weights == pytest.approx(apart["w"].to_numpy() / table()["w"].mean())
    assert plain.untouched_digest != found.untouched_digest


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ([-1.0], r"1 of 600 weights are negative, missing .* \(first in row 1: -1.0\)"),
        ([1.0, None], r"1 of 600 weights .* \(first in row 2: nan\)"),
        ([5.0] + [0.0] * 599, "only 1 of 600 weights is above 0"),
    ],
)
def test_weights_that_cannot_be_are_refused_with_the_row(weights, words):
    frame = table().assign(w=[*weights, *[1.0] * (ROWS - len(weights))])
    with pytest.raises(DataError, match=words):
        prepared(frame, weight="w")


def test_a_function_that_cannot_weigh_rows_is_refused_and_one_that_can_is_used():
    def share(truth, answers):
        return float(np.mean(truth == answers))

    with pytest.raises(UsageError, match=r"metric share cannot weigh rows. Allowed: accuracy, balanced"):
        prepared(table(), weight="w", metric=share)
    found = prepared(table(), weight="w", metric=sklearn.metrics.accuracy_score).problem
    guess = found.task.as_predictions(np.zeros(ROWS, dtype=np.int64))
    expected = found.weights[np.asarray(found.target) == 0].sum() / ROWS
    assert found.task.metric.score(found.target, guess, found.weights) == pytest.approx(expected)


def test_the_target_and_the_weights_are_two_columns():
    with pytest.raises(UsageError, match="--weight 'y': this column is the target"):
        prepared(table(), weight="y")


def test_the_check_names_the_weights_and_refuses_bad_ones_as_a_finding():
    report = automl.check(table(), target="y", weight="w")
    assert any(note.startswith("rows weighted by w (effective rows") for note in report.notes)
    bad = automl.check(table().assign(w=-1.0), target="y", weight="w")
    assert not bad.ok
    assert "600 of 600 weights are negative" in bad.findings[0].evidence
