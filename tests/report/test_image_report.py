"""Groups of searches on images: of a table with paths, and why a folder has none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import photo
from subjects import Searched

import automl
from automl.core.errors import UsageError
from automl.core.time_budget import Clock
from automl.report.build import write_card, write_report
from automl.report.facts.label_errors import HELD_OUT
from automl.report.figures.image_sheets import TOP_LOSSES
from automl.report.run_pages import leave_pages
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import read_file
from automl.tracker.store.location import locate_store


def test_a_table_with_images_is_scored_by_the_groups_of_its_columns(images: Searched, tmp_path: Path) -> None:
    given: dict[str, Any] = {"slices": ("station",), "store": images.store}
    page = write_report("shapes", out=tmp_path / "report.html", **given).read_text()
    assert "By station" in page
    assert "north" in page
    assert 'src="data:image/jpeg;base64,' in page
    card = write_card("shapes", out=tmp_path / "card.md", **given).read_text()
    assert "### By station" in card
    assert "| south | 20 |" in card
    with pytest.raises(UsageError, match="station"):
        write_card("shapes", out=tmp_path / "card.md", slices=("statoin",), store=images.store)


def test_another_image_under_the_same_name_is_noticed(images: Searched, tmp_path: Path) -> None:
    file = images.folder / "files" / "0.jpg"
    kept = file.read_bytes()
    photo(1, np.random.default_rng(9)).save(file)
    try:
        with pytest.raises(UsageError, match="changed since"):
            write_card("shapes", out=tmp_path / "card.md", slices=("station",), store=images.store)
    finally:
        file.write_bytes(kept)


def test_a_folder_of_images_has_no_groups_and_says_what_has(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    # A sign that the plots' font lacks: the search draws it without a word.
    for kind, name in enumerate(("square", "round 🐝")):
        (tmp_path / "folder" / name).mkdir(parents=True)
        for number in range(8):
            photo(kind, generator).save(tmp_path / "folder" / name / f"{number}.jpg")
    store = tmp_path / "mlruns"
    given: dict[str, Any] = {"trials": 1, "folds": 2, "families": ("dummy",), "executor": "inline"}
    automl.search(tmp_path / "folder", store=store, **given)
    with pytest.raises(UsageError, match="column of paths"):
        write_report("folder", out=tmp_path / "r.html", slices=("region",), store=store)


def test_a_report_draws_the_sheets_that_a_search_had_no_time_for(images: Searched, tmp_path: Path) -> None:
    store = tmp_path / "mlruns"
    shutil.copytree(images.store, store)
    for made in store.glob("artifacts/*/*/artifacts/images"):
        shutil.rmtree(made)
    record, run_id = Record(locate_store(None, store)), images.result.run_id
    given = {"evidence": images.result.evidence, "predictor": images.result.predictor}
    leave_pages(record.location, run_id, clock=Clock(60, spent=60), **given)
    listed = read_file(record, run_id, HELD_OUT)
    assert listed is not None  # the list needs no time
    assert len(listed.splitlines()) == 61
    assert read_file(record, run_id, TOP_LOSSES) is None
    arguments: dict[str, Any] = {"store": store, "data": str(images.folder / "data.csv")}
    page = write_report("shapes", out=tmp_path / "report.html", **arguments).read_text()
    assert 'src="data:image/jpeg;base64,' in page
    assert read_file(record, run_id, TOP_LOSSES) is not None


def test_a_report_says_why_it_has_no_sheets(images: Searched, tmp_path: Path) -> None:
    store = tmp_path / "mlruns"
    shutil.copytree(images.store, store)
    for made in store.glob("artifacts/*/*/artifacts/images"):
        shutil.rmtree(made)
    data, aside = images.folder / "data.csv", images.folder / "aside.csv"
    data.rename(aside)
    try:
        page = write_report("shapes", out=tmp_path / "report.html", store=store).read_text()
    finally:
        aside.rename(data)
    assert "there are no sheets" in page
    assert "--data" in page
