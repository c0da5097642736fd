"""Reports in a real browser: on paper nothing is cut off, on a phone the page itself does not scroll."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
BEYOND = """[...document.querySelectorAll('table, svg, img, pre, p')]
    .map(e => Math.round(e.getBoundingClientRect().right)).filter(x => x > innerWidth + 1)"""
# Words of plots that are cut off at a plot's edge.
CUT = """() => [...document.querySelectorAll('svg text')].filter(text => {
    const own = text.getBoundingClientRect(), frame = text.ownerSVGElement.getBoundingClientRect();
    return own.left < frame.left - 2 || own.right > frame.right + 2 || own.top < frame.top - 2;
}).map(text => text.ownerSVGElement.dataset.plot + ': ' + text.textContent)"""
SEARCHES = {
    "breast_cancer": {"target": "class", "families": ("linear", "extra_trees"), "trials": 4},
    "wine": {"target": "class", "families": ("linear", "extra_trees", "xgboost"), "trials": 6},
    "diabetes": {"target": "progression", "families": ("linear", "extra_trees"), "trials": 4},
    "digits": {"families": ("image_probe",), "trials": 2, "folds": 2},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def reports(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of a binary, a multiclass and a regression search, and of one of images."""
    import automl
    from automl.cli.examples import write_example
    from automl.report.build import write_report

    folder = tmp_path_factory.mktemp("reports")
    written = {}
    for name, given in SEARCHES.items():
        data, store = write_example(name, folder), folder / "mlruns"
        if name == "digits":
            for image in data.glob("*/*.png"):
                if int(image.stem) % 10:
                    image.unlink()
        automl.search(data, executor="inline", store=store, **given)
        written[name] = write_report(name, out=folder / f"{name}.html", store=store)
    return written


@pytest.mark.parametrize(("media", "width"), [("print", 690), ("screen", 390), ("screen", 1180)])
def test_nothing_is_cut_off(browser: Any, reports: dict[str, Path], media: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(reports["wine"].as_uri())
    page.emulate_media(media=media)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    if media == "print":
        assert page.evaluate(BEYOND) == []
    page.close()


def test_on_a_phone_plots_and_the_leaderboard_are_seen_whole(browser: Any, reports: dict[str, Path]) -> None:
    beyond = """[...document.querySelectorAll('figure.wide svg, .leaderboard td')]
        .map(e => Math.round(e.getBoundingClientRect().right)).filter(x => x > innerWidth + 1)"""
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto(reports["wine"].as_uri())
    assert page.evaluate(beyond) == []
    assert page.locator("figure.wide svg:visible").count() == 3
    page.close()


@pytest.mark.parametrize("name", SEARCHES)
def test_a_report_asks_for_nothing_has_no_error_and_fits_screen_phone_and_paper(
    browser: Any, reports: dict[str, Path], name: str, tmp_path: Path
) -> None:
    path = reports[name]
    pictures = Path(os.environ.get("AUTOML_SCREENSHOTS", tmp_path))
    assert path.stat().st_size < 3_000_000
    for width, scheme in ((1200, "light"), (390, "light"), (390, "dark")):
        page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
        asked: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
        page.on(
            "console",
            lambda said, errors=errors: errors.append(said.text) if said.type == "error" else None,
        )
        page.goto(path.as_uri())
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
        assert errors == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CUT) == []
        assert page.evaluate("[...document.images].every(i => i.alt && i.naturalWidth > 100)")
        page.screenshot(path=str(pictures / f"report-{name}-{width}-{scheme}.png"), full_page=True)
        if width == 1200:
            assert page.pdf(format="A4").startswith(b"%PDF")
        page.close()
