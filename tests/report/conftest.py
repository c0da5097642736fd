"""Small finished searches for the tests of reports: real ones, in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pictures import photo
from subjects import Searched, hostile_frame, texts_frame


def _searched(folder: Path, frame: pd.DataFrame, name: str, target: str, **given: object) -> Searched:
    import automl

    frame.to_csv(folder / "data.csv", index=False)
    result = automl.search(
        folder / "data.csv",
        target=target,
        name=name,
        trials=5,
        folds=3,
        executor="inline",
        store=folder / "mlruns",
        **given,  # type: ignore[arg-type]
    )
    return Searched(folder, name, result)


@pytest.fixture(scope="session")
def multiclass(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Three classes with hostile names, linear models and forests."""
    folder = tmp_path_factory.mktemp("multiclass")
    families = ("linear", "extra_trees")
    return _searched(folder, hostile_frame(), "classes & more", "class", families=families)


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Two classes by F1, which chooses a threshold."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(rng.normal(size=(300, 4)), columns=["x0", "x1", "x2", "x3"])
    frame["region"] = rng.choice(["north", "south"], 300)
    frame["sold"] = np.where(frame["x0"] + 0.5 * rng.normal(size=300) > 1.1, "yes", "no")
    folder = tmp_path_factory.mktemp("binary")
    return _searched(folder, frame, "sales", "sold", families=("linear", "extra_trees"), metric="f1")


@pytest.fixture(scope="session")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Numbers, one of them made of two features."""
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.normal(size=(260, 4)), columns=["x0", "x1", "x2", "x3"])
    frame["price"] = 3 * frame["x0"] - frame["x1"] + 0.3 * rng.normal(size=260) + 20
    folder = tmp_path_factory.mktemp("regression")
    return _searched(folder, frame, "prices", "price", families=("linear", "extra_trees"))


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Texts in several scripts, some with markup, beside a number."""
    folder = tmp_path_factory.mktemp("texts")
    return _searched(folder, texts_frame(), "letters", "mood", families=("text_linear", "linear"))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """A table with images, a number, and a group that has nothing to do with the class."""
    import automl

    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    (folder / "files").mkdir()
    rows = []
    for number in range(60):
        kind = number % 2
        photo(kind, generator).save(folder / "files" / f"{number}.jpg")
        station = "north" if number % 3 else "south"
        rows.append((f"{number}.jpg", generator.normal() + kind, station, ("square", "round")[kind]))
    table = pd.DataFrame(rows, columns=["photo", "weight", "station", "shape"])
    table.to_csv(folder / "data.csv", index=False)
    result = automl.search(
        folder / "data.csv",
        target="shape",
        name="shapes",
        image_root=folder / "files",
        trials=4,
        folds=3,
        families=("linear",),
        executor="inline",
        store=folder / "mlruns",
    )
    return Searched(folder, "shapes", result)
