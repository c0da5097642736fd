"""Make the pictures of the README from a real search: needs ".[browser]" and Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI

import automl
from automl.cli.examples import write_example
from automl.cli.live_picture import Snapshot, picture
from automl.cli.live_view import LiveView
from automl.report.build import write_report
from automl.tracker.library import ui_server

OUT = Path(__file__).parent / "images"
SECONDS = 60
COLUMNS = 110


class Watching(LiveView):
    """Keeps the last picture in which two trials ran, past the middle of the search."""

    def __init__(self, nowhere: Any) -> None:
        super().__init__(Console(file=nowhere, width=COLUMNS, force_terminal=True))
        self.kept: Snapshot | None = None

    def ticked(self) -> None:
        """Draw, and keep what is worth a picture."""
        super().ticked()
        moving = [running for running in self.running.values() if running.progress is not None]
        if self.elapsed > SECONDS / 2 and (len(moving) > 1 or self.kept is None):
            self.kept = self.snapshot()


def main() -> None:
    """Search, then photograph the terminal, the report and MLflow's pages."""
    OUT.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as scratch, open(os.devnull, "w", encoding="utf-8") as nowhere:
        folder = Path(scratch)
        path = write_example("breast_cancer", folder)
        store = folder / "mlruns"
        watching = Watching(nowhere)
        automl.search(path, target="class", time=SECONDS, store=store, watcher=watching)
        watching.close()
        assert watching.kept is not None
        terminal = Console(file=nowhere, width=COLUMNS, record=True, force_terminal=True)
        terminal.print(picture(watching.kept, COLUMNS))
        terminal.save_html(str(folder / "live.html"), theme=MONOKAI)
        write_report("breast_cancer", out=folder / "report.html", store=store)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            _photograph(browser, (folder / "live.html").as_uri(), "live", (950, 400))
            _photograph(browser, (folder / "report.html").as_uri(), "report", (1000, 1150))
            _mlflow(browser, store)
            browser.close()


def _photograph(browser: Any, address: str, name: str, size: tuple[int, int], wait: float = 0.5) -> None:
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.goto(address)
    time.sleep(wait)
    page.screenshot(path=str(OUT / f"{name}.png"))
    page.close()


def _mlflow(browser: Any, store: Path) -> None:
    server = ui_server(store=store, port=5310)
    process = subprocess.Popen(
        server.command,
        env={**os.environ, **server.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{server.address}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        _photograph(browser, server.page, "mlflow", (1400, 900), wait=25)
    finally:
        import psutil

        for one in (*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)):
            one.kill()
        process.wait()


if __name__ == "__main__":
    main()
