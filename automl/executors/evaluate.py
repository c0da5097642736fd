"""One trial, in a worker: a candidate goes in, a result comes out, and no exception leaves it.

Layout of a saved trial, ``ticket.folder/model``: ``fold_<i>/`` as ``Fitted.save`` wrote it, and
``member.json`` with ``format`` (1), ``family``, ``params``, ``seed``, ``repeat``, ``folds``
(the numbers ``i``), ``log_target`` and ``log_ranges`` (per fold ``[low, high]`` of :class:`LogTarget`;
empty when ``log_target`` is false).
"""

from __future__ import annotations

import json
import shutil
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.environment import cache_in, variables, weights_in
from automl.core.family import Cache, Family, FitContext, Fitted, TrialStopped
from automl.core.folds import Fold
from automl.core.memory import PeakMemory
from automl.core.modality import TABLES
from automl.core.predictions import Predictions
from automl.core.processor_share import TrialPace
from automl.core.sealed import folder_bytes
from automl.core.table import Table
from automl.core.tasks import Encoded
from automl.core.trial import Curve, Progress, Status, Ticket, TrialResult
from automl.core.weights import Weights
from automl.data.modalities import modality_of
from automl.executors.prepared_cache import RepeatCache
from automl.families import families
from automl.model.log_target import LogTarget
from automl.problem.problem import Problem

MEMBER_FORMAT = 1
PREPARE_SECONDS = "prepare_seconds"
_PREPARING_SHARE = 0.9
_STATED_ROWS = 1000  # times of predictions are stated for so many
_TIMING_SECONDS = 0.3
_TRACEBACK_CHARACTERS = 4000
_CURVE_POINTS = 200
_REPORT_SECONDS = 0.25
_WAITS = 0.6
# How the libraries say that memory ran out, where they do not raise MemoryError.
_MEMORY_WORDS = (
    "out of memory",
    "bad_alloc",
    "bad allocation",
    "can't allocate memory",
    "cannot allocate memory",
    "status_alloc_failed",  # of cuBLAS and cuDNN
)


@dataclass(frozen=True)
class Control:
    """The worker's side of a running trial.

    Attributes
    ----------
    report:
        Told how far the trial is; the first fold's predictions go with it as soon as they are there.
    stop_requested:
        Whether the controller gave the trial up.
    cache:
        Prepared data of earlier trials on the same problem.
    """

    report: Callable[[Progress], None] = lambda progress: None
    stop_requested: Callable[[], bool] = lambda: False
    cache: Cache | None = None


def evaluate(ticket: Ticket, problem: Problem, control: Control) -> TrialResult:
    """Fit and judge a candidate on the folds of its ticket. Whatever happens is a :class:`TrialResult`.

    A fit that returns early at its deadline makes a finished trial; one that has nothing by then is a
    ``timeout``. A request to stop makes it ``pruned``.
    """
    started = time.monotonic()
    memory, pace = PeakMemory(), TrialPace()
    run = _Run(ticket, problem, control, started)
    try:
        with variables(weights_in(problem.weights_dir) | cache_in(problem.cache_dir)):
            done = run.result()
        seconds = time.monotonic() - started
        return replace(done, seconds=seconds, peak_bytes=memory.peak_bytes(), share=pace.share())
    except Exception as error:  # noqa: BLE001 - the one broad except: a model's failure is a TrialResult
        status, reason = _failure(error, control)
        trace = "" if isinstance(error, TrialStopped) else traceback.format_exc()[-_TRACEBACK_CHARACTERS:]
    shutil.rmtree(Path(ticket.folder) / "model", ignore_errors=True)
    return TrialResult(
        status=status,
        seconds=time.monotonic() - started,
        fold_seconds=tuple(fold.seconds for fold in run.finished),
        fit_seconds=sum(fold.fit_seconds for fold in run.finished),
        peak_bytes=memory.peak_bytes(),
        share=pace.share(),
        error=reason,
        traceback=trace,
    )


def _failure(error: Exception, control: Control) -> tuple[Status, str]:
    """The status and the one line that an exception stands for."""
    words = " ".join(str(error).split())
    if isinstance(error, TrialStopped):
        if control.stop_requested():
            return Status.PRUNED, "stopped early: clearly worse than the best of its family"
        return Status.TIMEOUT, words or "no model within the time limit"
    line = f"{type(error).__name__}: {words}"[:500]
    if isinstance(error, MemoryError) or any(word in words.lower() for word in _MEMORY_WORDS):
        return Status.OOM, line
    return Status.FAILED, line


@dataclass(frozen=True, kw_only=True)
class _FoldData:
    number: int
    rows: Fold
    train: Table
    valid: Table
    target: Encoded
    valid_target: Encoded
    weights: Weights | None
    valid_weights: Weights | None
    log: LogTarget | None


@dataclass(frozen=True, kw_only=True)
class _FittedFold:
    """A fold's model with what it predicts for its held-out rows."""

    data: _FoldData
    model: Fitted
    context: FitContext
    fit_seconds: float
    seconds: float
    held_out: npt.NDArray[np.floating]

    def predict(self, inputs: Table) -> npt.NDArray[Any]:
        """Predictions in the target's own unit."""
        predictions = self.model.predict(inputs)
        return self.data.log.restore(predictions) if self.data.log is not None else predictions


class _Run:
    """The course of one trial: fit fold by fold, or all at once where the family is faster so."""

    def __init__(self, ticket: Ticket, problem: Problem, control: Control, started: float) -> None:
        self.ticket = ticket
        self.problem = problem
        self._split = problem.split_for(ticket.candidate.repeat)
        self.control = control
        # What follows the last fit (predicting, saving, timing) has to fit into the limit as well.
        self.limit = started + ticket.seconds
        self.end = self.limit - ticket.closing_seconds()
        self.folder = Path(ticket.folder) / "model"
        self.finished: list[_FittedFold] = []
        self._reported = 0.0
        self._prepared = self._behind = 0.0
        self._said: list[str] = []
        self._modality = TABLES

    def result(self) -> TrialResult:
        """The whole trial; raises what goes wrong."""
        candidate = self.ticket.candidate
        family = families()[candidate.family]
        self._modality = modality_of(family.kinds & self.problem.table.features.kinds)
        params = family.params(**candidate.params)
        folds = self._split.folds
        numbers = self.ticket.folds or tuple(range(len(folds)))
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if family.prepare is not None:
            self._prepare(family, params)
        if family.fit_folds is not None and family.fits_folds_together(params, self.problem.table.rows):
            self._fit_together(family, params, [(i, folds[i]) for i in numbers])
        else:
            for done, i in enumerate(numbers):
                self._fit_one(family, params, (i, folds[i]), left=len(numbers) - done)
        self._save_member()
        train_rows, train_predictions = self._train_sample()
        frozen = self._frozen_ms()
        return TrialResult(
            status=Status.DONE,
            held_out=_in_row_order(self.finished) if self._split.judges else None,
            untouched=self._untouched(),
            train_rows=train_rows,
            train_predictions=train_predictions,
            fold_seconds=tuple(fold.seconds for fold in self.finished),
            fit_seconds=sum(fold.fit_seconds for fold in self.finished),
            predict_ms_per_1000_rows=self._prediction_ms() + sum(frozen.values()),
            frozen_ms=frozen,
            model_folder=str(self.folder),
            model_bytes=folder_bytes(self.folder),
            curves=_curves(self.finished),
            facts={**_mean_facts([fold.context.facts for fold in self.finished]), **self._shared_facts()},
            notes=self._notes(),
        )

    def _prepare(self, family: Family, params: Any) -> None:
        """Inputs that all folds share."""
        assert family.prepare is not None
        tables = [self.problem.table, *([self.problem.untouched] if self.problem.untouched else [])]
        context = FitContext(
            seed=self.ticket.candidate.seed,
            threads=self.problem.threads,
            deadline=self.end,
            device=self.problem.device,
            cache=self.control.cache,
            nets=self.problem.nets,
            report=lambda fraction, message: self._report(_PREPARING_SHARE * fraction, message, 0),
            stop_requested=self.control.stop_requested,
        )
        began = time.monotonic()
        family.prepare(params, tables, context)
        self._prepared = time.monotonic() - began
        # A bar must not run back: the time of the fits beside it is a guess.
        self._behind = _PREPARING_SHARE if self._prepared > _REPORT_SECONDS else 0.0
        self._said += context.notes

    def _shared_facts(self) -> dict[str, float]:
        """Of what was computed for all folds."""
        return {PREPARE_SECONDS: self._prepared} if self._prepared else {}

    def _notes(self) -> tuple[str, ...]:
        """Notes of the fits, each sentence once."""
        notes = [*self._said, *(note for fold in self.finished for note in fold.context.notes)]
        return tuple(dict.fromkeys(notes))

    def _fit_one(self, family: Family, params: Any, fold: tuple[int, Fold], *, left: int) -> None:
        """One fold, with its share of the time that is left."""
        began = time.monotonic()
        if self.control.stop_requested() or began >= self.end:
            total = len(self.finished) + left
            raise TrialStopped(f"the time ran out after {len(self.finished)} of {total} folds")
        data = self._data(*fold)
        # the first fold also pays for imports and prepared inputs: half a share more, or one where all waits
        more = 2.0 if self.ticket.share < _WAITS else 1.5
        share = (self.end - began) / left * (more if left > 1 and not self.finished else 1.0)
        context = self._context(data, deadline=began + share, shares=left)
        fit_began = time.monotonic()
        model = family.fit(params, data.train, data.target, self.problem.task, context)
        self._finish(data, model, context, times=(began, time.monotonic() - fit_began), left=left - 1)

    def _fit_together(self, family: Family, params: Any, folds: Sequence[tuple[int, Fold]]) -> None:
        """All folds in one call; the time of the call is shared out evenly."""
        assert family.fit_folds is not None
        began = time.monotonic()
        if self.control.stop_requested():
            raise TrialStopped("the time ran out before the first fold")
        parts = [self._data(*fold) for fold in folds]
        contexts = [self._context(data, deadline=self.end, shares=1) for data in parts]
        inputs = [(data.train, data.target) for data in parts]
        models = family.fit_folds(params, inputs, self.problem.task, contexts)
        share = (time.monotonic() - began) / len(parts)
        for done, (data, model, context) in enumerate(zip(parts, models, contexts, strict=True), start=1):
            times = (time.monotonic() - share, share)
            self._finish(data, model, context, times=times, left=len(parts) - done)

    def _data(self, number: int, fold: Fold) -> _FoldData:
        """The fold's rows, kept between trials: a fancy index into a memory map copies."""
        repeat = self.ticket.candidate.repeat

        def build() -> tuple[Table, Table, npt.NDArray[Any], npt.NDArray[Any]]:
            table, target = self.problem.table, np.asarray(self.problem.target)
            train, valid = np.asarray(fold.train), np.asarray(fold.valid)
            return table.take(train), table.take(valid), target[train], target[valid]

        cache = self.control.cache
        rows = build() if cache is None else cache.get(("fold rows", repeat, number), build)
        train, valid, target, valid_target = rows
        log = None
        if self.ticket.candidate.log_target:
            log = LogTarget.for_training(target)
            target, valid_target = log.apply(target), log.apply(valid_target)
        return _FoldData(
            number=number,
            rows=fold,
            train=train,
            valid=valid,
            target=target,
            valid_target=valid_target,
            weights=self.problem.weights_of(fold.train),
            valid_weights=self.problem.weights_of(fold.valid),
            log=log,
        )

    def _context(self, data: _FoldData, *, deadline: float, shares: int) -> FitContext:
        candidate = self.ticket.candidate
        done, total = len(self.finished), len(self.finished) + shares
        return FitContext(
            seed=candidate.fold_seed(data.number),
            threads=self.problem.threads,
            deadline=deadline,
            valid=(data.valid, data.valid_target) if self._split.judges else None,
            weights=data.weights,
            valid_weights=data.valid_weights,
            fold=data.number,
            device=self.problem.device,
            cache=RepeatCache(self.control.cache, candidate.repeat) if self.control.cache else None,
            report=lambda fraction, message: self._report(
                self._ahead((done + fraction) / total), message, data.number
            ),
            stop_requested=self.control.stop_requested,
        )

    def _finish(
        self,
        data: _FoldData,
        model: Fitted,
        context: FitContext,
        *,
        times: tuple[float, float],
        left: int,
    ) -> None:
        """Predict the held-out rows, check them, save the model and report it."""
        began, fit_seconds = times
        predictions = model.predict(data.valid)
        if data.log is not None:
            predictions = data.log.restore(predictions)
        held_out = self._checked(predictions, data.valid.rows, data.number)
        folder = self.folder / f"fold_{data.number}"
        folder.mkdir()
        model.save(folder)
        seconds = time.monotonic() - began
        self._keep_for_predictions((seconds - fit_seconds) / data.valid.rows)
        self.finished.append(
            _FittedFold(
                data=data,
                model=model,
                context=context,
                fit_seconds=fit_seconds,
                seconds=seconds,
                held_out=held_out,
            )
        )
        done = len(self.finished)
        first = held_out if done == 1 and left else None
        message = f"fold {done} of {done + left}"
        fraction = self._ahead(done / (done + left))
        self.control.report(Progress(self.ticket.number, fraction, message, data.number, first))

    def _ahead(self, fraction: float) -> float:
        """A share of the fits as one of the whole trial."""
        return self._behind + (1 - self._behind) * fraction

    def _keep_for_predictions(self, seconds_per_row: float) -> None:
        """End the fits in time for what is predicted after them, as long as a row has just taken."""
        untouched = self.problem.untouched.rows if self.problem.untouched else 0
        rows = len(self._split.folds) * (self._modality.timed_rows + untouched)
        self.end = min(self.end, self.limit - self.ticket.closing_seconds(seconds_per_row * rows))

    def _report(self, fraction: float, message: str, fold: int) -> None:
        now = time.monotonic()
        if now - self._reported >= _REPORT_SECONDS:
            self._reported = now
            self.control.report(Progress(self.ticket.number, min(max(fraction, 0.0), 1.0), message, fold))

    def _save_member(self) -> None:
        candidate = self.ticket.candidate
        logs = [fold.data.log for fold in self.finished]
        body = {
            "format": MEMBER_FORMAT,
            "family": candidate.family,
            "params": candidate.params,
            "seed": candidate.seed,
            "repeat": candidate.repeat,
            "folds": [fold.data.number for fold in self.finished],
            "log_target": candidate.log_target,
            "log_ranges": [[log.low, log.high] for log in logs if log is not None],
        }
        (self.folder / "member.json").write_text(json.dumps(body, indent=1), encoding="utf-8")

    def _train_sample(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]]:
        """Some training rows of the first fold and what its model predicts for them."""
        fold = self.finished[0]
        rows = np.asarray(fold.data.rows.train)
        chosen = np.arange(len(rows))
        most = self._modality.sample_rows
        if len(rows) > most:
            generator = np.random.default_rng(self.ticket.candidate.seed)
            chosen = np.sort(generator.choice(len(rows), most, replace=False))
        predictions = fold.predict(fold.data.train.take(chosen))
        checked = self._checked(predictions, len(chosen), fold.data.number)
        return rows[chosen].astype(np.int64), checked

    def _untouched(self) -> npt.NDArray[np.floating] | None:
        """Predictions of each fold's model for the test part."""
        inputs = self.problem.untouched
        if inputs is None:
            return None
        return np.stack(
            [self._checked(fold.predict(inputs), inputs.rows, fold.data.number) for fold in self.finished]
        )

    def _checked(self, predictions: npt.NDArray[Any], rows: int, fold: int) -> Predictions:
        return self.problem.task.checked(predictions, rows, f"predictions of fold {fold}")

    def _prediction_ms(self) -> float:
        """Wall milliseconds in which all folds predict 1000 rows; the best of up to three timings."""
        valid = self.finished[0].data.valid
        timed = self._modality.timed_rows
        inputs = valid.take(np.resize(np.arange(valid.rows), timed))
        best, spent = float("inf"), 0.0
        for _ in range(3):
            began = time.perf_counter()
            for fold in self.finished:
                fold.predict(inputs)
            taken = time.perf_counter() - began
            best, spent = min(best, taken), spent + taken
            if spent > _TIMING_SECONDS or time.monotonic() > self.end:
                break
        return best * 1000 * _STATED_ROWS / timed

    def _frozen_ms(self) -> dict[str, float]:
        """Milliseconds of frozen nets for 1000 rows: they saw the timed rows before, and serve all folds."""
        times: dict[str, float] = {}
        for fold in self.finished:
            for name, milliseconds in getattr(fold.model, "frozen_ms", {}).items():
                times[name] = max(times.get(name, 0.0), milliseconds * _STATED_ROWS)
        return times


def _in_row_order(folds: Sequence[_FittedFold]) -> npt.NDArray[np.floating]:
    rows = np.concatenate([fold.data.rows.valid for fold in folds])
    stacked: npt.NDArray[np.floating] = np.concatenate([fold.held_out for fold in folds])
    return stacked[np.argsort(rows, kind="stable")]


def _curves(folds: Sequence[_FittedFold]) -> tuple[Curve, ...]:
    """All folds' curves, the fold in their names, thinned: long boostings have 10,000 rounds."""
    return tuple(
        replace(curve, name=f"{curve.name}/fold_{fold.data.number}").thinned(_CURVE_POINTS)
        for fold in folds
        for curve in fold.context.curves
    )


def _mean_facts(facts: Sequence[dict[str, float]]) -> dict[str, float]:
    """Each fact's mean over the folds that state it."""
    names = sorted({name for one in facts for name in one})
    return {name: float(np.mean([one[name] for one in facts if name in one])) for name in names}
