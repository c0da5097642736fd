from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.feather as feather
import pytest

from automl.problem.references import folders_beside, kept_in, refer_to

IMAGES = ["/here/cache/pixels-a#0", "/here/cache/pixels-a#7", None, "/here/cache/pixels-b#1"]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The parts of a saved problem that refer to other folders."""
    (tmp_path / "untouched").mkdir()
    for place, cells in ((tmp_path, IMAGES), (tmp_path / "untouched", IMAGES[:2])):
        table = pa.table({"0": pa.array(cells, pa.string())})
        feather.write_feather(table, place / "image.arrow", compression="uncompressed")
    feather.write_feather(pa.table({"0": ["issue #3"]}), tmp_path / "texts.arrow")
    (tmp_path / "problem.json").write_text(json.dumps({"threads": 2, "weights_dir": "/here/weights"}))
    return tmp_path


def cells(path: Path) -> list[str | None]:
    column: list[str | None] = feather.read_table(path).column("0").to_pylist()
    return column


def test_folders_that_rows_refer_to_are_found_once(saved: Path) -> None:
    assert set(folders_beside(saved)) == {"/here/cache/pixels-a", "/here/cache/pixels-b"}
    assert len(folders_beside(saved)) == 2


def test_references_follow_a_folder_that_moved(saved: Path) -> None:
    refer_to(saved, {"/here/cache/pixels-a": "/there/a"})
    moved = ["/there/a#0", "/there/a#7", None, "/here/cache/pixels-b#1"]
    assert cells(saved / "image.arrow") == moved
    assert cells(saved / "untouched" / "image.arrow") == moved[:2]
    assert cells(saved / "texts.arrow") == ["issue #3"]


def test_a_node_keeps_what_it_computes_on_its_own_disk(saved: Path) -> None:
    kept_in(saved, cache_dir=Path("/there/cache"), weights_dir=None)
    body = json.loads((saved / "problem.json").read_text())
    assert body == {"threads": 2, "cache_dir": "/there/cache", "weights_dir": ""}
