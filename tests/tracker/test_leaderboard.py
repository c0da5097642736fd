from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from automl.cli import pages
from automl.cli.pages import print_leaderboard
from automl.cli.show import print_description
from automl.core.text import whole_percents
from automl.tracker.reading.alias_holder import Holder
from automl.tracker.reading.descriptions import TrialDescription
from automl.tracker.reading.leaderboard import Leaderboard, result_row
from automl.tracker.reading.leaderboard_frame import COLUMNS, SHOWN
from automl.tracker.record import LeaderboardRow

FAMILIES = ("tabm", "extra_trees", "lightgbm", "dummy")
WEIGHTS = {1: 1 / 3, 2: 1 / 3, 0: 1 / 3}


@pytest.fixture
def board() -> Leaderboard:
    """Four trials, of which three make the result, which is the champion."""
    rows = tuple(
        LeaderboardRow(
            trial=number,
            run_id=f"{number:x}" * 32,
            family=family,
            params={"learning_rate": 0.1, "num_leaves": 31, "feature_fraction": 0.5},
            state="done",
            origin="portfolio",
            validation=0.99 - number / 10,
            standard_error=0.0057,
            seconds=12.345678 + number,
            predict_ms_per_1000_rows=45.2,
            model_bytes=1_200_000,
        )
        for number, family in enumerate(FAMILIES)
    )
    members = [
        {"trial": number, "run_id": rows[number].run_id, "family": rows[number].family, "weight": weight}
        for number, weight in WEIGHTS.items()
    ]
    best = {"kind": "ensemble", "validation": 0.995, "members": members}
    result = result_row("f" * 32, best, {"model_bytes": 2e6}, rows, is_champion=True)
    return Leaderboard(result, rows, Holder(version="1", run_id="f" * 32, search_run_id="f" * 32), "wine")


def page_of(board: Leaderboard, **given: Any) -> list[str]:
    page = io.StringIO()
    print_leaderboard(board, page, **{"rows": 0, **given})
    return page.getvalue().splitlines()


def without_alias(board: Leaderboard, champion: Holder | None) -> Leaderboard:
    assert board.result is not None
    return replace(board, result=replace(board.result, state="result"), champion=champion)


def test_whole_percents_add_up_to_100() -> None:
    assert whole_percents([1 / 3, 1 / 3, 1 / 3]) == [34, 33, 33]
    assert whole_percents([0.995, 0.005]) == [100, 0]
    assert whole_percents([0.005, 0.995]) == [1, 99]
    assert whole_percents([2, 1, 1]) == [50, 25, 25]
    assert whole_percents([]) == []


def test_the_result_stands_above_the_trials_of_the_frame(board: Leaderboard) -> None:
    frame = board.frame()
    first = frame.iloc[0]
    assert (first["family"], first["state"], first["run_id"]) == ("ensemble", "champion", "f" * 32)
    assert first["trial"] is pd.NA
    assert list(frame["trial"].iloc[1:]) == [0, 1, 2, 3]
    assert list(frame["is_champion"]) == [True, False, False, False, False]
    assert frame.set_index("trial")["weight"].dropna().to_dict() == {1: 0.34, 2: 0.33, 0: 0.33}
    assert frame["seconds"].iloc[0] == pytest.approx(3 * 12.345678 + 3)


def test_the_frame_is_legible_on_80_columns_and_holds_more(board: Leaderboard) -> None:
    with pd.option_context("display.width", 80, "display.max_columns", 0):
        lines = str(board.frame()).splitlines()
        head = str(board.frame().head(2)).splitlines()
    assert all(len(line) <= 80 for line in lines[:6])
    assert lines[0].split() == list(SHOWN)
    assert "00000000" in lines[2]
    assert "..." not in "".join(lines[:6])
    assert lines[-1].startswith("Not shown: standard_error, ")
    assert [line.split() for line in head[:3]] == [line.split() for line in lines[:3]]
    assert set(COLUMNS) - set(SHOWN) <= set(lines[-1].removesuffix(".").replace(",", "").split())
    shown = board.frame()._repr_html_() or ""
    assert "Not shown" in shown
    assert "learning_rate" not in shown


def test_chosen_columns_of_the_frame_are_shown_as_pandas_shows_them(board: Leaderboard) -> None:
    chosen = board.frame()[["family", "run_id"]]
    assert str(chosen) == str(pd.DataFrame(chosen))
    assert "f" * 32 in str(chosen)
    assert "f" * 32 in str(chosen._repr_html_())
    assert isinstance(board.frame()["family"], pd.Series)


def test_before_a_search_ended_the_leaderboard_has_its_trials_alone(board: Leaderboard) -> None:
    running = Leaderboard(None, board.trials)
    assert list(running.frame()["trial"]) == [0, 1, 2, 3]
    assert running.frame()["weight"].isna().all()
    assert {entry["kind"] for entry in running.to_json()} == {"trial"}


def test_members_are_marked_and_named_also_when_few_rows_are_shown(board: Leaderboard) -> None:
    lines = page_of(board, rows=1)
    assert {"ensemble", "champion"} <= {*lines[1].split()}
    assert "33%" in lines[2]
    assert lines[3] == "The result is an ensemble of #1 extra_trees 34%, #2 lightgbm 33%, #0 tabm 33%."
    assert lines[4] == "It is the champion of 'wine': `automl predict wine` uses it."
    assert lines[5] == "1 of 4 trials: -n 0 shows all."


def test_a_result_without_the_alias_is_not_called_champion_anywhere(board: Leaderboard) -> None:
    held = Holder(version="7", run_id="e" * 32, search_run_id="e" * 32, score="validation accuracy 0.999")
    other = without_alias(board, held)
    lines = page_of(other)
    assert "result" in lines[1].split()
    assert "champion" not in "".join(lines[:6])
    (said,) = [line for line in lines if "champion, which" in line]
    assert "`automl predict wine` uses, is version 7: the result of the search eeeeeeee, " in said
    assert "validation accuracy 0.999" in said
    assert "`automl predict ffffffff` uses this result" in lines[-1]
    assert not other.frame()["is_champion"].any()
    assert [row["kind"] for row in other.to_json()] == ["trial"] * 4 + ["result"]
    assert not any(row["is_champion"] for row in other.to_json())
    earlier = without_alias(board, Holder(version="1", run_id="f" * 32, search_run_id="f" * 32, earlier=True))
    assert "is version 1: an earlier result of this search." in "".join(page_of(earlier))
    assert "No version of 'wine' is the champion" in "".join(page_of(without_alias(board, None)))


def test_a_promoted_trial_is_the_champion_in_its_own_row(board: Leaderboard) -> None:
    promoted = board.trials[2]
    held = Holder(
        version="2",
        run_id=promoted.run_id,
        search_run_id="f" * 32,
        trial=2,
        family="lightgbm",
        score="validation accuracy 0.79",
    )
    other = without_alias(board, held)
    states = [re.findall("result|done|champion", line)[0] for line in page_of(other)[1:6]]
    assert states == ["result", "done", "done", "champion", "done"]
    assert "is version 2: trial #2 lightgbm of this search, validation accuracy 0.79." in "".join(
        page_of(other)
    )
    assert [row["is_champion"] for row in other.to_json()] == [False, False, True, False, False]
    frame = other.frame()
    assert list(frame["state"]) == ["result", "done", "done", "done", "done"]
    assert [line.split()[-2] for line in str(frame).splitlines()[1:6]] == states


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_narrow_terminals_lose_whole_columns_and_no_digit(
    board: Leaderboard, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setattr(pages, "_PIPED_COLUMNS", width)
    lines = page_of(board, marked={0})[:6]
    titles = lines[0].split()
    assert all(len(line) <= width for line in lines)
    assert "…" not in "".join(lines)
    assert {"#", "family", "validation", "run"} <= {*titles}
    assert lines[2].startswith("*")
    assert "0.89" in lines[3].split()
    assert [line.split()[-1] for line in lines[1:]] == ["f" * 8, *(str(number) * 8 for number in range(4))]
    gone = [name for name in ("origin", "size", "time", "±") if name not in titles]
    assert gone == ["origin", "size", "time", "±"][: len(gone)]
    assert (len(gone) == 0) == (width >= 100)


def test_what_was_not_measured_is_left_empty(board: Leaderboard) -> None:
    stopped = replace(board.trials[0], state="timeout", predict_ms_per_1000_rows=None, model_bytes=None)
    line = page_of(Leaderboard(None, (stopped,)))[1]
    assert "0 B" not in line
    assert line.split() == ["0", "tabm", "0.99", "0.0057", "12s", "timeout", "portfolio", "0" * 8]


def test_the_result_stays_on_top_in_every_order(board: Leaderboard) -> None:
    backwards = replace(board, trials=board.trials[::-1]).sorted_by("trial")
    assert [row.trial for row in backwards.trials] == [0, 1, 2, 3]
    assert backwards.frame()["state"].iloc[0] == "champion"


def test_show_names_no_memory_that_was_not_measured(board: Leaderboard) -> None:
    trial = TrialDescription(
        row=board.trials[0],
        search="wine",
        search_run_id="f" * 32,
        metric="accuracy",
        fold_scores=(),
        metrics={},
        candidate={},
        error="",
        traceback="",
        has_model=False,
        artifacts=(),
    )
    page = io.StringIO()
    print_description(trial, page, as_json=False)
    assert "  took       12s\n" in page.getvalue()
    page = io.StringIO()
    print_description(replace(trial, metrics={"peak_bytes": 2**20}), page, as_json=False)
    assert "12s, 1.0 MB of memory at most" in page.getvalue()
