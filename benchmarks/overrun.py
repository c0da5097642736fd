"""How far `automl search --time` overruns its budget: searches of several tables and budgets, one by one.

    python benchmarks/overrun.py --data DIR --searches 20
    python benchmarks/overrun.py --data DIR --searches 20 --busy
    python benchmarks/overrun.py --data DIR --searches 4 --at-once 2 --budgets 40

Each search is a process of its own; its wall time runs from the start of the process to its end, imports,
reading and tracking included. The rule: the budget, and five per cent or three seconds more, whichever is
more. ``--busy`` runs beside eight processes (or as many as are asked for) that compute all the time, and
``--at-once`` beside other searches; a tenth of the budget is allowed then. A search also breaks the rule
when its model is no better than the constant that every search is compared with. Prints a line per search
and a summary; the exit code is 1 when a search failed or broke the rule.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measured_process import run_measured
from tables import TABLES

BUDGETS = (30, 45, 60, 90, 120)
BUSY_PROCESSES = 8
# A session of its own: kernels that group processes by session would else count all of them as one. They end
# with this program, however that ends.
_LOOP = "import os, sys\nparent = int(sys.argv[1])\nwhile os.getppid() == parent:\n    sum(range(100_000))"


@dataclass(frozen=True)
class Overrun:
    """One search: its budget and its wall time in seconds, and how it ended.

    Attributes
    ----------
    score, baseline:
        Validation scores of the champion and of the constant; None where there is none.
    allowed:
        Share of the budget that it may take longer; three seconds in any case on a quiet machine.
    """

    table: str
    budget: float
    seconds: float
    peak_bytes: int
    code: int | None
    trials: int
    score: float | None
    baseline: float | None
    better: bool
    allowed: float

    @property
    def share(self) -> float:
        """Seconds over the budget by the budget; 0 where it was kept."""
        return max(0.0, self.seconds / self.budget - 1)

    @property
    def broken(self) -> str:
        """What of the rule was broken; empty for nothing."""
        if self.code != 0:
            return f"exit {self.code}"
        if self.seconds > self.budget + max(3.0, self.allowed * self.budget):
            return "too long"
        return "" if self.better else "no better than the constant"

    @property
    def line(self) -> str:
        """For people."""
        scores = " over ".join(
            "none" if value is None else f"{value:.4g}" for value in (self.score, self.baseline)
        )
        return (
            f"{self.table:20} {self.budget:4g} s budget  {self.seconds:6.1f} s wall  "
            f"{100 * self.share:4.1f} % over  {self.trials:3} trials  {self.peak_bytes / 2**30:.1f} GiB  "
            f"{scores}"
            f"{f'  broken: {self.broken}' if self.broken else ''}"
        )


def measure(table: str, budget: float, *, data: Path, folder: Path, allowed: float) -> Overrun:
    """Search ``table`` for ``budget`` seconds in a new store."""
    source = TABLES[table]
    folder.mkdir(parents=True)
    answer = folder / "answer.json"
    command = [sys.executable, "-m", "automl", "search", str((data / source.file).resolve())]
    command += ["--target", source.target, "--time", f"{budget:g}s", "--name", table, "--json"]
    command += ["--events", str(folder / "events.jsonl")]
    for column in source.drop:
        command += ["--drop", column]
    # What is installed has its bytecode beside it; a checkout is to have it too.
    joined = f"unset PYTHONDONTWRITEBYTECODE; exec {shlex.join(command)} >{shlex.quote(str(answer))}"
    went = run_measured(
        ["sh", "-c", joined], log=folder / "log.txt", folder=folder, limit_seconds=3 * budget + 60
    )
    body = json.loads(answer.read_text()) if went.code == 0 else {}
    best, baseline = body.get("best", {}), body.get("baseline", {})
    score, constant = best.get("validation"), baseline.get("validation")
    better = score is not None and best["family"] != "dummy"
    if better and constant is not None:
        better = score > constant if body["greater_is_better"] else score < constant
    trials = sum(body.get("trials", {}).values())
    return Overrun(
        table, budget, went.seconds, went.peak_bytes, went.code, trials, score, constant, better, allowed
    )


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Run as many processes that do nothing but compute, and end them afterwards."""
    loops = [
        subprocess.Popen([sys.executable, "-c", _LOOP, str(os.getpid())], start_new_session=True)
        for _ in range(processes)
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()


def main() -> None:
    """Measure and print."""
    arguments = _arguments()
    loops = arguments.busy or 0
    allowed = 0.1 if loops or arguments.at_once > 1 else 0.05
    budgets = [float(budget) for budget in arguments.budgets.split(",")] if arguments.budgets else BUDGETS
    tables = arguments.tables.split(",") if arguments.tables else TABLES
    pairs = zip(itertools.cycle(tables), itertools.cycle(budgets), strict=False)
    plan = list(enumerate(itertools.islice(pairs, arguments.searches)))[arguments.skip :]
    runs: list[Overrun] = []
    with tempfile.TemporaryDirectory(prefix="overrun-") as scratch, busy(loops):
        work = Path(scratch) if arguments.folder is None else arguments.folder

        def one(job: tuple[int, tuple[str, float]]) -> Overrun:
            place, (table, budget) = job
            folder = work / str(place)
            run = measure(table, budget, data=arguments.data, folder=folder, allowed=allowed)
            print(f"{place:3}  {run.line}", flush=True)
            return run

        with ThreadPoolExecutor(arguments.at_once) as pool:
            runs = list(pool.map(one, plan))
    shares = [100 * run.share for run in runs]
    print(
        f"{len(runs)} searches beside {loops} busy processes, {arguments.at_once} at once: "
        f"overrun {max(shares):.1f} % at most, {statistics.mean(shares):.2f} % on average, "
        f"{sum(not run.broken for run in runs)} within the rule "
        f"(+{allowed:.0%} or 3 s, better than the constant)"
    )
    sys.exit(any(run.broken for run in runs))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the tables")
    parser.add_argument("--searches", type=int, default=20, help="how many (20)")
    parser.add_argument("--skip", type=int, default=0, help="leave out as many at the beginning (0)")
    parser.add_argument("--budgets", help="seconds in turn, e.g. 30,60 (30,45,60,90,120)")
    parser.add_argument("--tables", help="names in turn, e.g. titanic,diamonds (all)")
    parser.add_argument(
        "--busy",
        type=int,
        nargs="?",
        const=BUSY_PROCESSES,
        metavar="N",
        help=f"beside N processes that compute all the time ({BUSY_PROCESSES})",
    )
    parser.add_argument("--at-once", type=int, default=1, metavar="N", help="searches at the same time (1)")
    parser.add_argument("--folder", type=Path, help="keep the stores and what was printed here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
