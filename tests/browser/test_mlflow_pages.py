"""MLflow's pages in a real browser: from what ``automl ui`` opens to the best trial and the champion."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # a busy machine starts servers slowly
sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 120


@dataclass(frozen=True)
class Opened:
    """A served store, what is in it, and a browser."""

    page_address: str
    result: Any
    browser: Any
    pictures: Path

    def open(self, address: str = "") -> Any:
        page = self.browser.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(SECONDS * 1000)
        page.goto(address or self.page_address)
        return page

    def picture(self, page: Any, name: str) -> None:
        page.wait_for_timeout(1500)  # what was asked for is there; let the rest settle
        page.screenshot(path=str(self.pictures / f"{name}.png"))


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    import psutil

    import automl
    from automl.cli.examples import write_example
    from automl.tracker.library import ui_server

    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    folder = tmp_path_factory.mktemp("pages")
    path = write_example("wine", folder)
    store = folder / "mlruns"
    result = automl.search(
        path, target="class", trials=5, families=("linear", "extra_trees"), executor="inline", store=store
    )
    server = ui_server(store=store, port=5210)
    process = subprocess.Popen(
        server.command,
        env={**os.environ, **server.environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    pictures = Path(os.environ.get("AUTOML_SCREENSHOTS", folder / "pictures"))
    pictures.mkdir(parents=True, exist_ok=True)
    try:
        _wait_for(f"{server.address}/health")
        with sync_api.sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            yield Opened(server.page, result, browser, pictures)
            browser.close()
    finally:
        for one in (*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)):
            one.kill()
        process.wait()


def _wait_for(address: str) -> None:
    ends = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.5)


def test_the_first_page_tells_the_result(opened: Opened) -> None:
    page = opened.open()
    page.get_by_text("expected on new rows").first.wait_for()
    text = page.inner_text("body")
    assert f"{opened.result.best.validation:.5g}" in text
    assert "Champion:" in text
    opened.picture(page, "search")
    page.close()


def test_three_clicks_lead_to_the_best_trial_to_its_plots_and_to_the_champion(opened: Opened) -> None:
    page = opened.open()
    row = opened.result.rows[0]
    name = f"#{row.trial} {row.family}"
    with page.expect_popup() as popup:
        page.get_by_role("link", name=name).first.click()  # one
    trial = popup.value
    trial.set_default_timeout(SECONDS * 1000)
    trial.get_by_text(f"{row.family}.{next(iter(row.params))}").first.wait_for()
    assert name in trial.inner_text("body")
    opened.picture(trial, "trial")
    trial.get_by_text("Show more").first.click()  # two
    drawn = "[...document.images].filter(i => i.src.includes('plots') && i.naturalWidth > 100 && i.complete)"
    trial.wait_for_function(f"{drawn}.length >= 1")
    opened.picture(trial, "plot")
    trial.close()
    with page.expect_popup() as popup:
        page.get_by_role("link", name="registered champion").click()  # three
    model = popup.value
    model.set_default_timeout(SECONDS * 1000)
    model.get_by_text("expected on new rows").first.wait_for()
    model.close()
    page.close()


def test_the_searchs_own_page_shows_its_plots(opened: Opened) -> None:
    page = opened.open()
    page.get_by_text("Show more").first.click()
    page.wait_for_function(
        "[...document.images].filter(i => i.src.includes('plots') && i.naturalWidth > 100)[0]"
    )
    opened.picture(page, "search-plots")
    page.close()


def test_a_click_leads_to_charts_of_score_against_cost(opened: Opened) -> None:
    page = opened.open()
    with page.expect_popup() as popup:
        page.get_by_role("link", name="charts", exact=True).click()
    charts = popup.value
    charts.set_default_timeout(SECONDS * 1000)
    charts.get_by_text("predict_ms_per_1000_rows").first.wait_for()
    charts.locator(".js-plotly-plot").first.wait_for()
    opened.picture(charts, "charts")
    charts.close()
    page.close()


def test_one_click_leads_to_the_registered_champion_which_is_described_in_one_line(opened: Opened) -> None:
    page = opened.open()
    with page.expect_popup() as popup:
        page.get_by_role("link", name="registered champion").click()
    model = popup.value
    model.set_default_timeout(SECONDS * 1000)
    model.get_by_text("expected on new rows").first.wait_for()
    assert "champion" in model.inner_text("body")
    opened.picture(model, "champion")
    model.close()
    page.close()


def test_all_trials_stand_in_a_table_best_first_with_their_scores(opened: Opened) -> None:
    page = opened.open()
    with page.expect_popup() as popup:
        page.get_by_role("link", name="all trials, the best first").click()
    table = popup.value
    table.set_default_timeout(SECONDS * 1000)
    best, last = opened.result.rows[0], opened.result.rows[-1]
    table.get_by_text(f"#{best.trial} {best.family}").first.wait_for()
    table.get_by_text("predict_ms_per_1000_rows").first.wait_for()
    text = table.inner_text("body")
    assert text.index(f"#{best.trial} {best.family}") < text.index(f"#{last.trial} {last.family}")
    opened.picture(table, "trials")
    table.close()
    page.close()
