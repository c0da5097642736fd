from __future__ import annotations

import os
from pathlib import Path

import pytest

from automl.core.environment import WEIGHTS_DIR, variables, weights_in


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
