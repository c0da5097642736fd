"""Kill -9 at random points, resume, and compare with a search that nobody disturbed.

    python tests/faults/kill_harness.py --kills 100
    python tests/faults/kill_harness.py --kills 20 --trials 5 --images
    python tests/faults/kill_harness.py --kills 20 --trials 8 --texts

runs searches of a small table, of a folder of small images or of short texts (with an encoder of random
weights, and no features kept from the search before) as processes, kills their controller, a worker, or both
at random moments, resumes them until they are done, and compares each record with that of one undisturbed
search: the same trials with the same candidates and scores, one MLflow run per trial, no run left open, no
process left behind, nothing left on disk. Moments are drawn in processor seconds, so that
they spread over the whole course of a search on a busy machine too. It prints one line per search and the
figures at the end.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil

VICTIMS = ("controller", "worker", "both")
_PATIENCE = 3600.0
FAMILIES = "linear,lightgbm,xgboost,catboost,random_forest,extra_trees,tabular_net,tabm"  # and the dummy
IMAGE_FAMILIES = "image_probe,image_scratch"
TEXT_FAMILIES = "text_linear,text_probe,text_finetune"
FAMILIES_OF = {"tables": FAMILIES, "images": IMAGE_FAMILIES, "texts": TEXT_FAMILIES}


@dataclass
class Figures:
    """What happened to all searches."""

    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VICTIMS, 0))
    searches: int = 0
    resumes: int = 0
    alike: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """All kills."""
        return sum(self.kills.values())

    def __str__(self) -> str:
        counts = ", ".join(f"{count} × {victim}" for victim, count in self.kills.items())
        return (
            f"{self.total} kills ({counts}) of {self.searches} searches, {self.resumes} resumes: "
            f"{self.alike} of {self.searches} ended alike"
        )


@dataclass
class Used:
    """Processor seconds of a process and all that it started, also of those that ended."""

    by_process: dict[int, float] = field(default_factory=dict)

    def look(self, pid: int) -> float:
        """Look again; the sum so far."""
        for process in [*descendants(pid), *_alive(pid)]:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            self.by_process[process.pid] = times.user + times.system
        return self.seconds

    @property
    def seconds(self) -> float:
        """The sum when that was last looked at."""
        return sum(self.by_process.values())


@dataclass(frozen=True)
class Harness:
    """One way to search, in one folder."""

    folder: Path
    trials: int
    families: str
    generator: random.Random
    data: str = "tables"

    def prepare(self) -> None:
        """Write the data."""
        if self.data == "images":
            _draw_images(self.folder / "shapes")
        elif self.data == "texts":
            _write_texts(self.folder)
        elif self.begin("example", "wine").wait(_PATIENCE):
            raise RuntimeError((self.folder / "log.txt").read_text())

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """``automl …`` as a process."""
        log = (self.folder / "log.txt").open("a")
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", "automl", *arguments],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
                text=True,
            )

    def search(self, name: str) -> subprocess.Popen[str]:
        """The search, which finds no features of texts that an earlier one has kept."""
        shutil.rmtree(self.folder / "mlruns" / "cache" / "texts", ignore_errors=True)
        what = {
            "images": ("shapes",),
            "texts": ("reviews.csv", "--target", "verdict", "--weights-dir", "encoder"),
            "tables": ("wine.csv", "--target", "class"),
        }
        return self.begin(
            *("search", *what[self.data]),
            *("--trials", str(self.trials), "--name", name),
            *("--families", self.families, "--workers", "2", "--seed", "1", "--folds", "2"),
        )

    def undisturbed(self, name: str) -> float:
        """Run one to its end; its processor seconds."""
        process, used = self.search(name), Used()
        while _still_runs(process):
            used.look(process.pid)
        if process.returncode:
            words = (self.folder / "log.txt").read_text()
            raise RuntimeError(f"the search ended with {process.returncode}:\n{words}")
        return used.seconds

    def disturbed(self, name: str, span: float, figures: Figures, most: int) -> None:
        """Run one to its end with ``most`` kills at most on the way."""
        process, kills = self.search(name), 0
        figures.searches += 1
        while True:
            if kills < most and self._kill_within(process, self.generator.uniform(0.2, span), figures):
                kills += 1
            elif kills >= most:
                process.wait(_PATIENCE)
            if process.poll() is None:
                continue
            if process.returncode == 0:
                return
            if process.returncode != -signal.SIGKILL:
                figures.differences.append(f"{name}: a process ended with {process.returncode}")
                return
            begun = list((self.folder / "mlruns" / "searches").glob(f"{name}-*/search.json"))
            if not begun and self._is_finished(name):
                return  # killed after its last word
            process = self.begin("resume", name) if begun else self.search(name)
            figures.resumes += bool(begun)

    def _kill_within(self, process: subprocess.Popen[str], seconds: float, figures: Figures) -> bool:
        """Kill something once it has used the processor so long; False when the search was over by then."""
        used = Used()
        until = used.look(process.pid) + seconds
        while used.look(process.pid) < until:
            if not _still_runs(process):
                return False
        victim = self.generator.choice(VICTIMS)
        if victim != "controller" and not self._wait_for_workers(process):
            return False
        everyone = descendants(process.pid)
        workers = [child for child in everyone if is_worker(child)]
        if victim != "controller" and not workers:
            return False
        if victim != "controller":
            _kill(self.generator.choice(workers))
        if victim != "worker":
            process.kill()
            process.wait()
            _, alive = psutil.wait_procs(everyone, timeout=60)
            if alive:
                figures.differences.append(f"processes left behind: {alive}")
        figures.kills[victim] += 1
        return True

    def _wait_for_workers(self, process: subprocess.Popen[str]) -> bool:
        """Until a search that still starts has workers, and a moment more; whether it has any."""
        while process.poll() is None:
            if any(is_worker(child) for child in descendants(process.pid)):
                time.sleep(self.generator.uniform(0, 1.5))
                return process.poll() is None
            time.sleep(0.05)
        return False

    def _is_finished(self, name: str) -> bool:
        """Whether the search's run is closed; asked of the file, which takes no time."""
        database = self.folder / "mlruns" / "mlflow.db"
        with closing(sqlite3.connect(database)) as connection:
            try:
                found = connection.execute(
                    "SELECT 1 FROM runs JOIN experiments USING (experiment_id) "
                    "WHERE experiments.name = ? AND runs.status = 'FINISHED' AND runs.name LIKE ? LIMIT 1",
                    (name, f"{name} %"),
                ).fetchall()
            except sqlite3.OperationalError:  # killed before the tables were there
                return False
        return bool(found)

    def record(self, name: str) -> tuple[list[tuple[object, ...]], list[str]]:
        """The trials on record, and what is wrong with the record in itself."""
        from automl.tracker.reading.query import Record
        from automl.tracker.store.location import locate_store

        record = Record(locate_store(None, self.folder / "mlruns"))
        search = record.search_run(name)
        every = [run for first in "0123456789abcdef" for run in record.runs_beginning(first)]
        runs = [run for run in every if run.info.experiment_id == search.info.experiment_id]
        children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == search.info.run_id]
        parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        wrong = [f"{run.info.run_id} is {run.info.status}" for run in runs if run.info.status == "RUNNING"]
        if search.info.status != "FINISHED":
            wrong.append(f"the search's run is {search.info.status}")
        if len(children) != self.trials:
            wrong.append(f"{len(children)} runs for {self.trials} trials")
        if len(children) + len(parents) != len(runs) or len(parents) != 1:
            wrong.append(f"{len(parents)} runs of searches")
        left = list((self.folder / "mlruns" / "searches").glob(f"{name}-*"))
        wrong += [f"{path.name} is left on disk" for path in left]
        rows = sorted(record.leaderboard(search), key=lambda row: row.trial)
        return [
            (row.trial, row.family, json.dumps(row.params, sort_keys=True), row.state, row.validation)
            for row in rows
        ], wrong


def measure(
    *,
    kills: int,
    trials: int,
    seed: int,
    families: str = "",
    data: str = "tables",
    most: int = 6,
    minutes: float = float("inf"),
) -> Figures:
    """Kill until that many kills happened, or begin no search after ``minutes``; compare each."""
    figures, until = Figures(), time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(prefix="automl-kills-") as name:
        families = families or FAMILIES_OF[data]
        harness = Harness(Path(name), trials, families, random.Random(seed), data)
        harness.prepare()
        span = harness.undisturbed("undisturbed")
        expected, wrong = harness.record("undisturbed")
        if wrong:
            raise RuntimeError(f"the undisturbed search is not right: {wrong}")
        print(f"undisturbed: {len(expected)} trials in {span:.0f} processor seconds", flush=True)
        while figures.total < kills and time.monotonic() < until:
            search = f"killed-{figures.searches}"
            before = figures.total
            harness.disturbed(search, span, figures, min(most, kills - figures.total))
            found, wrong = harness.record(search)
            wrong += [f"expected {a}, found {b}" for a, b in zip(expected, found, strict=False) if a != b]
            figures.alike += not wrong
            figures.differences += [f"{search}: {item}" for item in wrong]
            state = "; ".join(wrong) or "alike"
            print(f"{search}: {figures.total - before} kills, {state}; {figures}", flush=True)
        if figures.differences:
            print((harness.folder / "log.txt").read_text()[-100_000:])
    return figures


def _draw_images(folder: Path) -> None:
    """Ten dark and ten bright pictures of noise."""
    import numpy as np
    from PIL import Image

    generator = np.random.default_rng(0)
    for name, level in (("dark", 90), ("bright", 130)):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            pixels = generator.normal(level, 30, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def _write_texts(folder: Path) -> None:
    """Good and bad reviews, a small encoder that knows their words, and search spaces with it alone."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from small_encoders import WORDS, write_encoder

    draw = random.Random(0)
    words = [word for word in WORDS if word.isalpha()]
    texts = [" ".join(draw.choices(words, k=draw.randint(3, 30))) for _ in range(400)]
    rows = [f"{text},{'fine' if text.count('good') >= text.count('bad') else 'poor'}" for text in texts]
    (folder / "reviews.csv").write_text("\n".join(["review,verdict", *rows]), encoding="utf-8")
    write_encoder(folder / "encoder")
    (folder / "search_spaces").mkdir()
    for family in ("text_probe", "text_finetune"):
        ranges = (Path(__file__).resolve().parents[2] / "search_spaces" / f"{family}.yaml").read_text()
        own = ranges.replace("[own, all-MiniLM-L6-v2]", "[own]")
        assert own != ranges
        (folder / "search_spaces" / f"{family}.yaml").write_text(own)


def descendants(pid: int) -> list[psutil.Process]:
    """All that a process started, and what that started."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _alive(pid: int) -> list[psutil.Process]:
    try:
        return [psutil.Process(pid)]
    except psutil.NoSuchProcess:
        return []


def _still_runs(process: subprocess.Popen[str]) -> bool:
    """Whether it does after a moment."""
    try:
        process.wait(0.2)
    except subprocess.TimeoutExpired:
        return True
    return False


def is_worker(process: psutil.Process) -> bool:
    """Workers lead a session of their own; so does the server that forks them, which is a program's start."""
    try:
        return os.getsid(process.pid) == process.pid and process.ppid() != os.getpid() and _forked(process)
    except (ProcessLookupError, psutil.Error):
        return False


def _forked(process: psutil.Process) -> bool:
    parent = process.parent()
    return parent is not None and "fork_server" in " ".join(parent.cmdline())


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        pass


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--families", default="", help="default: those of the data here")
    parser.set_defaults(data="tables")
    for data in ("images", "texts"):
        parser.add_argument(f"--{data}", dest="data", action="store_const", const=data, help=f"search {data}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=6, help="kills of one search")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no search after these")
    given = parser.parse_args()
    began = time.monotonic()
    figures = measure(**vars(given))
    seconds = time.monotonic() - began
    print(f"{figures}, in {seconds:.0f} s")
    print("\n".join(figures.differences))
    return int(figures.alike < figures.searches or bool(figures.differences))


if __name__ == "__main__":
    sys.exit(main())
