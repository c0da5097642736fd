"""What a notebook shows while a search runs: the pages that are drawn, and a real kernel that draws them."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import automl
from automl.cli.examples import write_example
from automl.controller.notebook_view import UPDATE_SECONDS, NotebookView
from automl.core.trial import Candidate, Progress, Scores, Status, Trial, TrialResult


@dataclass
class Cell:
    """Keeps what is drawn, and when."""

    pages: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def draw(self, page: str, line: str) -> None:
        self.pages.append(page)
        self.times.append(time.monotonic())

    def say(self, line: str) -> None:
        self.lines.append(line)


class Closed(HTMLParser):
    """Fails where a tag is not closed by its own."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.words = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None: ...

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def ended(number: int, score: float, family: str = "linear") -> Trial:
    return Trial(number, Candidate(family=family)).finished(
        TrialResult(status=Status.DONE, seconds=1.0), Scores(score, 0.01, (score,))
    )


def test_a_search_is_drawn_from_reading_to_its_champion(tmp_path: Path) -> None:
    cell = Cell()
    with NotebookView(cell, trials=4) as view:
        data = write_example("wine", tmp_path)
        given: Any = {"families": ("linear",), "executor": "inline", "store": tmp_path / "mlruns"}
        result = automl.search(data, target="class", trials=4, watcher=view, **given)
        view.delivered(result)
    assert "reading the data" in cell.pages[0]
    last = Closed(cell.pages[-1]).words
    assert "178 rows" in last
    assert "4 of 4 trials" in last
    assert f"{result.best.validation:.5g}" in last
    assert "4 done" in last
    assert "#1linear" in last.replace(" ", "")
    assert "<script" not in cell.pages[-1]
    assert any("#0" in line and "dummy" in line for line in cell.lines)


def test_what_runs_and_how_far_it_is_stands_there_and_nothing_of_it_remains() -> None:
    cell = Cell()
    with suppress(KeyboardInterrupt), NotebookView(cell) as view:
        view.started(Trial(7, Candidate(family="<b>own")))
        view.progressed(Progress(7, 0.4, "fold 2 & 3"))
        view.finished(ended(6, 0.5), 0.5)
        time.sleep(1.1 * UPDATE_SECONDS)
        view.ticked()
        raise KeyboardInterrupt
    running, over = (Closed(page).words for page in cell.pages[-2:])
    assert "<b>own" in running
    assert "fold 2 & 3" in running
    assert "width:40%" in cell.pages[-2]
    assert "<b>own" not in over
    assert "interrupted" in over


def test_it_is_drawn_four_times_a_second_at_most() -> None:
    cell = Cell()
    with NotebookView(cell) as view:
        until = time.monotonic() + 1.0
        number = 0
        while time.monotonic() < until:
            view.finished(ended(number, 0.5 + number * 1e-6), None)
            view.ticked()
            number += 1
            time.sleep(0.01)
        assert len(cell.pages) <= 6
        assert all(b - a >= UPDATE_SECONDS for a, b in zip(cell.times, cell.times[1:], strict=False))


def test_the_best_is_the_better_of_ensemble_and_trial_and_never_falls() -> None:
    cell = Cell()
    with NotebookView(cell) as view:
        view.finished(ended(0, 0.3), 0.3)
        view.finished(ended(1, 0.9), 0.8)
        view.finished(ended(2, 0.5), 0.85)
    assert "so far: 0.9" in Closed(cell.pages[-1]).words


def test_outside_of_a_notebook_nothing_is_shown_and_nothing_imported() -> None:
    code = (
        "import sys; from automl.controller.notebook_view import notebook_view; "
        "assert notebook_view() is None; assert 'IPython' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_kernel_shows_one_display_that_is_updated_and_the_result_below(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason='pip install -e ".[notebook]"')
    nbclient = pytest.importorskip("nbclient", reason='pip install -e ".[notebook]"')
    write_example("wine", tmp_path)
    cells = (
        'import automl\nresult = automl.search("wine.csv", target="class", trials=4, families=("linear",))',
        "result",
        "result.leaderboard",
        "result.plot_history()",
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    heard: list[tuple[float, str]] = []

    class Client(nbclient.NotebookClient):  # type: ignore[misc,name-defined]
        def process_message(self, message: Any, cell: Any, place: int) -> Any:
            heard.append((time.monotonic(), message["msg_type"]))
            return super().process_message(message, cell, place)

    Client(book, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    updates = [at for at, what in heard if what == "update_display_data"]
    assert len(updates) >= 3
    assert len(updates) <= 4 * (updates[-1] - updates[0]) + 10
    shown = [output for output in book.cells[0].outputs if output.output_type == "display_data"]
    assert len(shown) == 1
    assert [output for output in book.cells[0].outputs if output.output_type == "error"] == []
    page = shown[0].data["text/html"]
    assert "4 of 4 trials" in Closed(page).words
    assert "best accuracy" in shown[0].data["text/plain"]
    assert "<table" in book.cells[1].outputs[0].data["text/html"]
    assert "validation" in book.cells[2].outputs[0].data["text/html"]
    assert "image/png" in book.cells[3].outputs[0].data
