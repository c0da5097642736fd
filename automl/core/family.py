"""The contract between the search and a model family."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from automl.core.predictions import USUAL_LOSSES, Link, Predictions
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task
from automl.core.trial import Curve
from automl.core.typed_values import Value
from automl.core.weights import Weights

T = TypeVar("T")
FAMILY_GROUP = "automl.families"
"""The group of entry points by which packages offer families."""
BASELINE = "dummy"
"""The family that looks at no feature: it is fitted in every search, and begins it."""


class TrialStopped(Exception):
    """Raised inside a fit when it was asked to stop and has no usable model yet."""


class Fitted(Protocol):
    """One fitted model (of one fold)."""

    def predict(self, inputs: Table) -> Predictions:
        """Predictions ``(rows, n_outputs)``: class probabilities that sum to 1, or one column of values."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model into an existing, empty folder, without pickle."""
        ...


@dataclass(kw_only=True)
class FitContext:
    """Settings and services of a fit, besides its data.

    Attributes
    ----------
    seed:
        Seed of this fit; the same seed gives the same model.
    threads:
        Threads it may use.
    deadline:
        ``time.monotonic()`` by which it must return; a fit that can stops early with what it has.
    valid:
        The fold's held-out rows ``(table, encoded target)`` for early stopping, or None in a refit.
    weights:
        Of the training rows, ``(rows,)``, with a mean of about 1; None where each counts once. Only a family
        that declares ``sample_weights`` is ever given some.
    valid_weights:
        Of the rows of ``valid``.
    fold:
        Number of the fold, for messages.
    device:
        ``cpu`` or ``cuda``.
    cache:
        Prepared data kept between trials of one worker; use :meth:`cached`.
    nets:
        Frozen nets that the search may use, whose speed the first trial that prepares measures.
    report:
        ``report(fraction of this fit, message)``.
    stop_requested:
        Whether the controller asked this trial to stop.
    curves, facts:
        Filled by the fit: learning curves and numbers worth recording (``best_iteration`` …).
    notes:
        Filled by the fit: what the person who searches should be told, in whole sentences.
    """

    seed: int = 0
    threads: int = 1
    deadline: float = float("inf")
    valid: tuple[Table, Encoded] | None = None
    weights: Weights | None = None
    valid_weights: Weights | None = None
    fold: int = 0
    device: str = "cpu"
    cache: Cache | None = None
    nets: tuple[str, ...] = ()
    report: Callable[[float, str], None] = lambda fraction, message: None
    stop_requested: Callable[[], bool] = lambda: False
    curves: list[Curve] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline (may be infinite, never below 0)."""
        return max(0.0, self.deadline - time.monotonic())

    def should_stop(self) -> bool:
        """True to stop now: the deadline has passed or the controller asked."""
        return time.monotonic() >= self.deadline or self.stop_requested()

    def cached(self, key: Hashable, build: Callable[[], T]) -> T:
        """``build()``, or what it returned before for this key and fold in this worker."""
        if self.cache is None:
            return build()
        return self.cache.get((self.fold, key), build)


class Cache(Protocol):
    """A bounded store of prepared data."""

    def get(self, key: Hashable, build: Callable[[], T]) -> T:
        """The value built for ``key``, building it first if need be."""
        ...


Fit = Callable[[Any, Table, Encoded, Task, FitContext], Fitted]
FitFolds = Callable[[Any, Sequence[tuple[Table, Encoded]], Task, Sequence[FitContext]], Sequence[Fitted]]


@dataclass(frozen=True)
class Outlook:
    """Times that a trial will take, by measurements on this machine.

    Attributes
    ----------
    prepare:
        Seconds of computing that all folds share and that is not kept yet, on all cores; 0 where it is.
    fit:
        Seconds that its fits need at least.
    """

    prepare: float = 0.0
    fit: float = 0.0


@dataclass(frozen=True)
class Scope:
    """The size of a search.

    Attributes
    ----------
    rows:
        Rows that a fold trains on.
    trial_seconds:
        What a trial may take; infinite where trials are counted.
    workers:
        Trials that run at once and share the cores.
    """

    rows: int
    folds: int
    trial_seconds: float
    device: str
    workers: int = 1


@dataclass(frozen=True)
class ScoreTerms:
    """A model's score as a sum: ``base + values.sum(axis=1)``, for models of one score.

    Attributes
    ----------
    values:
        ``(rows, features)``: the term of each feature, in the order of ``Table.columns``.
    base:
        The score without any of them: that of a typical row.
    link:
        The way from the score to predictions; the score of two classes is the log-odds of class 1.
    """

    values: npt.NDArray[np.float64]
    base: float
    link: Link


@dataclass(frozen=True, kw_only=True)
class Family:
    """A model family: its name, the data it can handle, and the functions that fit and load it.

    Attributes
    ----------
    name:
        As in ``search_spaces/<name>.yaml``.
    summary:
        One line for ``automl families``.
    params:
        A frozen dataclass with a default for every field; a search space binds to it.
    fit:
        ``fit(params, inputs, target, task, context)`` → :class:`Fitted`.
    load:
        ``load(folder)`` → the fitted model that ``save`` wrote.
    tasks:
        Names of the tasks: ``binary``, ``multiclass``, ``regression``, or those of other packages. A task is
        among them by its name or its :attr:`~automl.core.tasks.Task.kin`.
    losses:
        What it can minimise: :class:`~automl.core.predictions.Loss`, or texts that tasks of other packages
        state. None for a family to which that makes no difference.
    kinds:
        Feature kinds it can use (number, category, text, image). Others are ignored by it; it is left
        out of a search whose table has none of them.
    fit_folds:
        Optional: fits all folds at once, ``fit_folds(params, [(inputs, target) per fold], task,
        [context per fold])`` → fitted models in that order. May return fewer only by raising.
    fits_folds_together:
        ``fits_folds_together(params, rows)``: whether ``fit_folds`` is the faster way.
    missing_weights:
        ``missing_weights(parameter, values)``: those of the values that need a file of published weights
        which is not on this machine, with the file's name. A search leaves them out and says so, unless the
        name is empty.
    prepare:
        Optional: ``prepare(params, tables, context)`` computes and keeps what all folds share, from the
        table of all rows and that of the untouched ones; its time is the trial's, not the first fold's.
    libraries:
        Top-level modules that its fits import. A trial is given to a worker that has them loaded; where
        they still load in the background, other families run meanwhile.
    outlook:
        Optional, beside ``prepare``: ``outlook(params, tables, scope)`` foresees a trial; None while nothing
        is known. A search by time starts what fits, and one trial at a time that has to compute.
    shared_params:
        Names of the parameters that decide what ``prepare`` computes.
    unsuited:
        ``unsuited(scope)``: why a search had better leave the family out, or an empty string.
    terms:
        Optional: ``terms(fitted, rows, typical)``, the rows' scores as exact sums over the features (Shapley
        values), or None where a model has none: with several scores, or columns made of several features.
        ``typical`` are made-up rows, whose mean is the base of linear terms.
    opening:
        Its places in the opening of a search, ascending: at its n-th one, its n-th portfolio entry is tried.
        Those of all families are put in order; the built-in ones take tens, so that there is room between
        them. A family without any is tried twice after
        the others.
    quick:
        Whether a budget of a few seconds, in which no worker process starts, is enough for it.
    pretrained:
        Whether weights that were trained elsewhere are part of its models.
    sample_weights:
        Whether its fits use :attr:`FitContext.weights`: a row of weight 2 counts as two rows. Else it is
        left out of a search with ``--weight``.
    refits:
        Whether its fits are as good with nothing held out: where a single holdout judged, members of the
        ensemble are then fitted again on all rows.
    """

    name: str
    summary: str
    params: type[Any]
    fit: Fit
    load: Callable[[Path], Fitted]
    tasks: frozenset[str] = frozenset({"binary", "multiclass", "regression"})
    losses: frozenset[str] | None = USUAL_LOSSES
    kinds: frozenset[Kind] = frozenset({Kind.NUMBER, Kind.CATEGORY, Kind.TEXT})
    fit_folds: FitFolds | None = None
    fits_folds_together: Callable[[Any, int], bool] = lambda params, rows: False
    missing_weights: Callable[[str, Sequence[Value]], Mapping[Value, str]] = lambda parameter, values: {}
    prepare: Callable[[Any, Sequence[Table], FitContext], None] | None = None
    libraries: tuple[str, ...] = ()
    outlook: Callable[[Any, Sequence[Table], Scope], Outlook | None] | None = None
    shared_params: tuple[str, ...] = ()
    unsuited: Callable[[Scope], str] = lambda scope: ""
    terms: Callable[[Any, Table, Table], ScoreTerms | None] | None = None
    opening: tuple[int, ...] = ()
    quick: bool = False
    pretrained: bool = False
    sample_weights: bool = False
    refits: bool = False

    def handles(self, task: Task) -> bool:
        """Tell whether it can fit models for the task."""
        return bool({task.name, task.kin} & self.tasks) and (self.losses is None or task.loss in self.losses)
