"""How many trials `automl search` finishes on photos within its time, alone and beside other work.

    python benchmarks/photos.py --data FOLDER --time 3m --busy 0 4 --no-bfloat16
    python benchmarks/photos.py --data FOLDER --speed --no-bfloat16

FOLDER holds FOLDER/CLASS/*.jpg; `--photos 500` takes so many of them, evenly from the classes, and keeps the
others apart, a fifth at least. One search per number of `--busy` loops, each a process that never rests, on
the cores of `--cores`. Per search: trials that finished, those that ran into a limit and their share of the
time, seconds until the first head and the tenth trial, the longest time without a sign of progress, wall
time, and the champion's accuracy on the photos kept apart. The exit code is 1 when accuracies are more than
.02 apart or a search finished fewer trials than `--least`.

`--speed` prints images per second of our pass over decoded photos (views, net, features on disk) beside the
bare net's on batches in memory, in one process on the same cores: channels last, the same number format.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
HELD_OUT = 0.2
MOST_APART = 0.02
COLUMNS = (
    *("busy loops", "finished", "timeouts (of the time)", "first head, s", "tenth trial, s"),
    *("longest silence, s", "seconds", "validation", "accuracy on unseen photos"),
)
NO_BFLOAT16 = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
_LOOP = "while True: sum(range(10_000))"


@dataclass(frozen=True)
class Run:
    """One search: what came of it, in seconds where nothing else is said."""

    busy: int
    finished: int
    timeouts: int
    timeout_share: float
    first_head: float
    tenth: float
    silence: float
    seconds: float
    validation: float
    accuracy: float

    @property
    def row(self) -> str:
        """As a line of the table."""
        cells = (
            f"{self.busy}",
            f"{self.finished}",
            f"{self.timeouts} ({self.timeout_share:.0%})",
            f"{self.first_head:.0f}",
            f"{self.tenth:.0f}",
            f"{self.silence:.1f}",
            f"{self.seconds:.0f}",
            f"{self.validation:.3f}",
            f"{self.accuracy:.3f}",
        )
        return f"| {' | '.join(cells)} |"


def main() -> int:
    """Run what is asked for, print it, and say by the exit code whether it held."""
    arguments = _parse()
    cores = sorted(os.sched_getaffinity(0))[: arguments.cores]
    os.sched_setaffinity(0, cores)
    if arguments.no_bfloat16:
        os.environ.update(NO_BFLOAT16)
    with tempfile.TemporaryDirectory(prefix="photos-") as scratch:
        seen, held = _dealt(arguments.data, arguments.photos, Path(scratch))
        if arguments.speed:
            print(_speed(seen, Path(scratch), arguments.rounds))
            return 0
        print(f"| {' | '.join(COLUMNS)} |")
        print("| ---: " * len(COLUMNS) + "|", flush=True)
        runs = []
        for busy in arguments.busy:
            with _busy(busy):
                runs.append(_search(seen, held, busy, arguments.time, Path(scratch) / f"store-{busy}"))
            print(runs[-1].row, flush=True)
    least = dict(zip(arguments.busy, arguments.least, strict=False))
    few = [run for run in runs if run.finished < least.get(run.busy, 0)]
    apart = max(run.accuracy for run in runs) - min(run.accuracy for run in runs)
    print(f"accuracies are {apart:.3f} apart; {len(few)} searches finished too few trials")
    return int(bool(few) or apart > MOST_APART)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--time", default="3m")
    parser.add_argument("--busy", type=int, nargs="*", default=[0], help="busy loops beside each search")
    parser.add_argument("--least", type=int, nargs="*", default=[20, 8], help="trials for each of them")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--no-bfloat16", action="store_true", help=f"as on older processors: {NO_BFLOAT16}")
    parser.add_argument("--speed", action="store_true", help="images per second beside the bare net's")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def _dealt(data: Path, photos: int, scratch: Path) -> tuple[Path, Path]:
    """Copies of the photos that are searched on, and of the held-out ones."""
    classes = {path.name: _photos(path) for path in sorted(data.iterdir()) if path.is_dir()}
    classes = {name: files for name, files in classes.items() if files}
    total = sum(len(files) for files in classes.values())
    generator = random.Random(0)
    seen, held = scratch / "seen", scratch / "held_out"
    for name, files in classes.items():
        generator.shuffle(files)
        apart = max(1, round(HELD_OUT * len(files)))
        wanted = min(max(2, round(photos * len(files) / total)), len(files) - apart)
        for root, part in ((seen, files[:wanted]), (held, files[wanted:])):
            (root / name).mkdir(parents=True)
            for path in part:
                shutil.copyfile(path, root / name / path.name)
    return seen, held


def _photos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that never rest."""
    loops = [subprocess.Popen([sys.executable, "-c", _LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def _search(seen: Path, held: Path, busy: int, budget: str, store: Path) -> Run:
    events = store.with_suffix(".jsonl")
    command = [sys.executable, "-m", "automl", "search", str(seen), "--time", budget, "--name", "photos"]
    began, clock = time.time(), time.monotonic()
    done = subprocess.run(
        [*command, "--store", str(store), "--events", str(events), "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - clock
    if done.returncode:
        raise SystemExit(f"The search failed:\n{done.stderr[-2000:]}")
    told = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    return _summary(told, busy, began, seconds, _accuracy(store, held))


def _summary(told: list[dict[str, Any]], busy: int, began: float, seconds: float, accuracy: float) -> Run:
    ended = [event for event in told if event["event"] == "finished"]
    done = sorted(event["time"] - began for event in ended if event["state"] == "done")
    heads = [
        event["time"] - began for event in ended if event["state"] == "done" and event["family"] != "dummy"
    ]
    cut = [event for event in ended if event["state"] == "timeout"]
    signs = [event["time"] for event in told if event["event"] in ("started", "progressed", "finished")]
    return Run(
        busy,
        len(done),
        len(cut),
        sum(event["seconds"] for event in cut) / seconds,
        min(heads, default=float("nan")),
        done[9] if len(done) > 9 else float("nan"),
        max((after - before for before, after in pairwise(signs)), default=0.0),
        seconds,
        max((event["best"] for event in ended if event["best"] is not None), default=float("nan")),
        accuracy,
    )


def _accuracy(store: Path, held: Path) -> float:
    """Of the champion on the photos that the search did not see."""
    import automl

    predicted = automl.load("photos", store=store).predict(held)
    return sum(label == str(file).partition("/")[0] for file, label in predicted.items()) / len(predicted)


def _speed(seen: Path, scratch: Path, rounds: int) -> str:
    """Rates of the pass and of the bare net, in turn, the best of each; the views' cutting is ours alone."""
    import numpy as np

    from automl.data.images.pixels import pictures_of, stored_side, usable_threads
    from automl.data.images.store import store_pixels
    from automl.families.nets.images.features import keep_outputs, view_of
    from automl.families.nets.surroundings import Surroundings

    files = [path for folder in sorted(seen.iterdir()) for path in _photos(folder)]
    lines = [
        "| net | px | our pass, images / s | bare net, images / s | ratio |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name in ("efficientnet_lite0", "efficientnet_lite2"):
        for px in (128, 224):
            ours, bare = [], []
            for turn in range(rounds):
                stored = store_pixels(files, scratch / f"cache-{name}-{px}-{turn}")
                column = np.array(list(stored.references.values()), dtype=object)
                pictures = pictures_of(column, stored_side(column))
                view = view_of(name, px, pictures.side, "whole")
                keep_outputs(pictures_of(column[:16], pictures.side), view, Surroundings())  # loads and plans
                began = time.perf_counter()
                keep_outputs(pictures, view, Surroundings())
                ours.append((len(column) - 16) / (time.perf_counter() - began))
                bare.append(_bare(name, px, usable_threads()))
            ratio = statistics.median(ours) / statistics.median(bare)
            lines.append(f"| {name} | {px} | {max(ours):.0f} | {max(bare):.0f} | {ratio:.2f} |")
    return "\n".join(lines)


def _bare(name: str, px: int, threads: int) -> float:
    """Images per second of the published net on 32 at a time, as one would write it."""
    import torch

    from automl.families.nets import runtime
    from automl.families.nets.images.backbones import load_trunk
    from automl.families.nets.runtime import frozen_type

    net = load_trunk(name).eval().to(frozen_type("cpu")).to(memory_format=torch.channels_last)
    images = torch.rand(32, 3, px, px).to(frozen_type("cpu")).contiguous(memory_format=torch.channels_last)
    with runtime.threads(threads), torch.inference_mode():
        net(images)
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < 1.0:
            net(images)
            count += len(images)
        return count / (time.perf_counter() - began)


if __name__ == "__main__":
    sys.exit(main())
