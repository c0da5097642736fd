"""Kill -9 on a Ray cluster at random moments of one search, and compare it with one that nobody disturbed.

    python tests/faults/cluster_kills.py --kills 20 --trials 100

searches a small table on this machine, and again on three raylets with scratch roots of their own while
workers, agents and whole nodes are killed at random; a killed node is replaced by another. Both must leave
the same trials with the same candidates and scores, one MLflow run per trial, and no process behind. No
trial is hit twice: one that loses two workers, or three nodes, counts as a failure, by rule.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from kill_harness import Harness, is_worker
from raylets import Raylets, raylet_of, raylets

_PATIENCE = 1800.0
FAMILIES = "linear,lightgbm,extra_trees"


@dataclass
class Outcome:
    """Kills by victim, and what was not as it should be."""

    kills: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.kills.values())


def search(folder: Path, name: str, *more: str, trials: int, families: str) -> subprocess.Popen[str]:
    """``automl search`` as a process."""
    words = ["search", "wine.csv", "--target", "class", "--trials", str(trials), "--name", name]
    words += ["--families", families, "--seed", "3", "--folds", "2", "--memory", "3GB", *more]
    with (folder / "log.txt").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "automl", *words], cwd=folder, stdout=log, stderr=log, text=True
        )


def running(folder: Path, name: str) -> set[str]:
    """Trials that have begun and have no result yet."""
    trials = folder.glob(f"mlruns/searches/{name}-*/trials/*/candidate.json")
    return {path.parent.name for path in trials if not (path.parent / "result.json").exists()}


def workers_of(cluster: Raylets) -> list[psutil.Process]:
    """Processes that fit trials, on all nodes."""
    below = [child for node in cluster.nodes for child in raylet_of(node).children(recursive=True)]
    return [child for child in below if is_worker(child)]


def kill_one(cluster: Raylets, victim: str, generator: random.Random) -> bool:
    """Kill a worker, an agent or a node; False where there is none."""
    if victim == "node":
        node = generator.choice(cluster.nodes[1:])
        cluster.kill(node)
        cluster.add()
        return True
    workers = workers_of(cluster)
    if not workers:
        return False
    worker = generator.choice(workers)
    try:
        if victim == "worker":
            worker.kill()
        else:  # the servers fork the workers, and the agent starts the servers
            agent = next(process for process in worker.parents() if "ray::" in " ".join(process.cmdline()))
            agent.kill()
    except (psutil.NoSuchProcess, StopIteration):
        return False
    return True


def finished(folder: Path, name: str) -> int:
    """Count of trials that have a result."""
    return len(list(folder.glob(f"mlruns/searches/{name}-*/trials/*/result.json")))


def disturb(
    folder: Path,
    cluster: Raylets,
    name: str,
    process: subprocess.Popen[str],
    kills: int,
    trials: int,
    seed: int,
) -> Outcome:
    """Kill at random moments of the first two thirds of the search, however fast it is, until it is over."""
    generator, outcome = random.Random(seed), Outcome()
    moments = sorted(generator.uniform(0, 2 / 3 * trials) for _ in range(kills))
    spared: set[str] = set()
    until = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < until:
        time.sleep(generator.uniform(0.02, 0.1))  # trials are short
        now = running(folder, name)
        if (
            outcome.total >= kills
            or finished(folder, name) < moments[outcome.total]
            or not now
            or now & spared
        ):
            continue
        victim = generator.choice(("worker", "worker", "agent", "node"))
        if kill_one(cluster, victim, generator):
            outcome.kills[victim] = outcome.kills.get(victim, 0) + 1
            spared = running(folder, name)
    if process.poll() is None:
        process.kill()
        outcome.differences.append("the search did not end")
    elif process.returncode:
        outcome.differences.append(f"the search ended with {process.returncode}")
    return outcome


def measure(*, kills: int, trials: int, seed: int = 0, families: str = FAMILIES) -> Outcome:
    """One search on this machine, one on a cluster with kills; the second's differences from the first."""
    with tempfile.TemporaryDirectory(prefix="automl-cluster-kills-") as place:
        folder = Path(place)
        harness = Harness(folder, trials, families, random.Random(seed))
        harness.prepare()
        began = time.monotonic()
        code = search(folder, "calm", trials=trials, families=families).wait(_PATIENCE)
        log = folder / "log.txt"
        if code:
            raise RuntimeError(f"the undisturbed search ended with {code}:\n{log.read_text()[-3000:]}")
        expected, wrong = harness.record("calm")
        print(f"undisturbed: {len(expected)} trials in {time.monotonic() - began:.0f} s {wrong}", flush=True)
        with raylets(3) as cluster:
            on_it = ("--executor", "ray", "--address", cluster.address)
            process = search(folder, "stormy", *on_it, trials=trials, families=families)
            outcome = disturb(folder, cluster, "stormy", process, kills, trials, seed)
        if not outcome.differences:
            found, wrong = harness.record("stormy")
            outcome.differences += wrong
            outcome.differences += [
                f"expected {a}, found {b}" for a, b in zip(expected, found, strict=False) if a != b
            ]
        else:
            outcome.notes.append(log.read_text()[-5000:])
    return outcome


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--families", default=FAMILIES)
    given = parser.parse_args()
    outcome = measure(**vars(given))
    counts = ", ".join(f"{count} × {victim}" for victim, count in outcome.kills.items())
    print(f"{outcome.total} kills ({counts}): {'; '.join(outcome.differences) or 'alike'}")
    print("\n".join(outcome.notes))
    return int(bool(outcome.differences) or outcome.total < given.kills)


if __name__ == "__main__":
    sys.exit(main())
