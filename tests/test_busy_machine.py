"""A search beside processes that compute all the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl.cli.examples import write_example

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _benchmark_modules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_search_beside_eight_busy_processes_ends_near_its_budget_with_a_model(tmp_path, monkeypatch):
    import overrun
    from tables import TableSource

    write_example("wine", tmp_path)
    monkeypatch.setitem(overrun.TABLES, "wine", TableSource("wine.csv", "class"))
    with overrun.busy(8):
        run = overrun.measure("wine", 20, data=tmp_path, folder=tmp_path / "search", allowed=0.1)
    assert run.code == 0
    assert run.better
    assert run.seconds < 60  # before it planned by what it gets of the processor, 50 s of 30, without a model


def test_a_search_keeps_the_rule_only_in_time_and_with_a_model():
    from overrun import Overrun

    def broken(seconds: float, *, code: int = 0, better: bool = True, allowed: float = 0.05) -> str:
        return Overrun("t", 60, seconds, 0, code, 9, 0.9, 0.5, better, allowed).broken

    assert broken(62.9) == ""
    assert broken(63.1) == "too long"
    assert broken(65.9, allowed=0.1) == ""
    assert broken(50.0, better=False) == "no better than the constant"
    assert broken(50.0, code=6) == "exit 6"
