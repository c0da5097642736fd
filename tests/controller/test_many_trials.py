"""What a search keeps and computes for a trial does not grow with the number of its trials."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_search import OUTSET, TARGET, TASK, done, proposals

from automl.controller.array_shelf import ArrayShelf
from automl.controller.folder import SearchFolder
from automl.controller.lesson_file import LessonFile
from automl.controller.strategy import ensemble, optimizer
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.controller.strategy.learner import LAG, LAG_SHARE, Lesson
from automl.core.trial import Candidate, Curve, Trial

LINEAR = Candidate(family="linear")


def predictions(number: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    generator = np.random.default_rng(number)
    return (TARGET + generator.normal(scale=0.5 + generator.random(), size=len(TARGET)))[:, None]


def filled(trials: int) -> EnsembleBuilder:
    """An ensemble of trials of three families."""
    builder = EnsembleBuilder(TASK.metric, TARGET)
    for number in range(trials):
        builder.add(number, ("linear", "lightgbm", "tabm")[number % 3], predictions(number))
    return builder


@pytest.fixture
def short_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizer, "MOST_TRIALS", 30)
    monkeypatch.setattr(optimizer, "KEPT_BEST", 5)
    monkeypatch.setattr(optimizer, "KEPT_LATEST", 10)


def test_the_sampler_looks_at_a_bounded_number_of_trials_and_keeps_the_best(short_studies: None) -> None:
    asked = proposals(trials=200).learner.optimizer
    losses = np.random.default_rng(0).permutation(100).tolist()
    waiting = [asked.ask("linear", number=number, seed=0) for number in range(3)]
    for number, loss in enumerate(losses, start=3):
        waiting.append(asked.ask("linear", number=number, seed=0))
        first = waiting.pop(0)
        assert first is not None
        asked.tell(first, float(loss))
        assert len(asked._studies["linear"].trials) <= 30 + 3
    values = [trial.value for trial in asked._studies["linear"].trials if trial.value is not None]
    assert {0.0, 1.0} <= set(values), "the best are kept"
    assert values[-1] == losses[-1]
    for suggestion in waiting:
        assert suggestion is not None
        asked.tell(suggestion, 0.5)
    assert not asked._running["linear"]


def test_a_resumed_search_proposes_the_same_after_its_study_was_shortened(short_studies: None) -> None:
    whole, resumed, history = proposals(trials=99), proposals(trials=99), {}
    for number in range(80):
        candidate = whole.next(number, history)
        assert candidate is not None
        history[number] = done(number, candidate)
        whole.learner.hold(history[number])
    for trial in history.values():
        resumed.restore(trial)
        resumed.learner.hold(trial)
    assert len(whole.learner.optimizer._studies["linear"].trials) < 30 + LAG
    assert resumed.next(80, history) == whole.next(80, history)


def test_more_trials_run_at_once_the_more_there_were() -> None:
    learner, number = proposals(trials=10_000).learner, 1_000
    for ended in range(number - number // LAG_SHARE + 1):
        learner.hold(Trial(ended, LINEAR, done(ended, LINEAR).result))
    assert learner.learn_before(number)
    assert not learner.learn_before(number + 2)


def test_the_ensemble_weighs_equally_many_candidates_however_many_trials_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = []
    for trials in (60, 240):
        builder, calls = filled(trials), []
        whole: Callable[[Any], float] = builder._objective
        monkeypatch.setattr(builder, "_objective", lambda p, w=whole, c=calls: c.append(1) or w(p))
        builder.rebuild()
        counts.append(len(calls))
    assert counts[0] == counts[1] <= ensemble.REBUILD_STEPS * (ensemble.POOL + 3)


def test_the_pool_is_that_of_sorting_all_trials() -> None:
    builder = filled(100)
    builder.forget([*range(0, 100, 7)])
    losses = {n: builder.loss_of(n) for n in range(100) if builder.knows(n)}
    ranked = sorted(losses, key=lambda n: (losses[n], n))
    families = {number % 3: number for number in reversed(ranked)}
    assert builder._pool()[: ensemble.POOL] == tuple(ranked[: ensemble.POOL])
    assert {*builder._pool()} == {*ranked[: ensemble.POOL], *families.values()}
    assert builder.best_loss_of("tabm") == min(loss for n, loss in losses.items() if n % 3 == 2)


def test_predictions_of_a_part_of_the_rows_are_at_hand_for_few_trials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = filled(200).best
    monkeypatch.setattr(ensemble, "LOOP_ROWS", 59)
    builder = filled(200)
    assert len(builder._at_hand) <= ensemble.JUDGED_AT_HAND < 200
    assert len(builder._judged(3)) == 59
    assert len(builder.best.weights) > 1
    assert len(whole.weights) > 1


def test_many_arrays_lie_in_few_files_that_go_by_themselves(tmp_path: Path) -> None:
    shelf, kinds = ArrayShelf(tmp_path, in_memory=4_000, chunk=16_000), ("f4", "f8")
    descriptors = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0
    given = [np.full((100, 2), number, dtype=kinds[number % 2]) for number in range(40)]
    placed = [shelf.put(array) for array in given]
    for array, other in zip(given, placed, strict=True):
        np.testing.assert_array_equal(array, other)
        assert array.dtype == other.dtype
    assert placed[0] is given[0], "the first ones stay in memory"
    assert not placed[-1].flags.writeable
    assert list(tmp_path.iterdir()) == []
    if descriptors:
        assert len(os.listdir("/proc/self/fd")) - descriptors <= 4


def test_what_only_the_record_needs_is_not_remembered(tmp_path: Path) -> None:

    trial = done(0, LINEAR)
    assert trial.result is not None
    trial = replace(trial, result=replace(trial.result, curves=(Curve("loss", (1,), (0.5,)),)))
    with SearchFolder.create(tmp_path, OUTSET, "x") as folder:
        folder.begin(trial)
        folder.keep(trial)
        lean = folder.shelved(trial).lean()
        assert lean.result is not None
        assert lean.result.curves == ()
        np.testing.assert_array_equal(lean.result.held_out, trial.result.held_out)
        whole = folder.whole(lean)
    assert whole.result is not None
    assert (whole.result.curves, whole.scores) == (trial.result.curves, trial.scores)


def lesson(number: int) -> Lesson:
    return Lesson(number=number, gain=0.5, bag=(number,), loss=float("inf"), seconds=0.1)


def test_lessons_are_recalled_as_long_as_trials_come_in_the_same_order(tmp_path: Path) -> None:
    first = LessonFile(tmp_path / "lessons.jsonl")
    for number in (0, 1, 3, 2):
        assert first.recall(number) is None
        first.note(lesson(number))
    again = LessonFile(tmp_path / "lessons.jsonl")
    assert [again.recall(number) for number in (0, 1)] == [lesson(0), lesson(1)]
    assert again.recall(2) is None, "trial 3 came before it"
    again.note(lesson(2))
    assert again.recall(3) is None
    assert [line.number for line in LessonFile(tmp_path / "lessons.jsonl")._earlier] == [0, 1, 2]


def test_a_lesson_that_was_not_written_in_full_is_learned_anew(tmp_path: Path) -> None:
    first = LessonFile(tmp_path / "lessons.jsonl")
    for number in range(3):
        first.note(lesson(number))
    text = (tmp_path / "lessons.jsonl").read_text()
    (tmp_path / "lessons.jsonl").write_text(text[:-20])
    again = LessonFile(tmp_path / "lessons.jsonl")
    assert [again.recall(number) for number in range(3)] == [lesson(0), lesson(1), None]


def test_a_resumed_search_builds_no_ensemble_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, resumed, history = proposals(trials=30), proposals(trials=30), {}
    whole.learner.lessons = LessonFile(tmp_path / "lessons.jsonl")
    for number in range(20):
        candidate = whole.next(number, history)
        assert candidate is not None
        history[number] = done(number, candidate)
        whole.learner.hold(history[number])
    resumed.learner.lessons = LessonFile(tmp_path / "lessons.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr(EnsembleBuilder, "_grow", lambda *given: pytest.fail("an ensemble was built"))
        for trial in history.values():
            resumed.restore(trial)
            resumed.learner.hold(trial)
    assert resumed.next(20, history) == whole.next(20, history)
    assert resumed.learner.builder.best == whole.learner.builder.best
    assert resumed.learner.builder.bag == whole.learner.builder.bag
