from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from automl import families
from automl.core.environment import WEIGHTS_DIR
from automl.core.folds import Fold, Split
from automl.core.sealed import folder_bytes
from automl.core.table import Features, Table
from automl.core.task_choice import choose_task
from automl.core.trial import Candidate, Progress, Status, Ticket, TrialResult
from automl.executors.evaluate import Control, evaluate
from automl.executors.prepared_cache import PreparedCache
from automl.problem.problem import Problem
from automl.testing.executors import misbehaving_family, small_problem, ticket

Run = Callable[..., TrialResult]


@pytest.fixture
def misbehaving(tmp_path: Path) -> Iterator[None]:
    with misbehaving_family(tmp_path / "plug-in"):
        yield


def prices() -> Problem:
    """Diabetes with a skewed target that is never negative, in five folds."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes()
    target = np.exp(data.target / 40)
    rows = len(target)
    folds = tuple(
        Fold(np.flatnonzero(np.arange(rows) % 5 != i), np.flatnonzero(np.arange(rows) % 5 == i))
        for i in range(5)
    )
    table = Table(Features(tuple(data.feature_names)), data.data, np.zeros((rows, 0), dtype=np.int32))
    task = choose_task(target, requested="regression").task
    return Problem(table=table, target=target, task=task, split=Split(folds, "folds", "every fifth row"))


@pytest.mark.parametrize("family", ["linear", "extra_trees", "lightgbm"])
def test_a_target_far_from_zero_is_judged_as_exactly_as_one_near_it(tmp_path: Path, family: str) -> None:
    """Moments in seconds since 1970 are 128 apart in float32."""
    near = prices()
    near = replace(near, target=np.log(near.target) * 10)
    results = [
        evaluate(ticket(tmp_path, number, family), replace(near, target=near.target + shift), Control())
        for number, shift in enumerate((0.0, 1.7e9))
    ]
    first, second = (result.held_out for result in results)
    assert first is not None
    assert second is not None
    score = near.task.metric.score
    assert score(near.target, second - 1.7e9) == pytest.approx(score(near.target, first), rel=0.02)


def test_a_trial_has_all_its_figures(tmp_path: Path) -> None:
    problem = small_problem()
    result = evaluate(ticket(tmp_path, 1, "lightgbm"), problem, Control())
    assert result.status is Status.DONE, result.traceback
    assert result.held_out is not None
    assert result.held_out.dtype == np.float32
    assert problem.task.metric.score(problem.target, result.held_out) > 0.9
    assert len(result.fold_seconds) == 3
    assert sum(result.fold_seconds) <= result.seconds
    assert 0 < result.fit_seconds <= sum(result.fold_seconds)
    assert result.predict_ms_per_1000_rows > 0
    assert result.model_bytes == folder_bytes(Path(result.model_folder))
    assert result.peak_bytes > 50 << 20
    assert any(curve.name.endswith("/fold_2") for curve in result.curves)
    assert all(len(curve.steps) <= 200 for curve in result.curves)


def test_held_out_predictions_are_those_of_the_saved_models(tmp_path: Path) -> None:
    problem = small_problem()
    result = evaluate(ticket(tmp_path, 1, "lightgbm"), problem, Control())
    assert result.held_out is not None
    member = json.loads((Path(result.model_folder) / "member.json").read_text())
    assert member["folds"] == [0, 1, 2]
    for number in member["folds"]:
        model = families.families()["lightgbm"].load(Path(result.model_folder) / f"fold_{number}")
        valid = problem.split.folds[number].valid
        expected = model.predict(problem.table.take(valid))
        np.testing.assert_allclose(result.held_out[valid], expected, rtol=1e-5)


def test_train_predictions_belong_to_their_rows(tmp_path: Path) -> None:
    problem = small_problem()
    result = evaluate(ticket(tmp_path, 1, "lightgbm"), problem, Control())
    assert result.train_rows is not None
    assert result.train_predictions is not None
    assert set(result.train_rows) <= set(problem.split.folds[0].train)
    assert problem.task.metric.score(problem.target[result.train_rows], result.train_predictions) > 0.95


def test_the_same_seed_gives_the_same_predictions(tmp_path: Path) -> None:
    problem, cache = small_problem(), PreparedCache()
    first = evaluate(ticket(tmp_path, 1, "extra_trees"), problem, Control(cache=cache))
    again = evaluate(ticket(tmp_path, 2, "extra_trees"), problem, Control(cache=cache))
    assert len(cache) > 0
    np.testing.assert_array_equal(first.held_out, again.held_out)


def test_some_folds_can_be_run_alone(tmp_path: Path) -> None:
    problem = small_problem()
    whole = evaluate(ticket(tmp_path, 1, "lightgbm"), problem, Control())
    part = evaluate(replace(ticket(tmp_path, 2, "lightgbm"), folds=(1,)), problem, Control())
    assert whole.held_out is not None
    np.testing.assert_array_equal(part.held_out, whole.held_out[problem.split.folds[1].valid])


def test_a_repeat_runs_on_its_own_folds(tmp_path: Path) -> None:
    problem, cache = small_problem(), PreparedCache()
    other = np.arange(150) // 75
    halves = tuple(Fold(np.flatnonzero(other != i), np.flatnonzero(other == i)) for i in range(2))
    problem = replace(problem, repeats=(Split(halves, "folds", "halves"),))
    for number, repeat, folds in ((1, 0, 3), (2, 1, 2)):
        work = Ticket(
            number=number,
            candidate=Candidate(family="dummy", repeat=repeat),
            folder=str(tmp_path / str(number)),
            seconds=30.0,
        )
        result = evaluate(work, problem, Control(cache=cache))
        assert len(result.fold_seconds) == folds
        assert result.held_out is not None
        assert len(result.held_out) == 150


def test_progress_carries_the_first_folds_predictions_once(tmp_path: Path) -> None:
    problem, seen = small_problem(), list[Progress]()
    result = evaluate(ticket(tmp_path, 1, "dummy"), problem, Control(report=seen.append))
    (first,) = (progress for progress in seen if progress.held_out is not None)
    assert result.held_out is not None
    assert first.fold == 0
    np.testing.assert_array_equal(first.held_out, result.held_out[problem.split.folds[0].valid])
    assert seen[-1].fraction == 1.0


def test_a_trial_finds_weights_in_the_problem_s_folder_and_leaves_no_trace(tmp_path: Path) -> None:
    replace(small_problem(), weights_dir=str(tmp_path)).save(tmp_path / "problem")
    problem, seen = Problem.load(tmp_path / "problem"), list[str | None]()
    control = Control(report=lambda progress: seen.append(os.environ.get(WEIGHTS_DIR)))
    assert evaluate(ticket(tmp_path, 1, "dummy"), problem, control).status is Status.DONE
    assert set(seen) == {str(tmp_path)}
    assert WEIGHTS_DIR not in os.environ


def test_log_target_is_undone_in_predictions_and_recorded(tmp_path: Path) -> None:
    problem = prices()
    plain = evaluate(ticket(tmp_path, 1, "lightgbm"), problem, Control())
    work = Ticket(
        number=2,
        candidate=Candidate(family="lightgbm", log_target=True),
        folder=str(tmp_path / "2"),
        seconds=30.0,
    )
    logged = evaluate(work, problem, Control())
    assert logged.held_out is not None
    assert plain.held_out is not None
    logs = np.log1p(problem.target)
    errors = [np.mean(np.abs(np.log1p(np.maximum(r.held_out[:, 0], 0)) - logs)) for r in (plain, logged)]
    assert errors[1] < errors[0], "a skewed target is learnt better on its logarithm"
    assert logged.held_out.max() <= 1.5 * problem.target.max() * 1.001
    member = json.loads((Path(logged.model_folder) / "member.json").read_text())
    assert member["log_target"] is True
    assert len(member["log_ranges"]) == 5


def test_a_log_of_negative_values_fails_with_its_reason(tmp_path: Path) -> None:
    problem = replace(prices(), target=prices().target - 50)
    work = Ticket(
        number=2,
        candidate=Candidate(family="dummy", log_target=True),
        folder=str(tmp_path / "2"),
        seconds=30.0,
    )
    result = evaluate(work, problem, Control())
    assert result.status is Status.FAILED
    assert "above -1" in result.error


@pytest.mark.parametrize(
    ("mode", "reason"), [("raise", "ValueError: this family raises"), ("nan", "NaN or infinite")]
)
def test_failure_is_a_result_with_its_reason(
    tmp_path: Path, misbehaving: None, mode: str, reason: str
) -> None:
    result = evaluate(ticket(tmp_path, 1, "misbehaving", mode=mode), small_problem(), Control())
    assert result.status is Status.FAILED
    assert reason in result.error
    assert "Traceback" in result.traceback
    assert result.held_out is None
    assert not (tmp_path / "trial-1" / "model").exists(), "what failed leaves no model"


def test_wrong_params_are_a_result(tmp_path: Path) -> None:
    result = evaluate(ticket(tmp_path, 1, "lightgbm", no_such=1), small_problem(), Control())
    assert result.status is Status.FAILED
    assert "no_such" in result.error


def test_running_out_of_memory_is_its_own_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = ticket(tmp_path, 1, "dummy")
    problem = small_problem()

    def full(self: Table, rows: object) -> Table:
        np.ones(1 << 50)
        return self

    monkeypatch.setattr(Table, "take", full)
    assert evaluate(work, problem, Control()).status is Status.OOM


def test_a_full_gpu_is_told_by_its_libraries_in_their_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Table, rows: object) -> Table:
        raise RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")

    monkeypatch.setattr(Table, "take", full)
    assert evaluate(ticket(tmp_path, 1, "dummy"), small_problem(), Control()).status is Status.OOM


def test_a_request_to_stop_prunes_between_folds(tmp_path: Path) -> None:
    seen: list[Progress] = []
    control = Control(report=seen.append, stop_requested=lambda: len(seen) >= 1)
    result = evaluate(ticket(tmp_path, 1, "dummy"), small_problem(), control)
    assert result.status is Status.PRUNED
    assert len(result.fold_seconds) == 1


def test_a_fit_that_has_nothing_by_its_deadline_is_a_timeout(tmp_path: Path, misbehaving: None) -> None:
    work = ticket(tmp_path, 1, "misbehaving", seconds=0.3, mode="obey")
    result = evaluate(work, small_problem(), Control())
    assert result.status is Status.TIMEOUT


def test_folds_share_the_time_so_that_a_long_boosting_ends_in_time(tmp_path: Path) -> None:
    work = ticket(tmp_path, 1, "lightgbm", seconds=8.0, learning_rate=0.0001)
    result = evaluate(work, prices(), Control())
    assert result.status is Status.DONE, result.error
    assert result.seconds < 30
