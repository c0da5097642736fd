"""The report in a real browser: on paper nothing is cut off, on a phone the page itself does not scroll."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BEYOND = """[...document.querySelectorAll('table, svg, img, pre, p')]
    .map(e => Math.round(e.getBoundingClientRect().right)).filter(x => x > innerWidth + 1)"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import automl
    from automl.cli.examples import write_example
    from automl.report.build import write_report

    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    folder = tmp_path_factory.mktemp("report")
    path, store = write_example("wine", folder), folder / "mlruns"
    families = ("linear", "extra_trees", "xgboost")
    automl.search(path, target="class", trials=6, families=families, executor="inline", store=store)
    return write_report("wine", out=folder / "report.html", store=store)


@pytest.mark.parametrize(("media", "width"), [("print", 690), ("screen", 390), ("screen", 1180)])
def test_nothing_is_cut_off(report: Path, media: str, width: int) -> None:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto(report.as_uri())
        page.emulate_media(media=media)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        if media == "print":
            assert page.evaluate(BEYOND) == []
        browser.close()


def test_on_a_phone_plots_and_the_leaderboard_are_seen_whole(report: Path) -> None:
    beyond = """[...document.querySelectorAll('figure.wide svg, .leaderboard td')]
        .map(e => Math.round(e.getBoundingClientRect().right)).filter(x => x > innerWidth + 1)"""
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 900})
        page.goto(report.as_uri())
        assert page.evaluate(beyond) == []
        assert page.locator("figure.wide svg:visible").count() == 3
        browser.close()
