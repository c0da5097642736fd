"""Durations, sizes, the clock, the time model, the allocator."""

from __future__ import annotations

import json
import math
import os
import time

import numpy as np
import pytest

from automl.controller.saved_setup import plain_settings
from automl.controller.strategy.allocator import Allocator, trial_cap
from automl.controller.strategy.trial_times import TimeModel
from automl.core.errors import UsageError
from automl.core.memory import usable_bytes
from automl.core.processor_share import Pace
from automl.core.quantities import parse_bytes, parse_seconds
from automl.core.time_budget import Clock, first_pace
from automl.problem.settings import Settings


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("60s", 60), ("10m", 600), ("1h30m", 5400), ("90", 90), (45, 45), ("2 min", 120), ("0.5h", 1800)],
        *[(np.int64(45), 45), (np.float32(1.5), 1.5)],
    ],
)
def test_durations_are_read(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "10 parsecs", "-5s", "0s", "5x3"])
def test_other_durations_are_refused_with_an_example(text):
    with pytest.raises(UsageError):
        parse_seconds(text)


def test_sizes_are_read():
    assert parse_bytes("4GB") == 4 * 1024**3
    assert parse_bytes("512 MiB") == 512 * 1024**2
    assert parse_bytes(2e9) == parse_bytes(np.int64(2_000_000_000)) == 2_000_000_000
    for wrong in ("much", -1, float("nan")):
        with pytest.raises(UsageError):
            parse_bytes(wrong)


def test_counts_may_be_numpy_s_and_must_be_whole():
    numbers = {"trials": np.int64(3), "folds": np.int32(5), "seed": np.uint8(7)}
    settings = Settings.from_choices({"data": "a.csv", **numbers})
    assert json.loads(json.dumps(plain_settings(settings)))["seed"] == 7
    assert settings.plain()["trials"] == 3
    with pytest.raises(UsageError, match="--folds"):
        Settings.from_choices({"data": "a.csv", "folds": 2.5})


def test_a_container_s_memory_bounds_a_search(tmp_path, monkeypatch):
    for name, size in (("max", 2 << 30), ("current", 1 << 30)):
        (tmp_path / f"memory.{name}").write_text(str(size))
    (tmp_path / "memory.stat").write_text("anon 7\ninactive_file 0\n")
    files = (str(tmp_path / "memory.max"), str(tmp_path / "memory.current"))
    monkeypatch.setattr("automl.core.memory._GROUPS", (files,))
    assert usable_bytes() <= 0.8 * (1 << 30)


@pytest.fixture
def standing(monkeypatch):
    """Time stands still, however busy this machine is."""
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)


def test_time_spent_before_the_call_counts(standing):
    clock = Clock(10, spent=4)
    assert clock.left == 6
    assert clock.left_for_trials == 4


def test_more_is_kept_for_the_end_where_other_work_leaves_less_of_the_processor():
    assert Clock(60).reserve == 3
    assert Clock(60, pace=Pace(0.2)).reserve == pytest.approx(6)
    assert Clock(10, pace=Pace(0.1)).reserve == pytest.approx(3.5)  # never more than 35 %
    assert Clock(3600, pace=Pace(0.2)).reserve == 20
    assert Clock(None, pace=Pace(0.2)).reserve == 0
    waiting = Clock(60, pace=Pace(0.5))
    waiting.owed = 2.5  # MLflow still loads
    assert waiting.reserve == pytest.approx(3 + 5)


def test_trials_go_on_while_the_search_could_not_end_anyway_and_there_is_no_model(standing):
    clock = Clock(20, spent=15, pace=Pace(0.2))
    assert clock.left_for_trials == 0
    clock.meanwhile = 2.0
    assert clock.left_for_trials == pytest.approx(10)


def test_the_first_guess_of_the_pace_follows_the_running_processes_per_core(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    for load, share in ((0.2, 1.0), (2.0, 1.0), (4.0, 0.5), (40.0, 1 / 3)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert first_pace().share == pytest.approx(share)


def test_the_pace_follows_what_was_measured_and_forgets_the_past():
    pace = Pace()
    for _ in range(10):
        pace.learn(ran=0.2, waited=0.8)
    assert 0.2 < pace.share < 0.4
    for _ in range(60):
        pace.learn(ran=1.0, waited=0.0)
    assert pace.share > 0.99


def test_trials_are_predicted_at_the_pace_of_now():
    pace = Pace()
    times = TimeModel(pace)
    times.learn("linear", 2.0)
    allocator = Allocator(("linear",), times)
    assert allocator.choose(5.0) == "linear"
    pace.learn(ran=20.0, waited=80.0)
    assert times.predict("linear") == pytest.approx(10.0, rel=0.01)
    assert Allocator(("linear",), times).choose(5.0) is None


def test_a_family_whose_libraries_still_load_is_put_off_and_not_left_out():
    there = {"dummy", "linear"}
    allocator = Allocator(("dummy", "tabm", "linear"), TimeModel(), ready=lambda name: name in there)
    assert [allocator.choose(100.0) for _ in range(3)] == ["dummy", "linear", "linear"]
    there.add("tabm")
    assert allocator.choose(100.0) == "tabm"
    assert Allocator(("dummy", "tabm"), TimeModel(), ready=lambda name: False).choose(9.0) == "dummy"


@pytest.mark.parametrize(("trials_left", "dear"), [(math.inf, False), (3, True)])
def test_few_configurations_are_not_spent_on_what_is_merely_fast(trials_left: float, dear: bool):
    times = TimeModel()
    times.learn("linear", 0.1)
    times.learn("tabm", 20.0)
    allocator = Allocator(("linear", "tabm"), times)
    for _ in range(12):
        allocator.choose(100.0)  # the opening
    allocator.learn("linear", 0.001)
    allocator.learn("tabm", 0.01)
    chosen = [allocator.choose(100.0, trials_left=trials_left) for _ in range(40)]
    assert (chosen.count("tabm") > 20) == dear


def test_a_clock_without_seconds_never_ends():
    clock = Clock(None)
    assert clock.left == clock.left_for_trials == float("inf")


def test_the_clock_does_not_follow_the_wall_clock(standing, monkeypatch):
    clock = Clock(100)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert clock.left == 100


def test_the_time_model_predicts_the_eighty_percent_quantile():
    times = TimeModel()
    assert not times.knows("a")
    for seconds in range(1, 11):
        times.learn("a", float(seconds))
    assert times.predict("a") == pytest.approx(8.2)
    assert times.typical("b") == pytest.approx(5.5)


def test_the_trial_cap_follows_the_rows():
    assert [trial_cap(rows) for rows in (100, 500, 1_000, 5_000, 10_000, 100_000)] == [4, 8, 10, 24, 40, 100]
    assert trial_cap(7_000) > 25


def test_the_opening_tries_every_family_before_it_tries_one_thrice():
    families = ("dummy", "linear", "lightgbm", "tabm", "catboost", "xgboost", "new_plugin")
    allocator = Allocator(families, TimeModel())
    chosen = [allocator.choose(100.0) for _ in range(14)]
    first = {name: chosen.index(name) for name in families if name in chosen}
    assert chosen[0] == "dummy"
    assert len(first) >= 6


def test_a_family_that_cannot_finish_is_not_chosen():
    times = TimeModel()
    times.learn("slow", 50.0)
    times.learn("fast", 1.0)
    allocator = Allocator(("slow", "fast"), times)
    assert {allocator.choose(10.0) for _ in range(30)} == {"fast"}
    assert allocator.choose(0.5) is None


def test_families_that_help_the_ensemble_run_more_often_and_none_starves():
    times = TimeModel()
    for name in ("good", "bad"):
        times.learn(name, 1.0)
    allocator = Allocator(("good", "bad"), times)
    chosen = []
    for _ in range(300):
        name = allocator.choose(100.0)
        allocator.learn(name, 0.01 if name == "good" else 0.0)
        chosen.append(name)
    assert 0.03 < chosen.count("bad") / 300 < 0.3
