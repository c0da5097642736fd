"""Trials that take no time: an executor and families that make up predictions, for `scale.py`.

They come in by the doors for plug-ins (`installed`), so that everything around them is real: the controller,
the search folder, the record. A trial's predictions are the truth with noise, less of it the nearer the
parameters are to a point that the sampler has to find.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from automl.core.nodes import NodeState, this_node
from automl.plugins import (
    EXECUTOR_GROUP,
    FAMILY_GROUP,
    GIBIBYTE,
    Allowance,
    Capacity,
    Constant,
    Curve,
    Encoded,
    Event,
    ExecutorType,
    Family,
    Finished,
    FitContext,
    Problem,
    Status,
    Table,
    Task,
    Ticket,
    TrialResult,
    refresh_executors,
    refresh_families,
)

NAMES = ("simulated_one", "simulated_two", "simulated_three")
_SLOTS = 4
_POINTS = 60
_SPACE = """family: {name}
params:
  width: {{float: [0.001, 1], log: true, default: 0.1}}
  depth: {{int: [1, 12], default: 6}}
  rate: {{float: [0.001, 0.3], log: true, default: 0.1}}
  share: {{float: [0.3, 1], default: 1}}
  kind: {{choice: [plain, tall, wide], default: plain}}
  edge: {{float: [0, 4], default: 1, when: {{kind: [tall, wide]}}}}
portfolio:
  - {{name: A, width: 0.1}}
  - {{name: B, width: 0.01, kind: tall}}
"""


@dataclass(frozen=True)
class Params:
    """Parameters that the quality of the predictions depends on."""

    width: float = 0.1
    depth: int = 6
    rate: float = 0.1
    share: float = 1.0
    kind: str = "plain"
    edge: float = 1.0


def fit(params: Params, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Constant:
    """The constant prediction: what a real executor would fit."""
    return Constant(task.constant_prediction(target))


ONE, TWO, THREE = (
    Family(name=name, summary="Makes its predictions up.", params=Params, fit=fit, load=Constant.load)
    for name in NAMES
)


class InstantExecutor:
    """An executor whose trials are over as soon as they are submitted."""

    def __init__(self) -> None:
        self._problem: Problem | None = None
        self._events: list[Event] = []
        self._model = Path()

    @property
    def capacity(self) -> Capacity:
        return Capacity(cores=_SLOTS, trial_cores=1, memory_bytes=8 * GIBIBYTE)

    def device(self, wanted: str) -> str:
        return "cpu"

    @property
    def slots(self) -> int:
        return _SLOTS

    @property
    def idle(self) -> int:
        return _SLOTS - len(self._events)

    def warm(self, libraries: Sequence[str] | None = None, patience: float | None = None) -> None:
        """Nothing to load."""

    def loaded(self, libraries: Sequence[str]) -> bool:
        return True

    def start(self, problem_folder: Path, *, slots: int | None = None) -> None:
        self._problem = problem = Problem.load(problem_folder)
        self._model = problem_folder.parent / "simulated-model"
        target = np.asarray(problem.target)
        for fold in range(len(problem.split.folds)):
            (self._model / f"fold_{fold}").mkdir(parents=True, exist_ok=True)
            Constant(problem.task.constant_prediction(target)).save(self._model / f"fold_{fold}")

    def submit(self, ticket: Ticket) -> None:
        if not self.idle:
            raise RuntimeError("no slot is idle")
        self._events.append(Finished(ticket.number, self._result(ticket)))

    def wait(self, seconds: float) -> list[Event]:
        events, self._events = self._events, []
        return events

    def demand(self) -> tuple[float, float]:
        return 0.0, 0.0

    def nodes(self) -> tuple[NodeState, ...]:
        return (NodeState(name=this_node(), workers=_SLOTS),)

    def stop(self, number: int) -> None:
        """Too late: it is over."""

    def kill(self, number: int) -> None:
        """Too late: it is over."""

    def close(self) -> None:
        self._events.clear()

    def _result(self, ticket: Ticket) -> TrialResult:
        assert self._problem is not None
        problem, candidate = self._problem, ticket.candidate
        folds = len(problem.split_for(candidate.repeat).folds)
        generator = np.random.default_rng([abs(candidate.seed), candidate.repeat])
        steps = tuple(range(_POINTS))
        curves = tuple(
            Curve(f"{kind}_loss/fold_{fold}", steps, tuple((1 + generator.random(_POINTS)).tolist()))
            for kind in ("train", "valid")
            for fold in range(folds)
        )
        return TrialResult(
            status=Status.DONE,
            seconds=0.01,
            held_out=self._predictions(candidate.params, generator),
            fold_seconds=(0.002,) * folds,
            fit_seconds=0.01,
            predict_ms_per_1000_rows=float(generator.uniform(1, 50)),
            model_folder=str(self._saved(ticket, folds)),
            model_bytes=int(generator.integers(1_000, 100_000)),
            peak_bytes=1 << 28,
            curves=curves,
            facts={"rounds": float(generator.integers(10, 900))},
        )

    def _predictions(
        self, params: dict[str, object], generator: np.random.Generator
    ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        """Probabilities of two classes ``(rows, 2)``, or values ``(rows, 1)``."""
        assert self._problem is not None
        problem = self._problem
        truth = np.asarray(problem.target)[problem.split.scored].astype(np.float64)
        values = {**Params().__dict__, **params}
        distance = (
            abs(np.log10(values["width"]) + 2.0)
            + abs(values["depth"] - 7) / 4
            + abs(np.log10(values["rate"]) + 1.5)
            + abs(values["share"] - 0.7)
            + (0.3 if values["kind"] == "plain" else abs(values["edge"] - 2) / 4)
        )
        signal = (truth - truth.mean()) / (truth.std() or 1.0)
        shared = np.random.default_rng(0).normal(size=len(truth))  # what no model can know
        own = generator.normal(size=len(truth))
        guess = signal + 1.5 * shared + (0.5 + 0.4 * distance) * own
        if problem.task.n_outputs == 1:
            return (truth.mean() + truth.std() * guess)[:, None].astype(np.float32)
        share = 1 / (1 + np.exp(-guess))
        return np.stack([1 - share, share], axis=1).astype(np.float32)

    def _saved(self, ticket: Ticket, folds: int) -> Path:
        folder = Path(ticket.folder) / "model"
        shutil.copytree(self._model, folder)
        candidate = ticket.candidate
        body = {
            "format": 1,
            "family": candidate.family,
            "params": candidate.params,
            "seed": candidate.seed,
            "repeat": candidate.repeat,
            "folds": list(range(folds)),
            "log_target": candidate.log_target,
            "log_ranges": [],
        }
        (folder / "member.json").write_text(json.dumps(body), encoding="utf-8")
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _made(allowance: Allowance) -> InstantExecutor:
    return InstantExecutor()


EXECUTOR = ExecutorType(
    name="instant", summary="Makes the results of trials up.", make=_made, shared_disk=True
)


@contextmanager
def installed(folder: Path) -> Iterator[Path]:
    """Install executor and families in ``folder`` for as long as the block runs; gives the spaces' folder."""
    package, spaces = folder / "simulated_trials-1.0.dist-info", folder / "spaces"
    for place in (package, spaces):
        place.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: simulated-trials\nVersion: 1.0\n")
    families = zip(NAMES, ("ONE", "TWO", "THREE"), strict=True)
    points = [f"[{EXECUTOR_GROUP}]", f"instant = {_MODULE}:EXECUTOR", f"[{FAMILY_GROUP}]"]
    points += [f"{name} = {_MODULE}:{constant}" for name, constant in families]
    (package / "entry_points.txt").write_text("\n".join(points) + "\n")
    for name in NAMES:
        (spaces / f"{name}.yaml").write_text(_SPACE.format(name=name), encoding="utf-8")
    sys.path.insert(0, str(folder))
    refresh_families()
    refresh_executors()
    try:
        yield spaces
    finally:
        sys.path.remove(str(folder))
        refresh_families()
        refresh_executors()


_MODULE = Path(__file__).stem
