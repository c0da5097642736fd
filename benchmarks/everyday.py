"""What everyday commands cost after a search of wine: CPU seconds (user and system) and wall seconds.

    python benchmarks/everyday.py

One search in a temporary store, then every command as a process of its own, the median of three. The first
run of each is not counted: it compiles modules and fills the disk's cache.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

_ROUNDS = 3


def main() -> None:
    """Search once, measure the named commands, all by default, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("commands", nargs="*", metavar="COMMAND", help="leaderboard, predict …; default: all")
    parser.add_argument("--time", default="30s", help="of the search [30s]")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="measured runs of each command [3]")
    parser.add_argument("--store", metavar="FOLDER", help="search there, or measure the search 'wine' there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="everyday-") as scratch:
        folder = Path(arguments.store or scratch).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "mlruns").is_dir():
            _automl(folder, "example", "wine", "--force")
            _automl(folder, "search", "wine.csv", "--target", "class", "--time", arguments.time, "-q")
        measured = _commands(folder)
        unknown = sorted(set(arguments.commands) - set(measured))
        if unknown:
            parser.error(f"{unknown[0]!r} is none of {', '.join(measured)}")
        print(f"{'command':16s} {'CPU s':>7s} {'wall s':>7s}")
        for name in arguments.commands or measured:
            cpu, wall = _median(folder, measured[name], arguments.rounds)
            print(f"{name:16s} {cpu:7.2f} {wall:7.2f}", flush=True)


def _commands(folder: Path) -> dict[str, Sequence[str]]:
    """What is measured, by its name in the table."""
    five = folder / "five.csv"
    with (folder / "wine.csv").open(encoding="utf-8", newline="") as source, five.open("w") as target:
        csv.writer(target).writerows(islice(csv.reader(source), 6))
    search = json.loads(_automl(folder, "show", "wine", "--json"))
    trials = [row["run_id"] for row in search["trials"]]
    return {
        "help": ("--help",),
        "leaderboard": ("leaderboard", "wine"),
        "show": ("show", "wine"),
        "predict": ("predict", "wine", str(five)),
        "report": ("report", "wine", "-o", "report.html"),
        "card": ("card", "wine", "-o", "card.md"),
        "compare": ("compare", trials[0], trials[1]),
        "promote": ("promote", "wine", search["run_id"]),
        "families": ("families",),
        "spaces": ("spaces", "list"),
        "check": ("check", "wine.csv", "--target", "class"),
    }


def _median(folder: Path, words: Sequence[str], rounds: int) -> tuple[float, float]:
    """CPU and wall seconds of a command with all its children."""
    found = [_measured(folder, words) for _ in range(rounds + 1)][1:]
    return statistics.median(cpu for cpu, _ in found), statistics.median(wall for _, wall in found)


def _measured(folder: Path, words: Sequence[str]) -> tuple[float, float]:
    before, began = os.times(), time.perf_counter()
    _automl(folder, *words)
    after, ended = os.times(), time.perf_counter()
    cpu = after.children_user - before.children_user + after.children_system - before.children_system
    return cpu, ended - began


def _automl(folder: Path, *words: str) -> str:
    # Its modules are kept compiled, as an installation has them.
    left_out = ("MLFLOW_TRACKING_URI", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    done = subprocess.run(
        [sys.executable, "-m", "automl", *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"automl {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
