"""Thirty inputs as people really bring them, each with what is right about it.

    python tests/real_files/harness.py                     all of them
    python tests/real_files/harness.py A2 chess-pieces     a kind, a name
    python tests/real_files/harness.py --list              what there is
    python tests/real_files/harness.py --make FOLDER       only write the inputs

Every input is invented by a seeded generator, with a known relation between inputs and target, so that it can
be judged whether the values were understood. ``--bin`` is a folder that holds ``automl`` and ``python``, by
default that of this Python. Each case runs in a fresh temporary folder; the output of wrong ones is kept in
``--log``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import amount_cases
import folder_cases
import reading_cases
import spelling_cases
import target_cases
import word_cases
from driving import Case, Run, guarded

MODULES = (amount_cases, target_cases, folder_cases, spelling_cases, word_cases, reading_cases)
CASES: tuple[Case, ...] = tuple(case for module in MODULES for case in module.CASES)


def run_case(case: Case, bin_folder: Path, log: Path) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"{case.name}-") as temporary:
        run = Run(Path(temporary), bin_folder)
        case.make(run.folder)
        complaints = guarded(case.judge, run)
    verdict = (
        "WRONG: " + "; ".join(" ".join(found.split()) for found in complaints) if complaints else "right"
    )
    print(f"{case.kind:4}{case.name:20}{time.monotonic() - began:6.0f} s  {verdict}", flush=True)
    if complaints:
        log.mkdir(parents=True, exist_ok=True)
        (log / f"{case.name}.txt").write_text("\n".join([verdict, "", *run.log]), encoding="utf-8")
    return not complaints


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Thirty inputs as people bring them, and what is right about each."
    )
    parser.add_argument("names", nargs="*", help="names or kinds; default: all")
    here = Path(sys.executable).parent
    parser.add_argument("--bin", type=Path, default=here, help="folder that holds automl and python")
    parser.add_argument(
        "--log", type=Path, default=Path("thirty-logs"), help="where the output of wrong cases is kept"
    )
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--make", type=Path, metavar="FOLDER", help="write the inputs below FOLDER and end")
    args = parser.parse_args()
    known = {case.name for case in CASES} | {case.kind for case in CASES}
    if unknown := [name for name in args.names if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}")
    chosen = [case for case in CASES if not args.names or case.name in args.names or case.kind in args.names]
    if args.list:
        for case in chosen:
            print(f"{case.kind:4}{case.name:20}{case.story}")
        return 0
    if args.make:
        for case in chosen:
            where = args.make / case.name
            where.mkdir(parents=True)
            case.make(where)
        return 0
    right = sum([run_case(case, args.bin.absolute(), args.log) for case in chosen])
    print(f"{right} of {len(chosen)} are right")
    return 0 if right == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
