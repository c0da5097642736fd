"""What starting up loads, and what it costs. Each check is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "xgboost", "lightgbm", "catboost", "mlflow", "optuna", "pandas", "sklearn")
# 0.3 s of CPU time is the aim; the test leaves room for a busy machine, and any of the imports above costs
# more than that room.
HELP_CPU_SECONDS = 1.0

_REPORT = f"""
import sys
print("loaded:", *sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
"""
_COMMAND = """
import sys
from automl.cli import main
sys.argv = ["automl", {flag!r}]
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
"""


def _run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_importing_automl_loads_no_heavy_library() -> None:
    finished = _run("import automl; automl.__version__" + _REPORT)
    assert finished.stderr.splitlines()[-1] == "loaded:"


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_the_command_line_starts_without_heavy_libraries(flag: str) -> None:
    finished = _run(_COMMAND.format(flag=flag) + _REPORT)
    assert finished.stderr.splitlines()[-1] == "loaded:"
    assert "automl" in finished.stdout


@pytest.mark.parametrize(
    ("words", "needed"), [("families", ""), ("spaces list", ""), ("check data.csv --target y", "pandas")]
)
def test_commands_without_a_search_load_what_they_need_alone(words: str, needed: str, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x,y\n" + "".join(f"{i % 7},{i % 2}\n" for i in range(50)))
    code = f"import os; os.chdir({str(tmp_path)!r})" + _COMMAND.replace("{flag!r}", "*{flag!r}")
    finished = _run(code.format(flag=words.split()) + _REPORT)
    assert finished.stderr.splitlines()[-1].split()[1:] == needed.split()


def test_help_is_quick() -> None:
    command = Path(sys.executable).with_name("automl")
    subprocess.run([command, "--help"], capture_output=True, check=True)  # compiles the modules
    before = os.times()
    subprocess.run([command, "--help"], capture_output=True, check=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert spent < HELP_CPU_SECONDS, f"automl --help took {spent:.2f} s of CPU time"


@pytest.mark.slow
@pytest.mark.parametrize("order", ["torch, xgboost", "xgboost, torch"])
def test_xgboost_and_torch_load_together(order: str) -> None:
    # Their wheels bring two versions of one NCCL library, and the one installed last is what both get.
    _run(f"import {order}; xgboost.DMatrix([[1.0]]); torch.ones(2).sum()")
