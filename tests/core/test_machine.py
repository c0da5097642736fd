"""Processors and versions are counted in one place each."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import automl
from automl.core import machine
from automl.core.machine import GIBIBYTE, cores
from automl.core.version import library_versions
from automl.data.images.pixels import usable_threads

PACKAGE = Path(automl.__file__).parent


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight processors of which a container may use one and a half; the file that says so."""
    quota = tmp_path / "cpu.max"
    quota.write_text("150000 100000\n")
    monkeypatch.setattr(machine, "_QUOTAS", ((str(quota),),))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    return quota


def test_a_container_s_processors_are_those_that_it_is_allowed(container: Path) -> None:
    assert cores() == 2
    container.write_text("max 100000\n")
    assert cores() == 8


def test_images_are_decoded_with_the_processors_of_the_container(container: Path) -> None:
    assert usable_threads() == 2


def test_the_versions_name_this_package_and_what_is_installed() -> None:
    versions = library_versions("optuna", "no-such-distribution")
    assert versions["automl"] == automl.__version__
    assert {"numpy", "optuna"} <= versions.keys()
    assert "no-such-distribution" not in versions
    assert "optuna" not in library_versions()


@pytest.mark.parametrize(
    ("computed", "home"),
    [
        (r"sched_getaffinity|cpu_count", "core/machine.py"),
        (r"1 << 30|1024 ?\*\* ?3|2 ?\*\* ?30", "core/machine.py"),
        (r"import PackageNotFoundError, version", "core/version.py"),
    ],
    ids=["processors", "gibibytes", "versions"],
)
def test_it_is_computed_in_one_module(computed: str, home: str) -> None:
    places = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if re.search(computed, path.read_text(encoding="utf-8"))
    }
    assert places == {home}
    assert GIBIBYTE == 2**30
