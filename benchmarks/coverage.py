"""Coverage of intervals and sets on rows that no search saw, beside the level that was asked for.

    python benchmarks/coverage.py --data DIR --tables penguins,taxis --trials 4 --rows 2000
    python benchmarks/coverage.py --data DIR --tables bike_sharing_hour --group dteday

Each table is split: --rows of it are searched, all others are predicted at 80, 90 and 95 %. With --group the
rows of a group are on one side, in the folds as well: the level is about rows of new groups. A line per level
states the share of these rows whose truth is inside, with its 95 % interval, and the mean size of intervals
(in standard deviations of the target) or sets (in classes). The log loss stands before and after calibration.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from tables import TABLES

import automl
from automl.core.metrics import METRICS
from automl.core.predictions import Answer
from automl.core.score_intervals import share_interval
from automl.model.conformal import LEVELS, Bounds
from automl.model.predictor import Predictor

_MOST_JUDGED = 20_000


def main() -> None:
    """Search the tables one after the other and print a table of all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder with the tables")
    parser.add_argument("--tables", default=",".join(TABLES), metavar="A,B", help="all by default")
    parser.add_argument("--trials", type=int, default=4, help="trials per search (default: 4)")
    parser.add_argument("--rows", type=int, default=2000, help="rows to search at most (default: 2000)")
    parser.add_argument("--group", metavar="COLUMN", help="keep rows with the same value together")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    unknown = sorted({*arguments.tables.split(",")} - {*TABLES})
    if unknown:
        parser.error(f"{unknown[0]!r} is none of {', '.join(TABLES)}")
    print(
        f"{'table':18s} {'level':>5s} {'inside':>7s}  {'95 % interval':15s} {'size':>6s}  notes", flush=True
    )
    for name in arguments.tables.split(","):
        _measure(name, arguments)


def _measure(name: str, arguments: argparse.Namespace) -> None:
    source = TABLES[name]
    frame = pd.read_csv(arguments.data / source.file).drop(columns=list(source.drop))
    frame = frame[frame[source.target].notna()].sample(frac=1.0, random_state=arguments.seed)
    count = min(arguments.rows, len(frame) * 2 // 3)
    if arguments.group is not None:
        frame, count = grouped(name, frame, arguments.group, count)
    judged = frame.iloc[count : count + _MOST_JUDGED]
    with tempfile.TemporaryDirectory(prefix="coverage-") as folder:
        result = automl.search(
            frame.iloc[:count],
            target=source.target,
            group=arguments.group,
            trials=arguments.trials,
            seed=arguments.seed,
            name=name,
            store=folder,
        )
        model = result.predictor
        if model.task.answer is Answer.CLASSES:
            lines, note = _sets(model, judged), _calibration(model, judged)
        else:
            lines, note = _intervals(model, judged, float(frame[source.target].std())), ""
    for level, inside, size, words in lines:
        low, high = share_interval(int(inside.sum()), len(inside))
        interval = f"{low:.1%} to {high:.1%}"
        print(
            f"{name:18s} {level:5.0%} {inside.mean():7.1%}  {interval:15s} {size:6.2f}  {words}", flush=True
        )
    if note:
        print(f"{name:18s} {note}", flush=True)


def grouped(name: str, frame: pd.DataFrame, column: str, count: int) -> tuple[pd.DataFrame, int]:
    """The rows by group, and the number of rows up to the end of the group in which ``count`` are reached."""
    if column not in frame:
        raise SystemExit(f"--group: {name} has no column {column!r}, only {', '.join(frame.columns)}.")
    codes = pd.factorize(frame[column])[0]
    order = np.argsort(codes, kind="stable")
    ends = np.flatnonzero(np.diff(codes[order])) + 1
    if not len(ends):
        raise SystemExit(f"--group: {column!r} of {name} is one group.")
    return frame.iloc[order], int(ends[min(np.searchsorted(ends, count), len(ends) - 1)])


Line = tuple[float, np.ndarray, float, str]


def _intervals(model: Predictor, judged: pd.DataFrame, spread: float) -> list[Line]:
    truth, name, lines = judged[model.target_name].to_numpy(), model.target_name, []
    bounds = model.conformal
    assert isinstance(bounds, Bounds)
    for level in LEVELS:
        made = model.predict_interval(judged, level=level)
        low, high = made[f"{name}_low"].to_numpy(), made[f"{name}_high"].to_numpy()
        words = "all alike" if bounds.difficulty is None else "by difficulty"
        lines.append((level, (low <= truth) & (truth <= high), float(np.mean(high - low)) / spread, words))
    return lines


def _sets(model: Predictor, judged: pd.DataFrame) -> list[Line]:
    codes, lines = model.task.encode(judged[model.target_name].to_numpy()).astype(int), []
    accuracy = float(np.mean(model.predict(judged).to_numpy() == judged[model.target_name].to_numpy()))
    for level in LEVELS:
        inside = model.predict_set(judged, level=level).to_numpy()
        hits = inside[np.arange(len(codes)), codes]
        lines.append((level, hits, float(inside.sum(axis=1).mean()), f"accuracy {accuracy:.1%}"))
    return lines


def _calibration(model: Predictor, judged: pd.DataFrame) -> str:
    from automl.model.calibration import heated

    codes = model.task.encode(judged[model.target_name].to_numpy())
    given = model.predict_proba(judged).to_numpy()
    before = heated(given, 1 / model.decision.temperature)
    log_loss = METRICS["log_loss"].score
    losses = f"log loss {log_loss(codes, before):.4f} to {log_loss(codes, given):.4f} on these rows"
    return f"temperature {model.decision.temperature:.3f}: {losses}"


if __name__ == "__main__":
    main()
