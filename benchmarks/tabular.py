"""Compare `automl search` with untuned baselines and with other AutoML tools on the same rows and seconds.

    python benchmarks/tabular.py --data DIR --time 60 --flaml PYTHON --mljar PYTHON --autogluon PYTHON

Each PYTHON is the interpreter of a virtual environment that holds that tool and psutil; a tool without one
is left out. With --cache FILE a run is made in pieces: what the file holds is reported and not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import tempfile
from dataclasses import asdict
from datetime import date
from pathlib import Path

import psutil
from contestants import CONTESTANTS, Contestant, Turn, take_turn
from standings import Standing, as_markdown, as_text, mean_lines, standings, table_lines
from tables import TABLES, TEST_SHARE, Job, make_job

_PAGE = """# Tables: results

One run of [`tabular.py`](tabular.py), {when}: {seconds:g} seconds per tool and table, {threads} threads,
{seeds}.

- Machine: {machine}
- Command: `{command}`
- Versions: {versions}

**How it is measured.** Each table is split once per seed: {test_share:.0%} of the rows (by class, or by
tenth of the target) are held out and scored a single time per tool. Every tool gets the same training
rows, the same metric (the one that `automl search` chooses by default), the same seconds and the same
threads, and runs alone as a process of its own in its own environment. *Wall* is the time from the start
of the process to the fitted model, imports and reading the file included (for automl: to the end of
`automl search`). *Peak* is the resident memory of the process tree; pages that processes share count
once for each. *ms / 1000 rows* is the best of three predictions of 1000 rows in memory after a first
one. *Normalised* is 0 for the untuned random forest and 1 for the best of the table, never under -1;
where nobody beats the forest, its equals have 0 and all others -1. A tool without predictions has -1 and
the last rank.

## Mean over the tables

{mean}
{tables}{failures}"""


def main() -> None:
    """Run what is missing, print and write the results."""
    arguments = _parse()
    # Whatever a tool makes of "threads": no process that is started here sees more cores.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.threads])
    turns = _cached(arguments.cache)
    wanted = [CONTESTANTS[name] for name in arguments.contestants if _python(arguments, CONTESTANTS[name])]
    known = {turn.key for turn in turns if turn.contestant not in arguments.again}
    work = arguments.work or Path(tempfile.mkdtemp(prefix="benchmark-"))
    for table in arguments.tables:
        for seed in range(arguments.seeds):
            missing = [one for one in wanted if (table, one.name, seed, arguments.time) not in known]
            if not missing:
                continue
            job = make_job(table, arguments.data, seed, work / f"{table}-{seed}")
            for contestant in missing:
                turn = _turn(arguments, contestant, job, work / f"{table}-{seed}" / contestant.name)
                turns = [other for other in turns if other.key != turn.key] + [turn]
                _keep(arguments.cache, turns)
        _print_table(table, _selected(arguments, turns))
    _report(arguments, _selected(arguments, turns))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with the tables")
    parser.add_argument("--time", type=float, default=60.0, help="seconds per tool and table (60)")
    parser.add_argument("--tables", type=_names(TABLES), default=list(TABLES), help="names, comma-separated")
    parser.add_argument("--seeds", type=int, default=1, help="how many outer splits (1)")
    parser.add_argument("--threads", type=int, default=2, help="threads and cores per tool (2)")
    parser.add_argument(
        "--contestants", type=_names(CONTESTANTS), default=list(CONTESTANTS), help="names, comma-separated"
    )
    for environment in sorted({one.environment for one in CONTESTANTS.values()} - {""}):
        parser.add_argument(f"--{environment}", metavar="PYTHON", help=f"interpreter that has {environment}")
    parser.add_argument("--cache", type=Path, help="JSON file that keeps turns between calls")
    parser.add_argument(
        "--again",
        type=_names(CONTESTANTS),
        default=[],
        help="contestants to run although they are in the cache",
    )
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--work", type=Path, help="folder for splits, models and logs (a temporary one)")
    return parser.parse_args()


def _names(allowed: dict[str, object]):
    def parse(text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in names if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(allowed)}")
        return names

    return parse


def _python(arguments: argparse.Namespace, contestant: Contestant) -> str | None:
    return getattr(arguments, contestant.environment) if contestant.environment else sys.executable


def _turn(arguments: argparse.Namespace, contestant: Contestant, job: Job, folder: Path) -> Turn:
    turn = take_turn(
        contestant,
        job,
        python=_python(arguments, contestant) or "",
        seconds=arguments.time,
        threads=arguments.threads,
        folder=folder,
    )
    outcome = turn.error or f"{turn.metric} {turn.score:.5g} after {turn.fit_seconds:.1f} s"
    print(f"{job.name} · {contestant.title} · {outcome}", file=sys.stderr, flush=True)
    return turn


def _cached(path: Path | None) -> list[Turn]:
    if path is None or not path.is_file():
        return []
    return [Turn(**body) for body in json.loads(path.read_text(encoding="utf-8"))]


def _keep(path: Path | None, turns: list[Turn]) -> None:
    if path is not None:
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(turn) for turn in turns], indent=1), encoding="utf-8")
        fresh.replace(path)


def _selected(arguments: argparse.Namespace, turns: list[Turn]) -> list[Turn]:
    """The turns that this call asks for, in its order of tables; peers from the cache need no interpreter."""
    chosen = [
        turn
        for turn in turns
        if turn.table in arguments.tables
        and turn.contestant in arguments.contestants
        and turn.seed < arguments.seeds
        and turn.seconds == arguments.time
    ]
    return sorted(chosen, key=lambda turn: arguments.tables.index(turn.table))


def _print_table(table: str, turns: list[Turn]) -> None:
    for name, entries in standings([turn for turn in turns if turn.table == table]).items():
        print(f"\n{name} ({entries[0].metric})\n{as_text(table_lines(entries))}", flush=True)


def _report(arguments: argparse.Namespace, turns: list[Turn]) -> None:
    tables = standings(turns)
    if not tables:
        return
    print(f"\nMean\n{as_text(mean_lines(tables))}")
    if arguments.out is not None:
        arguments.out.write_text(_page(arguments, turns, tables), encoding="utf-8")


def _page(arguments: argparse.Namespace, turns: list[Turn], tables: dict[str, list[Standing]]) -> str:
    failures = [
        f"- {turn.table}, {CONTESTANTS[turn.contestant].title}: {turn.error}" for turn in turns if turn.error
    ]
    return _PAGE.format(
        when=date.today().isoformat(),
        seconds=arguments.time,
        threads=arguments.threads,
        seeds="one outer split" if arguments.seeds == 1 else f"{arguments.seeds} outer splits",
        machine=_machine(),
        command=shlex.join(["python", "benchmarks/tabular.py", *_public(sys.argv[1:])]),
        versions=", ".join(sorted({turn.version for turn in turns if turn.version})),
        test_share=TEST_SHARE,
        mean=as_markdown(mean_lines(tables)),
        tables="".join(
            f"\n## {name} ({entries[0].metric})\n\n{as_markdown(table_lines(entries))}\n"
            for name, entries in tables.items()
        ),
        failures="\n## Failures\n\n" + "\n".join(failures) + "\n" if failures else "",
    )


def _public(words: list[str]) -> list[str]:
    """The command line without folders of this machine: ``/home/me/flaml/bin/python`` loses its start."""
    shown = []
    for word in words:
        parts = Path(word).parts
        if len(parts) > 1 and parts[-1].startswith("python") and "bin" in parts:
            shown.append("/".join(parts[-3:]))
        else:
            shown.append(parts[-1] if Path(word).is_absolute() else word)
    return shown


def _machine() -> str:
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        named = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        model = named[0].partition(":")[2].strip() if named else model
    memory = psutil.virtual_memory().total / 2**30
    system = f"{platform.system()}, Python {platform.python_version()}"
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, {system}"


if __name__ == "__main__":
    main()
