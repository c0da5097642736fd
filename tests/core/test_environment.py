from __future__ import annotations

import os
from pathlib import Path

import pytest

from automl.core.environment import CACHE_DIR, WEIGHTS_DIR, cache_dir, cache_in, variables, weights_in


def test_variables_are_afterwards_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOML_TEST_KEPT", "before")
    monkeypatch.delenv("AUTOML_TEST_NEW", raising=False)
    with variables({"AUTOML_TEST_KEPT": "meanwhile", "AUTOML_TEST_NEW": "meanwhile"}):
        assert os.environ["AUTOML_TEST_KEPT"] == os.environ["AUTOML_TEST_NEW"] == "meanwhile"
    assert os.environ["AUTOML_TEST_KEPT"] == "before"
    assert "AUTOML_TEST_NEW" not in os.environ


def test_no_folder_of_weights_changes_nothing(tmp_path: Path) -> None:
    assert weights_in(None) == weights_in("") == {}
    assert weights_in(tmp_path) == {WEIGHTS_DIR: str(tmp_path)}


def test_what_is_worth_keeping_has_a_folder_while_a_search_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CACHE_DIR, raising=False)
    assert cache_dir() is None
    assert cache_in("") == {}
    with variables(cache_in(tmp_path)):
        assert cache_dir() == tmp_path
    assert cache_dir() is None
