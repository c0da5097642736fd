"""Groups of searches on images: of a table with paths, and why a folder has none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import photo
from subjects import Searched

import automl
from automl.core.errors import UsageError
from automl.report.build import write_card, write_report


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
