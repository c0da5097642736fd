"""How far `automl search --time` overruns its budget: searches of several tables and budgets, one by one.

    python benchmarks/overrun.py --data DIR --searches 20

Each search is a process of its own; its wall time runs from the start of the process to its end, imports,
reading and tracking included. The rule: the budget, and five per cent or three seconds more, whichever is
more. Prints a line per search and a Markdown table row at the end; the exit code is 1 when a search failed
or broke the rule.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from measured_process import run_measured
from tables import TABLES

BUDGETS = (30, 45, 60, 90, 120)


@dataclass(frozen=True)
class Overrun:
    """One search: its budget and its wall time in seconds, and how it ended."""

    table: str
    budget: float
    seconds: float
    peak_bytes: int
    code: int | None
    trials: int

    @property
    def share(self) -> float:
        """Seconds over the budget by the budget; 0 where it was kept."""
        return max(0.0, self.seconds / self.budget - 1)

    @property
    def within(self) -> bool:
        """Whether the search ended well and by the rule."""
        return self.code == 0 and self.seconds <= self.budget + max(3.0, 0.05 * self.budget)


def measure(table: str, budget: float, *, data: Path, folder: Path) -> Overrun:
    """Search ``table`` for ``budget`` seconds in a new store."""
    source = TABLES[table]
    folder.mkdir(parents=True)
    answer = folder / "answer.json"
    command = [sys.executable, "-m", "automl", "search", str((data / source.file).resolve())]
    command += ["--target", source.target, "--time", f"{budget:g}s", "--name", table, "--json"]
    for column in source.drop:
        command += ["--drop", column]
    joined = f"exec {shlex.join(command)} >{shlex.quote(str(answer))}"
    went = run_measured(
        ["sh", "-c", joined], log=folder / "log.txt", folder=folder, limit_seconds=3 * budget + 60
    )
    counts = json.loads(answer.read_text())["trials"] if went.code == 0 else {}
    return Overrun(table, budget, went.seconds, went.peak_bytes, went.code, sum(counts.values()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the tables")
    parser.add_argument("--searches", type=int, default=20, help="how many (20)")
    parser.add_argument("--skip", type=int, default=0, help="leave out as many at the beginning (0)")
    arguments = parser.parse_args()
    plan = zip(itertools.cycle(TABLES), itertools.cycle(BUDGETS), strict=False)
    runs = []
    with tempfile.TemporaryDirectory(prefix="overrun-") as work:
        for place, (table, budget) in enumerate(itertools.islice(plan, arguments.searches)):
            if place < arguments.skip:
                continue
            run = measure(table, budget, data=arguments.data, folder=Path(work) / str(place))
            runs.append(run)
            print(
                f"{place:3}  {table:20} {budget:4g} s budget  {run.seconds:6.1f} s wall  "
                f"{100 * run.share:4.1f} % over  {run.trials:3} trials  {run.peak_bytes / 2**30:.1f} GiB"
                f"{'' if run.within else f'  broken (exit {run.code})'}",
                flush=True,
            )
    shares = [100 * run.share for run in runs]
    print(
        f"{len(runs)} searches: overrun {max(shares):.1f} % at most, {statistics.mean(shares):.2f} % "
        f"on average, {sum(run.within for run in runs)} within the rule"
    )
    sys.exit(not all(run.within for run in runs))


if __name__ == "__main__":
    main()
