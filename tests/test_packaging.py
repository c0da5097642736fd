"""What a user installs: the wheel holds the package, its search spaces and its licence, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow  # pip fetches the build backend
def test_the_wheel_holds_modules_and_search_spaces(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ROOT],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("automl_on_record-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "automl").rglob("*.py")}
    spaces = {f"automl/search_spaces/{path.name}" for path in (ROOT / "search_spaces").glob("*.yaml")}
    assert modules | spaces | {"automl/py.typed"} <= held
    assert not [name for name in held if name.startswith(("tests/", "benchmarks/", "mlruns/"))]
    (entry_points,) = [name for name in held if name.endswith("entry_points.txt")]
    assert "automl = automl.cli:main" in zipfile.ZipFile(wheel).read(entry_points).decode()
    assert [name for name in held if name.endswith("licenses/LICENSE")]
