"""What drives a slow champion: every column has its turn, and nothing is said that was not compared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from slow_models import SlowChampion
from subjects import Searched

from automl.core.metrics import METRICS
from automl.data.layout import Layout
from automl.model.decision import Decision
from automl.model.prediction_pace import PredictionPace
from automl.model.source_columns import SourceColumn, columns_of, piece_name
from automl.report.facts.dependence import dependence_of
from automl.report.facts.driver_words import compared, headline, leaning
from automl.report.facts.importance import Judge, Measured
from automl.report.facts.shuffling import Shuffler
from automl.report.figures.champion import dependence_plot


@pytest.mark.parametrize(("columns", "driver"), [(80, 79), (80, 0), (300, 299), (300, 150), (12, 11)])
@pytest.mark.parametrize("seconds_per_row", [0.0001, 0.002, 0.008])
def test_the_driver_is_found_wherever_in_the_file_it_stands(
    columns, driver, seconds_per_row, tmp_path, monkeypatch
):
    champion = SlowChampion(tmp_path, columns, {driver: 3.0, columns // 3: 1.0}).member(seconds_per_row)
    found = champion.explained(monkeypatch, seconds=20.0)
    assert found.importances[0].feature == f"c{driver}"
    assert found.leaders[0] == f"c{driver}"
    assert f"it leans most on c{driver}" in leaning(found)
    covered = found.compared + sum(len(group.features) for group in found.groups)
    assert covered == found.features == columns


def test_what_was_only_shuffled_in_groups_is_said_in_numbers(tmp_path, monkeypatch):
    found = SlowChampion(tmp_path, 80, {79: 3.0}).member(0.008).explained(monkeypatch, seconds=20.0)
    assert 0 < found.compared < 80
    assert f"{found.compared} of 80 features were compared one by one; the others only in groups" in compared(
        found
    )


def test_no_driver_is_named_where_a_group_that_was_not_split_matters_more(tmp_path, monkeypatch):
    weights = dict.fromkeys(range(60), 1.0)
    found = SlowChampion(tmp_path, 60, weights).member(0.02).explained(monkeypatch, seconds=20.0)
    assert found.leaders == ()
    assert "most" not in leaning(found)
    assert "most important" not in headline(found)
    assert "shuffled only together" in headline(found) or "is unclear" in headline(found)


def test_two_features_within_chance_of_each_other_are_named_together_and_neither_most(tmp_path, monkeypatch):
    found = SlowChampion(tmp_path, 5, {1: 1.0, 3: 1.0}).member(1e-5).explained(monkeypatch, seconds=20.0)
    assert set(found.leaders) == {"c1", "c3"}
    assert "The 2 most important are" in headline(found)
    many = SlowChampion(tmp_path, 8, dict.fromkeys(range(8), 1.0)).member(1e-5)
    assert many.explained(monkeypatch, seconds=20.0).leaders == ()


def test_the_quickest_member_finds_what_a_slow_ensemble_is_then_asked_about(tmp_path, monkeypatch):
    champion = SlowChampion(tmp_path, 80, {79: 3.0}).member(0.01, "tabm", 0.7).member(1e-5, "linear", 0.3)
    found = champion.explained(monkeypatch, seconds=20.0)
    assert found.stand_in == "linear"
    assert found.leaders == ("c79",)
    assert "its quickest member (linear)" in compared(found)
    assert "the others only all together" in compared(found)


def test_a_champion_too_slow_for_anything_gets_no_importance(tmp_path, monkeypatch):
    champion = SlowChampion(tmp_path, 80, {79: 3.0}).member(0.2)
    found = champion.explained(monkeypatch, seconds=20.0)
    assert found.importances == ()
    assert leaning(found) == ""


def test_a_call_that_costs_much_is_not_taken_for_slow_rows(tmp_path, monkeypatch):
    champion = SlowChampion(tmp_path, 15, {3: 3.0, 7: 1.0}).member(0.0002, per_call=0.3, to_open=4.0)
    found = champion.explained(monkeypatch, seconds=20.0)
    assert found.compared == len(found.importances) == 15
    assert found.leaders == ("c3",)


def test_groups_have_intervals_and_the_time_is_told_in_seconds(tmp_path, monkeypatch):
    found = SlowChampion(tmp_path, 80, {79: 3.0}).member(0.02).explained(monkeypatch, seconds=20.0)
    assert found.groups
    assert all(group.low <= group.value <= group.high for group in found.groups)
    untold = replace(found, importances=(), leaders=(), compared=0)
    assert headline(untold).startswith("No feature could be shuffled alone in 20s")
    assert "slow" not in compared(found) + headline(untold)


def test_the_rows_are_the_same_where_the_machine_is_a_little_slower(tmp_path, monkeypatch):
    made = []
    for slower in (1.0, 1.1):
        champion = SlowChampion(tmp_path, 12, {3: 3.0}).member(0.0014 * slower)
        made.append(champion.explained(monkeypatch, seconds=20.0))
    assert made[0].rows == made[1].rows
    assert made[0].importances == made[1].importances


def test_all_that_was_made_of_a_column_is_shuffled_together_under_its_name():
    rng = np.random.default_rng(0)
    letters, numbers = rng.choice([*"ABC"], 60), rng.integers(100, 999, 60)
    frame = pd.DataFrame(
        {
            "ticket": [f"{letter}-{number}" for letter, number in zip(letters, numbers, strict=True)],
            "day": pd.date_range("2024-01-01", periods=60, freq="17D"),
            "x": rng.normal(size=60),
        }
    )
    layout = Layout.infer(frame)
    table = layout.encode(frame).table
    columns = {column.name: column for column in columns_of(table, layout)}
    assert set(columns) == {"ticket", "day", "x"}
    assert sum(len(column.pieces) for column in columns.values()) == (
        len(table.features.numbers) + len(table.features.categories)
    )
    ticket = columns["ticket"]
    names = [piece_name(table, ticket, piece) for piece in ticket.pieces]
    assert names == ["ticket, its number part", "ticket, its category part"]
    day = columns["day"]
    assert [piece_name(table, day, piece) for piece in day.pieces][:3] == ["day", "day, year", "day, month"]
    asked = []
    shuffler = Shuffler(
        predict=lambda made, _: asked.append(made) or np.zeros((made.rows, 1)),
        table=table,
        places=np.arange(60),
        pace=PredictionPace(1e-6),
        seed=0,
    )
    shuffler.shuffled([(ticket,)], float("inf"))
    assert not np.array_equal(asked[-1].numbers, table.numbers)
    assert pairs(asked[-1], ticket) == pairs(table, ticket)


def pairs(table, column):
    """What stands together in a column's two parts."""
    (_, number), (_, category) = column.pieces
    return set(zip(table.numbers[:, number], table.codes[:, category], strict=True))


def test_dependence_on_a_date_is_drawn_over_dates_and_weekdays_have_names(regression: Searched) -> None:
    days = pd.date_range("2024-02-01", periods=60, freq="D")
    frame = pd.DataFrame({"day": days, "x": np.arange(60) / 7})
    layout = Layout.infer(frame)
    table = layout.encode(frame).table
    day = next(column for column in columns_of(table, layout) if column.name == "day")
    pieces = {piece_name(table, day, piece): piece for piece in day.pieces}
    shuffler = Shuffler(
        predict=lambda made, _: made.numbers[:, :1],
        table=table,
        places=np.arange(60),
        pace=PredictionPace(1e-6),
        seed=0,
    )
    when = dependence_of(shuffler, day, pieces["day"], 60)
    assert when.feature == "day"
    assert when.ends == ("2024-02-02", "2024-03-29")
    assert regression.result.evidence is not None
    figure = dependence_plot(when, regression.result.evidence)
    figure.draw_without_rendering()
    ticks = [text.get_text() for text in figure.axes[0].get_xticklabels() if text.get_text()]
    assert 2 <= len(ticks) <= 4
    assert not any("," in text for text in ticks)
    assert any("Mar" in text for text in ticks)
    weekdays = dependence_of(shuffler, day, pieces["day, weekday"], 60)
    assert weekdays.grid[:2] == ("Monday", "Tuesday")
    assert len(weekdays.grid) == 7


def test_a_column_that_changes_no_score_is_0_and_not_the_rounding_error_of_a_mean():
    target = np.arange(7) % 2
    base = np.tile([0.616, 0.384], (7, 1))
    judge = Judge(METRICS["accuracy"], target, Decision())
    shifted = np.add(base, [[0.01, -0.01]])  # other probabilities, the same answers
    columns = [SourceColumn(name, "number", ()) for name in ("unused", "moves no answer")]
    measured = Measured.of(judge, base, dict(zip(columns, ([base] * 3, [shifted] * 3), strict=True)), seed=0)
    assert [item.value for item in measured.importances()] == [0.0, 0.0]
    assert measured.interval(columns[0]) == (0.0, 0.0)
