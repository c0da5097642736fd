"""The tables of the benchmark: target, dates, and one outer split per seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from automl.core.task_choice import choose_task

TEST_SHARE = 0.2
_FEWEST_TO_HOLD_OUT = 5


@dataclass(frozen=True)
class TableSource:
    """A file and what is done with it.

    ``dates`` are parsed for the tools that are given a frame; ours is given the file and finds them itself.
    """

    file: str
    target: str
    drop: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()


TABLES = {
    "spaceship_titanic": TableSource("spaceship_titanic.csv", "Transported"),
    "titanic": TableSource("titanic.csv", "Survived"),
    "penguins": TableSource("penguins.csv", "species"),
    "telco_churn": TableSource("telco_churn.csv.gz", "Churn"),
    "diamonds": TableSource("diamonds.csv.gz", "price"),
    "california_housing": TableSource("california_housing.csv.gz", "median_house_value"),
    # casual + registered = cnt: with them the target is given away.
    "bike_sharing_hour": TableSource(
        "bike_sharing_hour.csv.gz", "cnt", drop=("casual", "registered"), dates=("dteday",)
    ),
    "taxis": TableSource("taxis.csv.gz", "total", dates=("pickup", "dropoff")),
    "wine_quality": TableSource("wine_quality.csv", "quality"),
    "taxi_fare_200k": TableSource("taxi_fare_200k.csv.gz", "fare_amount"),
    "issues_text": TableSource("issues_text.csv.gz", "Area"),
}


@dataclass(frozen=True)
class Job:
    """One table with one outer split, on disk: what every contestant is given, and the answers it is not.

    Attributes
    ----------
    divided, fold_column:
        The training rows with a column that says which of them judge, for our search; None without one.
    """

    name: str
    seed: int
    train: Path
    test: Path
    target: str
    task: str
    metric: str
    dates: tuple[str, ...]
    answers: pd.Series
    divided: Path | None = None
    fold_column: str = ""


def make_job(name: str, data: Path, seed: int, folder: Path) -> Job:
    """Split a table 80/20 by ``seed`` and write ``train.csv`` and ``test.csv`` (without target)."""
    source = TABLES[name]
    frame = pd.read_csv(data / source.file).drop(columns=list(source.drop))
    frame = frame[frame[source.target].notna()].reset_index(drop=True)
    target = frame[source.target]
    choice = choose_task(target.to_numpy())
    strata = target if choice.task.labels else pd.qcut(target.rank(method="first"), 10, labels=False)
    held_out = held_out_rows(strata.to_numpy(), seed)
    folder.mkdir(parents=True, exist_ok=True)
    train, test = folder / "train.csv", folder / "test.csv"
    frame[~held_out].to_csv(train, index=False)
    frame[held_out].drop(columns=source.target).to_csv(test, index=False)
    return Job(
        name=name,
        seed=seed,
        train=train,
        test=test,
        target=source.target,
        task=choice.task.name,
        metric=choice.task.metric.name,
        dates=source.dates,
        answers=target[held_out].reset_index(drop=True),
    )


def held_out_rows(strata: np.ndarray, seed: int) -> np.ndarray:
    """A mask of the test rows: a fifth of every stratum; strata of under five rows only train."""
    generator = np.random.default_rng(seed)
    mask = np.zeros(len(strata), dtype=bool)
    for stratum in pd.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        if len(rows) >= _FEWEST_TO_HOLD_OUT:
            chosen = generator.permutation(rows)[: round(len(rows) * TEST_SHARE)]
            mask[chosen] = True
    return mask
