"""The values that travel between controller and workers: plain data, JSON both ways."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

ParamValue = str | int | float | bool | None
# The curves of a learning-rate range test, by the number of the step: drawn over each other.
TESTED_LOSS, TESTED_RATE = "range_test_loss", "range_test_rate"

_CLOSING_SHARE = 0.05
_CLOSING_WORK = 0.3  # processor seconds, for which that share is enough on a free machine
_CLOSING_MOST = 0.25


class Status(StrEnum):
    """The way a trial ended."""

    DONE = "done"
    FAILED = "failed"
    TIMEOUT = "timeout"
    PRUNED = "pruned"
    OOM = "oom"


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A configuration to try. With the data digest and the split it determines the trial.

    Attributes
    ----------
    family:
        A family's name.
    params:
        Values for the family's ``Params``; what is absent takes its default there.
    seed:
        Seed of everything random in the trial.
    log_target:
        Regression only: fit on ``log1p(target)`` and predict ``expm1``.
    origin:
        ``portfolio``, ``sampler``, ``repeat``, ``refit``, ``retry``, ``rescue``, ``history`` or ``manual``.
    repeat:
        Which deal of the rows: 0 is the main one; a repeat is the same model on other folds, a refit on all
        rows.
    """

    family: str
    params: dict[str, ParamValue] = field(default_factory=dict)
    seed: int = 0
    log_target: bool = False
    origin: str = "manual"
    repeat: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``candidate.json``."""
        return {
            "family": self.family,
            "params": dict(self.params),
            "seed": self.seed,
            "log_target": self.log_target,
            "origin": self.origin,
            "repeat": self.repeat,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Candidate:
        """The candidate that :meth:`to_json` wrote; earlier versions also wrote a ``fidelity``, always 1."""
        return cls(**{name: value for name, value in data.items() if name != "fidelity"})

    def fold_seed(self, fold: int) -> int:
        """A seed below 2**31 (XGBoost takes no more) that differs by trial and fold."""
        return int(np.random.SeedSequence([abs(self.seed), fold]).generate_state(1)[0] >> 1)

    @cached_property
    def key(self) -> str:
        """A digest of family, parameters and target; equal keys are the same model except for the seed."""
        # The 1.0 stood for a share of the full effort: with it, the keys of earlier records are still equal.
        body = json.dumps([self.family, self.params, 1.0, self.log_target], sort_keys=True)
        return hashlib.sha256(body.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Curve:
    """One learning curve: a value by step (epoch, round), e.g. ``valid_loss`` of fold 0."""

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]

    def thinned(self, points: int) -> Curve:
        """At most so many points, evenly spread, with the first and the last among them."""
        if len(self.steps) <= points:
            return self
        kept = np.unique(np.linspace(0, len(self.steps) - 1, points).round().astype(int)).tolist()
        return Curve(
            self.name, tuple(self.steps[at] for at in kept), tuple(float(self.values[at]) for at in kept)
        )


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """The outcome of a trial.

    Attributes
    ----------
    held_out:
        ``(rows scored, n_outputs)`` predictions for the valid rows of all folds, in ascending row order:
        probabilities in float32, a regression's values in float64; None when the trial did not finish, or
        nothing was held out.
    untouched:
        ``(folds, test rows, n_outputs)`` predictions of each fold's model for the test part;
        nothing but the champion's final score reads them.
    train_rows, train_predictions:
        A sample of training rows of the first fold and the predictions for them, to show over-fitting.
    fold_seconds:
        Seconds of fit and predict per fold.
    predict_ms_per_1000_rows:
        Wall milliseconds in which the bag of all folds predicts 1000 rows, those of frozen nets included.
    frozen_ms:
        How many of them frozen nets take, by what they are shown: members of an ensemble share these.
    model_folder:
        Where the folds' models were saved (a path), or ``""``.
    peak_bytes:
        Peak resident memory of the worker during the trial.
    share:
        Of the processor time that it wanted, what it got; 1 on a free machine.
    notes:
        What the person who searches should be told of a trial that went well.
    node:
        Name of the machine that ran it, as its executor knows it; empty for the machine of the search.
    error:
        One line: the reason when the status is not ``done``.
    """

    status: Status
    seconds: float = 0.0
    held_out: npt.NDArray[np.floating] | None = None
    untouched: npt.NDArray[np.floating] | None = None
    train_rows: npt.NDArray[np.int64] | None = None
    train_predictions: npt.NDArray[np.floating] | None = None
    fold_seconds: tuple[float, ...] = ()
    fit_seconds: float = 0.0
    predict_ms_per_1000_rows: float = 0.0
    frozen_ms: dict[str, float] = field(default_factory=dict)
    model_folder: str = ""
    model_bytes: int = 0
    peak_bytes: int = 0
    share: float = 1.0
    curves: tuple[Curve, ...] = ()
    facts: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    node: str = ""
    error: str = ""
    traceback: str = ""

    def lean(self) -> TrialResult:
        """The result without what nothing but its own record needs once it is scored."""
        return replace(self, train_rows=None, train_predictions=None, curves=(), traceback="")


@dataclass(frozen=True)
class Scores:
    """A finished trial's scores in the metric's own unit, computed by the controller."""

    validation: float
    standard_error: float
    folds: tuple[float, ...]
    train: float | None = None


@dataclass(frozen=True)
class Trial:
    """A candidate with its number and, once it ended, its result."""

    number: int
    candidate: Candidate
    result: TrialResult | None = None
    scores: Scores | None = None

    def finished(self, result: TrialResult, scores: Scores | None) -> Trial:
        """This trial with its outcome."""
        return replace(self, result=result, scores=scores)

    def lean(self) -> Trial:
        """This trial with its result as :meth:`TrialResult.lean` leaves it."""
        return self if self.result is None else replace(self, result=self.result.lean())


@dataclass(frozen=True)
class Progress:
    """Progress of a running trial: ``fraction`` in [0, 1] of its work, ``message`` for people."""

    number: int
    fraction: float
    message: str
    fold: int = 0
    held_out: npt.NDArray[np.floating] | None = None


@dataclass(frozen=True)
class Finished:
    """A trial came back."""

    number: int
    result: TrialResult


Event = Progress | Finished


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """One trial on its way to a worker.

    Attributes
    ----------
    folder:
        Scratch folder of the trial; the worker saves models in ``folder/model``.
    seconds:
        Soft limit: the trial is asked to stop at this age and killed shortly after.
    share:
        Of the processor time that it wants, what it is likely to get.
    spare:
        Seconds by which the limit may grow where the worker was not up when the trial was handed to it.
    folds:
        Which folds to run (numbers); empty for all.
    """

    number: int
    candidate: Candidate
    folder: str
    seconds: float
    folds: tuple[int, ...] = ()
    share: float = 1.0
    spare: float = 0.0

    def closing_seconds(self, predicting: float = 0.0) -> float:
        """Seconds of the limit to keep for the work after the last fit: a twentieth, more where it waits.

        ``predicting`` is what the predictions will take that follow, as far as it is known.
        """
        waiting = _CLOSING_WORK * (1 / self.share - 1) + predicting
        return _CLOSING_SHARE * self.seconds + min(waiting, _CLOSING_MOST * self.seconds)
