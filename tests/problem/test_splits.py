"""Folds: what is kept together, what is kept apart, what is said."""

from __future__ import annotations

import numpy as np
import pytest

from automl.core.built_in_tasks import BinaryTask, MulticlassTask, RegressionTask
from automl.core.errors import DataError, UsageError
from automl.core.metrics import METRICS
from automl.core.modality import TEXTS
from automl.data.images.modality import MODALITY
from automl.problem.fold_rules import SplitPlan, default_folds, hold_out_test, make_split

BINARY = BinaryTask(METRICS["accuracy"], ("no", "yes"))
THREE = MulticlassTask(METRICS["accuracy"], ("a", "b", "c"))
VALUES = RegressionTask(METRICS["rmse"])


def _partition_holds(split, rows):
    for fold in split.folds:
        assert np.intersect1d(fold.train, fold.valid).size == 0
    assert len(np.unique(split.scored)) == len(split.scored) <= rows


def test_folds_are_stratified_and_cover_every_row_once():
    target = np.array([0] * 900 + [1] * 100)
    split = make_split(target, BINARY, SplitPlan(folds=5))
    _partition_holds(split, 1000)
    assert len(split.scored) == 1000
    assert {int(target[fold.valid].sum()) for fold in split.folds} == {20}


def test_regression_folds_have_similar_means():
    target = np.random.default_rng(0).lognormal(size=2000)
    split = make_split(target, VALUES, SplitPlan(folds=5))
    medians = [np.median(target[fold.valid]) for fold in split.folds]
    assert np.ptp(medians) < 0.15


def test_the_same_seed_gives_the_same_folds_and_a_repeat_others():
    target = np.random.default_rng(0).integers(0, 3, 500)
    first, again = (make_split(target, THREE, SplitPlan(seed=3)) for _ in range(2))
    other = make_split(target, THREE, SplitPlan(seed=3), repeat=1)
    assert first.digest == again.digest != other.digest
    assert np.array_equal(first.scored, other.scored)


def test_groups_stay_on_one_side():
    rng = np.random.default_rng(1)
    groups, target = rng.integers(0, 60, 1200), rng.integers(0, 2, 1200)
    split = make_split(target, BINARY, SplitPlan(groups=groups, groups_named=True, folds=5))
    assert split.scheme == "groups"
    for fold in split.folds:
        assert not set(groups[fold.train]) & set(groups[fold.valid])
        assert 0.15 < len(fold.valid) / 1200 < 0.25


def test_exact_duplicates_stay_on_one_side_and_shares_stay_level():
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(3000), rng.integers(1, 3, 3000)).astype(np.int64)
    target = rng.integers(0, 3, len(groups))
    split = make_split(target, THREE, SplitPlan(groups=groups, folds=5))
    for fold in split.folds:
        assert not set(groups[fold.train]) & set(groups[fold.valid])
        assert abs(len(fold.valid) / len(groups) - 0.2) < 0.01


def test_a_group_that_alone_has_a_class_is_judged_nowhere_also_not_in_part():
    groups = np.repeat(np.arange(6), 50)
    target = np.random.default_rng(0).integers(0, 2, 300)
    target[:20] = 2
    split = make_split(target, THREE, SplitPlan(groups=groups, groups_named=True, folds=3))
    assert set(groups[split.scored]) == {1, 2, 3, 4, 5}
    for fold in split.folds:
        assert not set(groups[fold.train]) & set(groups[fold.valid])
        assert set(target[fold.train]) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(10))
def test_the_test_part_leaves_every_class_and_keeps_groups_whole(seed):
    groups = np.random.default_rng(seed).integers(0, 30, 6000)
    target = np.random.default_rng(99).integers(0, 2, 6000)
    target[groups == 7] = np.where(target[groups == 7] == 1, 2, 0)
    plan = SplitPlan(groups=groups, groups_named=True, seed=seed, holdout=0.1)
    rest, test = hold_out_test(target, THREE, plan)
    assert not set(groups[rest]) & set(groups[test])
    assert set(target[rest]) == {0, 1, 2}


def test_a_holdout_gets_the_largest_group_no_more_often_than_its_share():
    task, target = VALUES, np.random.default_rng(0).normal(size=20_000)
    groups = np.arange(20_000)
    groups[:200] = 0
    held = 0
    for seed in range(40):
        _, test = hold_out_test(target, task, SplitPlan(groups=groups, seed=seed, holdout=0.1))
        held += 0 in test
    assert 0 <= held <= 12


def test_duplicates_that_would_fill_a_holdout_stay_in_training():
    task, target = VALUES, np.random.default_rng(0).normal(size=20_000)
    groups = np.arange(20_000)
    groups[:1_000] = 0
    for seed in range(20):
        _, test = hold_out_test(target, task, SplitPlan(groups=groups, seed=seed, holdout=0.1))
        fold = make_split(target, task, SplitPlan(folds=1, groups=groups, seed=seed)).folds[0]
        assert test.min() >= 1_000
        assert fold.valid.min() >= 1_000


def test_every_fold_gets_its_share_of_the_extremes():
    task, target = VALUES, np.random.default_rng(0).normal(size=10_000)
    target = np.sinh(target * 3)
    extreme = target > np.sort(target)[-10]
    for fold in make_split(target, task, SplitPlan(folds=5)).folds:
        assert 1 <= extreme[fold.valid].sum() <= 3


def test_a_class_with_one_member_trains_everywhere_and_judges_nowhere():
    target = np.array([0] * 50 + [1] * 49 + [2])
    split = make_split(target, THREE, SplitPlan(folds=5))
    assert 99 not in split.scored
    assert all(99 in fold.train for fold in split.folds)


def test_every_training_part_holds_every_class():
    target = np.array([0] * 500 + [1] * 497 + [2] * 3)
    split = make_split(target, THREE, SplitPlan(folds=8))
    assert all(set(target[fold.train]) == {0, 1, 2} for fold in split.folds)


def test_rows_that_are_alike_but_differ_in_class_leave_every_class_in_training():
    target, alike = np.array([1, 0, 1, 0, 1]), np.array([0, 1, 2, 3, 1])
    for seed in range(30):
        split = make_split(target, BINARY, SplitPlan(folds=2, groups=alike, seed=seed))
        assert all(set(target[fold.train]) == {0, 1} for fold in split.folds)
        assert not any({1, 4} & set(fold.train) and {1, 4} & set(fold.valid) for fold in split.folds)


def test_a_rare_binary_class_reduces_the_folds_and_says_so():
    split = make_split(np.array([0] * 97 + [1] * 3), BINARY, SplitPlan(folds=8))
    assert len(split.folds) == 3
    assert "occurs 3 times" in split.reason


def test_of_several_classes_only_one_of_some_weight_reduces_the_folds():
    task = MulticlassTask(METRICS["accuracy"], ("a", "b", "rare"))
    for rows, folds in [(300, 3), (3000, 5)]:
        target = np.arange(rows) % 2
        target[:3] = 2
        split = make_split(target, task, SplitPlan(folds=5))
        assert len(split.folds) == folds
        assert ("rarest class occurs 3 times" in split.reason) == (folds == 3)


def test_forward_folds_train_on_the_past_only():
    times = np.random.default_rng(0).permutation(np.repeat(np.arange(300.0), 4))
    split = make_split(np.zeros(1200), VALUES, SplitPlan(times=times, folds=4))
    assert len(split.folds) == 4
    for fold in split.folds:
        assert times[fold.train].max() < times[fold.valid].min()


def test_a_time_column_puts_the_latest_rows_into_the_test_part():
    times = np.random.default_rng(0).permutation(6000).astype(float)
    rest, test = hold_out_test(np.zeros(6000), VALUES, SplitPlan(times=times, holdout=0.1))
    assert times[rest].max() < times[test].min()
    assert len(test) == 600


def test_rows_are_kept_apart_beside_one_holdout_or_where_a_share_is_asked_for():
    target = np.random.default_rng(0).integers(0, 2, 8000)
    assert hold_out_test(target, BINARY, SplitPlan()) is None
    assert hold_out_test(target[:4999], BINARY, SplitPlan(folds=1)) is None
    for plan in (SplitPlan(folds=1), SplitPlan(holdout=0.1)):
        rest, test = hold_out_test(target, BINARY, plan)
        assert len(test) == 800
        assert len(rest) + len(test) == 8000
        assert abs(target[test].mean() - target.mean()) < 0.01
    assert abs(len(hold_out_test(target, BINARY, SplitPlan(holdout=0.3))[1]) - 2400) < 10


def test_a_share_that_cannot_be_kept_apart_is_refused():
    with pytest.raises(DataError, match="--holdout 10%: no part"):
        hold_out_test(np.zeros(500), VALUES, SplitPlan(times=np.repeat([1.0, 2.0], 250), holdout=0.1))


def test_the_number_of_folds_follows_rows_and_budget():
    assert default_folds(500, 60)[0] == 8
    assert default_folds(7_000, 60)[0] == 5
    assert default_folds(7_000, 900)[0] == 8
    assert default_folds(54_000, 60)[0] == 1
    assert default_folds(200_000, None)[0] == 1
    assert default_folds(4_000, 600, MODALITY)[0] == 1
    assert default_folds(253, 180, MODALITY)[0] == 8
    assert default_folds(4_000, None, MODALITY)[0] == 5


def test_a_holdout_is_a_tenth_within_its_bounds():
    split = make_split(np.random.default_rng(0).normal(size=60_000), VALUES, SplitPlan(folds=1))
    assert split.scheme == "holdout"
    assert 5_900 <= len(split.scored) <= 6_100


@pytest.mark.parametrize("modality", [TEXTS, MODALITY])
def test_few_texts_and_images_are_learned_from_and_a_thousand_judge(modality):
    target = np.random.default_rng(0).integers(0, 2, 7000)
    plan = SplitPlan(folds=1, modality=modality)
    assert hold_out_test(target, BINARY, plan) is None
    assert len(make_split(target, BINARY, plan).scored) == 1000
    assert len(hold_out_test(np.resize(target, 21_000), BINARY, plan)[1]) == 2100


def test_assigned_folds_are_taken_as_they_are():
    assigned = np.array([7, 7, 9, 9, 9, 4, 4, 4])
    split = make_split(np.array([0, 1, 0, 1, 0, 1, 0, 1]), BINARY, SplitPlan(assigned=assigned))
    assert [len(fold.valid) for fold in split.folds] == [3, 2, 3]


@pytest.mark.parametrize(
    ("plan", "error"),
    [
        (SplitPlan(folds=0), UsageError),
        (SplitPlan(groups=np.zeros(8, dtype=np.int64), groups_named=True), DataError),
        (SplitPlan(times=np.zeros(8)), DataError),
        (SplitPlan(assigned=np.zeros(8, dtype=np.int64)), DataError),
    ],
)
def test_impossible_plans_are_refused(plan, error):
    with pytest.raises(error):
        make_split(np.array([0, 1] * 4), BINARY, plan)
