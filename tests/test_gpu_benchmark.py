"""The benchmark of GPUs runs without one, in its small mode, and says where a GPU is missing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def benchmark(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), *words]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )


@pytest.mark.slow  # fits some twenty small nets
@pytest.mark.timeout(900)
def test_a_small_run_on_the_cpu_measures_every_part(tmp_path: Path) -> None:
    done = benchmark("--device", "cpu", "--small", "--out", str(tmp_path / "results.md"))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "results.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert [row[0] for row in rows].count("| table nets") == 6
    assert [row[0] for row in rows].count("| image nets") == 3
    assert "skipped" in rows[0][3] or "passed" in rows[0][3]
    for row in rows[1:]:
        assert re.match(r"[\d,.]+%?$", row[3]), row


@pytest.mark.slow  # imports torch
def test_what_there_is_no_time_for_is_listed() -> None:
    done = benchmark("--device", "cpu", "--small", "--no-tests", "--seconds", "0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no time was left") == 9


@pytest.mark.slow  # imports torch
@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="there is a GPU here")
def test_a_missing_gpu_is_said_with_the_way_out() -> None:
    done = benchmark("--small")
    assert done.returncode == 1
    assert "no NVIDIA GPU here. Next: --device cpu --small" in done.stderr
