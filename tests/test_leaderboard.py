from __future__ import annotations

import io
from dataclasses import replace

import pandas as pd
import pytest

from automl.cli.pages import print_leaderboard
from automl.leaderboard import Leaderboard, champion_row
from automl.leaderboard_frame import COLUMNS, SHOWN
from automl.tracker.record import LeaderboardRow
from automl.wording import whole_percents

FAMILIES = ("tabm", "extra_trees", "lightgbm", "dummy")
WEIGHTS = {1: 1 / 3, 2: 1 / 3, 0: 1 / 3}


@pytest.fixture
def board() -> Leaderboard:
    """Four trials, of which three make the champion."""
    rows = tuple(
        LeaderboardRow(
            number,
            f"{number:x}" * 32,
            family,
            {"learning_rate": 0.1, "num_leaves": 31, "feature_fraction": 0.5},
            "done",
            "portfolio",
            0.99 - number / 10,
            0.0057,
            12.345678 + number,
            45.2,
            1_200_000,
        )
        for number, family in enumerate(FAMILIES)
    )
    members = [
        {"trial": number, "run_id": rows[number].run_id, "family": rows[number].family, "weight": weight}
        for number, weight in WEIGHTS.items()
    ]
    best = {"kind": "ensemble", "validation": 0.995, "members": members}
    return Leaderboard(champion_row("f" * 32, best, {"model_bytes": 2e6}, rows), rows)


def test_whole_percents_add_up_to_100() -> None:
    assert whole_percents([1 / 3, 1 / 3, 1 / 3]) == [34, 33, 33]
    assert whole_percents([0.995, 0.005]) == [100, 0]
    assert whole_percents([0.005, 0.995]) == [1, 99]
    assert whole_percents([2, 1, 1]) == [50, 25, 25]
    assert whole_percents([]) == []


def test_the_champion_stands_above_the_trials_of_the_frame(board: Leaderboard) -> None:
    frame = board.frame()
    first = frame.iloc[0]
    assert (first["family"], first["state"], first["run_id"]) == ("ensemble", "champion", "f" * 32)
    assert first["trial"] is pd.NA
    assert list(frame["trial"].iloc[1:]) == [0, 1, 2, 3]
    assert frame["percent"].sum() == 100
    assert frame.set_index("trial")["percent"].dropna().to_dict() == {1: 34, 2: 33, 0: 33}
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
    assert running.frame()["percent"].isna().all()
    assert {entry["kind"] for entry in running.to_json()} == {"trial"}


def test_members_are_marked_and_named_also_when_few_rows_are_shown(board: Leaderboard) -> None:
    page = io.StringIO()
    print_leaderboard(board, page, rows=1)
    lines = page.getvalue().splitlines()
    assert "ensemble" in lines[1]
    assert "champion" in lines[1]
    assert "33%" in lines[2]
    assert lines[3] == "The champion is an ensemble of #1 extra_trees 34%, #2 lightgbm 33%, #0 tabm 33%."
    assert lines[4] == "3 more: -n 0 shows all."


def test_a_version_that_is_used_instead_is_named(board: Leaderboard) -> None:
    page = io.StringIO()
    print_leaderboard(replace(board, other_version="7"), page, rows=0)
    assert "use version 7 of the model instead" in page.getvalue()


def test_the_champion_stays_on_top_in_every_order(board: Leaderboard) -> None:
    backwards = Leaderboard(board.champion, board.trials[::-1]).sorted_by("trial")
    assert [row.trial for row in backwards.trials] == [0, 1, 2, 3]
    assert backwards.frame()["state"].iloc[0] == "champion"
