"""Kinds of data of other packages: a whole search on one, from a folder of its files to the report."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import automl as automl_here
from plugged_in import importable, install

import automl
from automl.core.errors import DataError, UsageError
from automl.core.family import FAMILY_GROUP
from automl.core.modality import MODALITY_GROUP, TABLES
from automl.data.images.modality import MODALITY as IMAGES
from automl.data.layout import Layout
from automl.data.modalities import broken_modalities, modalities, modality_of, refresh_modalities
from automl.families import refresh_families
from automl.model.file_numbers import with_file_numbers
from automl.problem.preparation import prepare
from automl.problem.settings import Settings

TOY = Path(__file__).with_name("seismograms.py")
PACKAGE = Path(automl.__file__).parent


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Path]:
    """The toy beside one that cannot be imported; the folder that both are in."""
    folder = install(TOY, MODALITY_GROUP, tmp_path / "site")
    install(tmp_path / "absent.py", MODALITY_GROUP, folder)
    points = folder / f"{TOY.stem}-1.0.dist-info" / "entry_points.txt"
    points.write_text(f"{points.read_text()}[{FAMILY_GROUP}]\nshakiness = {TOY.stem}\n")
    with importable(folder):
        space = re.search(r'SPACE = """(.*?)"""', TOY.read_text(), re.DOTALL)
        assert space is not None
        (folder / "shakiness.yaml").write_text(space[1])
        refresh_modalities()
        refresh_families()
        yield folder
    refresh_modalities()
    refresh_families()


@pytest.fixture
def quakes(tmp_path: Path) -> Path:
    """Forty recordings, half of them of something."""
    generator = np.random.default_rng(0)
    for number in range(40):
        label, strength = ("still", 0.3) if number % 2 else ("shaking", 2.0)
        file = tmp_path / "quakes" / label / f"{number}.seis"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savetxt(file, generator.normal(0, strength, 30))
    return tmp_path / "quakes"


def command(folder: Path, plug_ins: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run ``automl …`` in a process of its own, which finds the packages in ``plug_ins``."""
    return subprocess.run(
        [sys.executable, "-m", "automl", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), str(plug_ins)])},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.slow
def test_a_whole_search_runs_on_it_from_the_command_line(
    installed: Path, quakes: Path, tmp_path: Path
) -> None:
    (quakes / "still" / "empty.seis").touch()
    done = command(tmp_path, installed, "search", "quakes", "--trials", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert "quakes: 40 seismograms" in done.stderr
    assert "still/empty.seis (holds nothing)" in done.stderr
    assert {member["family"] for member in json.loads(done.stdout)["best"]["members"]} == {"shakiness"}
    assert list((tmp_path / "mlruns").rglob("seismograms/traces.png")), "on the search's run"
    model = automl.load("quakes", store=tmp_path / "mlruns")
    (quakes / "still" / "empty.seis").unlink()
    predicted = model.predict(quakes)
    assert (predicted == [path.split("/")[0] for path in predicted.index]).mean() > 0.9
    page = automl_here("report", "quakes", "-o", "page.html", folder=tmp_path)
    assert page.returncode == 0, page.stderr
    html = (tmp_path / "page.html").read_text()
    assert '<section id="seismograms"><h2>Seismograms</h2>' in html
    assert "What the ground did at three of the held-out times." in html
    assert "automl predict quakes recordings/" in html


def test_a_column_of_its_paths_stands_beside_numbers_and_gives_some(installed: Path, quakes: Path) -> None:
    files = sorted(quakes.glob("*/*.seis"))
    frame = pd.DataFrame({"recording": [str(file) for file in files], "depth": np.arange(40.0) % 7})
    frame["label"] = [file.parent.name for file in files]
    prepared = prepare(Settings(frame, target="label", store=quakes.parent / "store"))
    assert [str(column.kind) for column in prepared.layout.columns] == ["seismogram", "number"]
    assert prepared.problem.table.features.numbers == ("depth", "recording std", "recording rough")
    layout = Layout.from_json(json.loads(json.dumps(prepared.layout.to_json())))
    again = with_file_numbers(layout.encode(frame).table, layout.file_numbers)
    np.testing.assert_array_equal(again.numbers, prepared.problem.table.numbers)


def test_what_decides_the_cost_is_the_costliest_kind(installed: Path) -> None:
    toy = modalities()["seismogram"]
    assert modality_of({"number", "seismogram"}) is toy
    assert modality_of({"number", "seismogram"}, alone=True) is TABLES
    assert modality_of({"image", "seismogram"}) is toy
    assert modality_of({"image"}, alone=True) is IMAGES


def test_a_broken_one_is_named(installed: Path, tmp_path: Path) -> None:
    assert [broken.name for broken in broken_modalities()] == ["absent"]
    with pytest.raises(UsageError, match=r"column kind 'absent' is broken: ModuleNotFoundError"):
        prepare(Settings(pd.DataFrame({"a": ["b"] * 9, "y": [0.0, 1, 2] * 3}), "y", kinds={"a": "absent"}))
    (tmp_path / "unknown" / "a").mkdir(parents=True)
    (tmp_path / "unknown" / "a" / "1.absent").touch()
    with pytest.raises(DataError, match=r"The plug-in 'absent' is broken: ModuleNotFoundError"):
        prepare(Settings(tmp_path / "unknown"))


def test_nothing_in_the_package_knows_it() -> None:
    words = re.compile("seismo|shakiness|[.]seis", re.IGNORECASE)
    assert not [path for path in PACKAGE.rglob("*.py") if words.search(f"{path} {path.read_text()}")]


def test_it_imports_from_the_door_alone() -> None:
    homes = re.findall(r"^from (automl[\w.]*)|^import (automl[\w.]*)", TOY.read_text(), re.MULTILINE)
    assert homes == [("automl.plugins", "")]
