"""The cost of a trial on a Ray cluster beside one on this machine, and the speed-up by workers.

    python benchmarks/executors.py --trials 30
    python benchmarks/executors.py --trials 30 --workers 1 2 4 8

Trials compute for a second, one after another, in a warm worker of each executor: stated are the seconds
between handing over a trial and having its result, beyond the trial's own, and the processor seconds of all
processes per trial. The speed-up is a simulation: trials sleep instead of computing, so that as many run at
once as there are workers, whatever the machine has. It shows what handing over costs, not what cores give.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from automl.core.environment import variables
from automl.core.trial import Finished, Status
from automl.executors.base import Allowance, Executor
from automl.executors.local import LocalExecutor
from automl.executors.ray_cluster.executor import RayExecutor
from automl.testing.executors import finish, installed_family, small_problem, ticket

GIBIBYTE = 1 << 30
FAMILY = "pastime"
_SOURCE = '''
"""A family that computes or sleeps for a while, and predicts the constant."""

import time
from dataclasses import dataclass

import numpy as np

from automl.plugins import Family


@dataclass(frozen=True)
class Params:
    duration: float = 1.0
    sleeps: bool = False


class Fitted:
    def __init__(self, shares):
        self.shares = shares

    def predict(self, inputs):
        return np.tile(self.shares, (inputs.rows, 1))

    def save(self, folder):
        np.save(folder / "shares.npy", self.shares)


def load(folder):
    return Fitted(np.load(folder / "shares.npy"))


def fit(params, inputs, target, task, context):
    until = time.process_time() + params.duration / 3
    if params.sleeps:
        time.sleep(params.duration / 3)
    while not params.sleeps and time.process_time() < until:
        sum(range(1000))
    return Fitted(task.constant_prediction(target))


FAMILY = Family(name="pastime", summary="Passes the time.", params=Params, fit=fit, load=load)
'''


@dataclass(frozen=True)
class Cost:
    """Of one trial, in seconds: of the clock beyond the trial's own, and of a processor in all processes."""

    waiting: float
    processor: float


@contextmanager
def cluster(cpus: int) -> Iterator[str]:
    """The address of a cluster of one node that claims so many processors."""
    from ray.cluster_utils import Cluster

    with (
        tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder,
        variables({"RAY_USAGE_STATS_ENABLED": "0", "TMPDIR": folder}),
    ):
        (Path(folder) / "ray").mkdir()  # Ray writes the address of the cluster there
        made = Cluster()
        made.add_node(
            num_cpus=cpus,
            object_store_memory=100 << 20,
            node_ip_address="127.0.0.1",
            include_dashboard=False,
            temp_dir=str(Path(folder) / "ray"),
        )
        try:
            yield str(made.address)
        finally:
            made.shutdown()


def processor_seconds(seen: dict[int, float]) -> float:
    """Of this process and all below it, also of those that ended since they were seen."""
    me = psutil.Process()
    for process in (me, *me.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        seen[process.pid] = times.user + times.system
    return sum(seen.values())


def cost_of(executor: Executor, folder: Path, trials: int, seconds: float) -> Cost:
    """Trials one after another, after two that make the worker warm."""
    waits, seen = list[float](), dict[int, float]()
    before = 0.0
    for number in range(-2, trials):
        if number == 0:
            before = processor_seconds(seen)
        began = time.monotonic()
        executor.submit(ticket(folder, number + 2, FAMILY, duration=seconds))
        (end,) = (event for event in finish_soon(executor) if isinstance(event, Finished))
        if end.result.status is not Status.DONE:
            raise RuntimeError(end.result.error)
        waits.append(time.monotonic() - began - end.result.seconds)
    return Cost(median(waits[2:]), (processor_seconds(seen) - before) / trials)


def finish_soon(executor: Executor) -> list[Any]:
    """Events until all slots are idle, without a moment more."""
    events: list[Any] = []
    while executor.idle < executor.slots:
        events += executor.wait(60.0)
    return events


def throughput(executor: Executor, folder: Path, trials: int) -> float:
    """Sleeping trials of a second per second, on all slots."""
    for number in range(executor.slots):
        executor.submit(ticket(folder, number, FAMILY, duration=0.1, sleeps=True))
    finish(executor)
    began, started, done = time.monotonic(), 0, 0
    while done < trials:
        while executor.idle and started < trials:
            started += 1
            executor.submit(ticket(folder, 100 + started, FAMILY, duration=1.0, sleeps=True))
        done += sum(isinstance(event, Finished) for event in executor.wait(10.0))
    return trials / (time.monotonic() - began)


def on_ray(address: str, workers: int) -> RayExecutor:
    """An executor on the cluster."""
    return RayExecutor(Allowance(workers=workers, memory_bytes=4 * GIBIBYTE, address=address))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=1.0, help="what a trial computes")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 8])
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="automl-executors-")))
        stack.enter_context(installed_family(folder / "plug-in", FAMILY, _SOURCE))
        address = stack.enter_context(cluster(max([2, *given.workers])))
        small_problem().save(folder / "problem")
        makers: dict[str, Callable[[], Executor]] = {
            "local": lambda: LocalExecutor(1, memory_bytes=4 * GIBIBYTE),
            "ray": lambda: on_ray(address, 1),
        }
        costs = {}
        for name, make in makers.items():
            with make() as executor:
                executor.warm(())
                executor.start(folder / "problem", slots=1)
                costs[name] = cost_of(executor, folder / name, given.trials, given.seconds)
            print(
                f"{name:6} {1000 * costs[name].waiting:6.1f} ms beyond the trial's own, "
                f"{costs[name].processor:.3f} s of a processor per trial of {given.seconds:g} s",
                flush=True,
            )
        more = costs["ray"].processor - costs["local"].processor
        print(
            f"ray costs {1000 * (costs['ray'].waiting - costs['local'].waiting):.1f} ms and "
            f"{100 * more / given.seconds:.0f} % of a processor more per trial"
        )
        for workers in given.workers:
            with on_ray(address, workers) as executor:
                executor.warm(())
                executor.start(folder / "problem", slots=workers)
                speed = throughput(executor, folder / f"with-{workers}", 6 * workers)
            print(
                f"{workers} workers: {speed:.2f} sleeping trials of 1 s per second (a simulation)", flush=True
            )


if __name__ == "__main__":
    main()
