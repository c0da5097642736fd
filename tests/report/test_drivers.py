"""What drives a slow champion: every column has its turn, and nothing is said that was not compared."""

from __future__ import annotations

import pytest
from slow_models import SlowChampion

from automl.report.driver_words import compared, headline, leaning


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
    assert "shuffled only together" in headline(found) or "cannot be told" in headline(found)


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
