"""How honest the honest score is: searches on small draws of large tables, the truth measured on the rest.

    python benchmarks/honesty.py --data DIR --searches 200 --rows runs.csv
    python benchmarks/honesty.py --rows runs.csv --searches 0

Each search gets 300 to 5,000 rows of a table, drawn without replacement, and predicts up to 20,000 other
rows of it with the model that it keeps: their score is the truth. Stated are, by kind of task, the share of
searches whose 95 % interval holds the truth, the mean of (honest score - truth) in standard errors of the
score, the same for the validation score that the choice was made by, and the seconds that the honest score
took. Positive means optimistic. With a shuffled target the truth is chance. The file of ``--rows`` is kept,
so that a run can be interrupted and continued.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

FAMILIES = ("linear", "lightgbm", "random_forest", "extra_trees", "xgboost")
LEAST, MOST, TRUTH = 300, 5_000, 20_000


@dataclass(frozen=True, kw_only=True)
class Case:
    """A question whose answer for new rows can be measured: a table with far more rows than a draw takes."""

    name: str
    read: Callable[[Path], pd.DataFrame]
    target: str
    metric: str
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One search: its scores with the honest interval, turned so that more is better, and the truth."""

    case: str
    seed: int
    rows: int
    trials: int
    validation: float
    honest: float
    low: float
    high: float
    truth: float
    seconds: float

    @property
    def error(self) -> float:
        """The standard error that the interval stands for."""
        return max((self.high - self.low) / (2 * 1.96), 1e-12)

    @property
    def covered(self) -> bool:
        """True where the interval holds the truth."""
        return self.low <= self.truth <= self.high


@cache
def _diamonds(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "diamonds.csv.gz")


@cache
def _rides(folder: Path) -> pd.DataFrame:
    rides = pd.read_csv(folder / "taxi_fare_200k.csv.gz")
    return rides[rides["payment_type"].isin(["CRD", "CSH"])].reset_index(drop=True)


def _dear(folder: Path) -> pd.DataFrame:
    """Diamonds, and whether one is dearer than most that weigh nearly the same."""
    table = _diamonds(folder)
    usual = table.groupby(table["carat"].round(1))["price"].transform("median")
    return table.drop(columns="price").assign(dear=np.where(table["price"] > usual, "yes", "no"))


def _shuffled(folder: Path) -> pd.DataFrame:
    table = _dear(folder)
    return table.assign(dear=np.random.default_rng(0).permutation(table["dear"]))


def _bikes(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "bike_sharing_hour.csv.gz").drop(columns=["casual", "registered"])


CASES = (
    Case(name="binary", read=_rides, target="payment_type", metric="roc_auc"),
    Case(name="binary, labels", read=_dear, target="dear", metric="accuracy"),
    Case(name="multiclass", read=_diamonds, target="cut", metric="accuracy"),
    Case(name="multiclass, tuned", read=_diamonds, target="clarity", metric="f1_macro"),
    Case(name="regression", read=_rides, target="fare_amount", metric="mae"),
    Case(name="regression, groups", read=_bikes, target="cnt", metric="rmse", group="dteday"),
    Case(name="shuffled target", read=_shuffled, target="dear", metric="roc_auc"),
)


def drawn(
    table: pd.DataFrame, rows: int, group: str | None, rng: np.random.Generator
) -> Iterator[pd.DataFrame]:
    """The rows to search on and the rows to measure the truth on; of groups, whole ones."""
    if group is None:
        order = rng.permutation(len(table))
        yield table.iloc[order[:rows]]
        yield table.iloc[order[rows : rows + TRUTH]]
        return
    names = rng.permutation(table[group].unique())
    sizes = table[group].value_counts().loc[names].to_numpy()
    count = int(np.searchsorted(np.cumsum(sizes), rows)) + 1
    inside = table[group].isin(names[:count])
    yield table[inside].sample(frac=1, random_state=int(rng.integers(2**31)))
    yield table[~inside]


def run_search(case: Case, folder: Path, seed: int, trials: int) -> Outcome:
    """Search on a draw and measure what was kept on the rest."""
    import automl
    from automl.controller import finish

    spent = 0.0
    honest_score = finish.honest_score

    def timed(*args: object, **more: object) -> object:
        nonlocal spent
        began = time.perf_counter()
        found = honest_score(*args, **more)  # type: ignore[arg-type]
        spent = time.perf_counter() - began
        return found

    rng = np.random.default_rng(seed)
    rows = int(np.exp(rng.uniform(np.log(LEAST), np.log(MOST))))
    part, rest = drawn(case.read(folder), rows, case.group, rng)
    finish.honest_score = timed  # type: ignore[assignment]
    try:
        with tempfile.TemporaryDirectory() as store:
            result = automl.search(
                part,
                target=case.target,
                test=rest,
                name="honesty",
                metric=case.metric,
                group=case.group,
                trials=trials,
                families=FAMILIES,
                seed=seed,
                store=store,
            )
    finally:
        finish.honest_score = honest_score
    assert result.honest is not None
    assert result.test is not None
    sign = 1.0 if result.greater_is_better else -1.0
    ends = sorted((sign * result.honest.low, sign * result.honest.high))
    return Outcome(
        case=case.name,
        seed=seed,
        rows=len(part),
        trials=trials,
        validation=sign * result.best.validation,
        honest=sign * result.honest.value,
        low=ends[0],
        high=ends[1],
        truth=sign * result.test.value,
        seconds=spent,
    )


def read_outcomes(path: Path) -> list[Outcome]:
    """What earlier runs found."""
    if not path.exists():
        return []
    return [Outcome(**row) for row in pd.read_csv(path).to_dict("records")]


def summary(outcomes: list[Outcome]) -> str:
    """One line per kind of task and one of all."""
    head = f"{'':20} searches  covered  bias/SE  (chosen on)  width  seconds"
    lines = [head]
    names = [case.name for case in CASES if any(item.case == case.name for item in outcomes)]
    for name in (*names, "all"):
        own = [item for item in outcomes if name in (item.case, "all")]
        bias = np.array([(item.honest - item.truth) / item.error for item in own])
        plain = np.array([(item.validation - item.truth) / item.error for item in own])
        missed = np.array([abs(item.honest - item.truth) for item in own])
        width = np.mean([item.high - item.low for item in own]) / max(np.mean(missed), 1e-12)
        lines.append(
            f"{name:20} {len(own):8} {np.mean([item.covered for item in own]):8.1%} {bias.mean():+8.2f} "
            f"{plain.mean():+12.2f} {width:6.1f} {max(item.seconds for item in own):8.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, print a line per search and the summary."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with the tables")
    parser.add_argument("--rows", type=Path, help="csv file of the searches so far; new ones are added")
    parser.add_argument("--searches", type=int, default=200)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--cases", help="names of cases, with semicolons between them")
    chosen = parser.parse_args()
    outcomes = read_outcomes(chosen.rows) if chosen.rows else []
    cases = [case for case in CASES if not chosen.cases or case.name in chosen.cases.split(";")]
    done = {(item.case, item.seed) for item in outcomes}
    for number in range(chosen.searches):
        case = cases[number % len(cases)]
        if (case.name, number) in done:
            continue
        outcome = run_search(case, chosen.data, number, chosen.trials)
        outcomes.append(outcome)
        if chosen.rows:
            fresh = not chosen.rows.exists()
            with chosen.rows.open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(asdict(outcome)))
                if fresh:
                    writer.writeheader()
                writer.writerow(asdict(outcome))
        print(
            f"{case.name:20} {outcome.rows:5,} rows  honest {outcome.honest:.4g} ({outcome.low:.4g} to "
            f"{outcome.high:.4g})  truth {outcome.truth:.4g}  chosen on {outcome.validation:.4g}",
            flush=True,
        )
    print(summary(outcomes))


if __name__ == "__main__":
    main()
