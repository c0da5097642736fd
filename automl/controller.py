"""search(): read, split, try, weigh, keep — the whole story on one screen."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from automl.allocator import Allocator, trial_cap
from automl.budget import Clock, TimeModel, parse_bytes
from automl.delivery import Ended, deliver
from automl.ensemble import EnsembleBuilder
from automl.errors import UsageError, did_you_mean
from automl.executors.base import Executor
from automl.executors.inline import InlineExecutor
from automl.executors.local import LocalExecutor
from automl.families import families as known_families
from automl.fields import Value
from automl.image_source import is_image_folder
from automl.loop import Loop, Watcher
from automl.optimizer import Optimizer
from automl.outcome import SearchResult
from automl.preparation import Prepared, prepare
from automl.settings import PREFERENCES, Settings, budget_of, check_choice, memory_limit, search_name
from automl.spaces import load_space
from automl.tracker import (
    DatasetRecord,
    KeepModels,
    SearchRecord,
    Tracker,
    locate_store,
    open_store,
)
from automl.trial import Progress, Trial

if TYPE_CHECKING:
    import pandas as pd

    from automl.search_space import SearchSpace

    Data = pd.DataFrame | str | os.PathLike[str]

__all__ = ["SearchResult", "search"]

HURRY_SECONDS = 8.0
IMAGE_TRIALS = 40
WEIGHTS_VARIABLE = "AUTOML_WEIGHTS_DIR"
QUICK = ("dummy", "linear")


class SearchWatcher(Watcher, Protocol):
    """What follows a search from outside, e.g. the command line's view."""

    def preparing(self, fraction: float, message: str) -> None:
        """Images are being decoded; may come from several threads."""

    def prepared(self, prepared: Prepared, name: str, seconds: float | None, elapsed: float) -> None:
        """The data was read and everything decided."""

    def stop_requested(self) -> bool:
        """Whether to end now and keep the best so far."""


def search(
    data: Data,
    *,
    target: str | None = None,
    time: str | float | None = None,
    trials: int | None = None,
    name: str | None = None,
    metric: str | Callable[..., float] | None = None,
    task: str | None = None,
    test: Data | None = None,
    folds: int | None = None,
    group: str | None = None,
    time_column: str | None = None,
    fold_column: str | None = None,
    kinds: Mapping[str, str] | None = None,
    image_root: str | os.PathLike[str] | None = None,
    drop: Sequence[str] = (),
    keep: Sequence[str] = (),
    families: Sequence[str] = (),
    without: Sequence[str] = (),
    spaces: str | os.PathLike[str] | None = None,
    prefer: str = "best",
    workers: int | None = None,
    executor: str = "local",
    memory: str | int | None = None,
    keep_models: str | int = "2GB",
    cache_size: str | int = "10GB",
    weights_dir: str | os.PathLike[str] | None = None,
    device: str = "auto",
    seed: int = 0,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    skip_bad_rows: bool = False,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = "mlruns",
    watcher: SearchWatcher | None = None,
    started: float = 0.0,
) -> SearchResult:
    """Search the best model for a table and keep it, with every trial on record in MLflow.

    Parameters
    ----------
    data:
        Path of a csv, tsv, parquet or xlsx file, a DataFrame, or a folder of images: ``folder/CLASS/*.jpg``,
        or ``folder/train/CLASS/*.jpg`` with ``val`` and ``test`` beside ``train``.
    target:
        The column to predict.
    time, trials:
        The budget: seconds or ``"10m"``, imports and reading included (default 60 s); or a number of
        trials, which the same ``seed`` repeats exactly.
    name:
        Of the search and its registered model; default: the file's name.
    metric:
        A metric's name, or a function of the target's labels (or values) and the predicted ones. A
        function counts as better the higher it is unless it has ``greater_is_better = False``.
    task:
        ``classification`` or ``regression``; default: from the target, with the reason said.
    test:
        Rows that are scored once, at the end. Default: a tenth of the rows, from 5,000 rows on.
    folds, group, time_column, fold_column:
        How trials are judged; see ``docs/ARCHITECTURE.md``.
    kinds, drop, keep:
        Column kinds by name, columns to leave out, columns to keep although they look like ids.
    image_root:
        Folder of the images that a column of paths names; default: the table's own folder.
    families, without, spaces:
        Which model families to try, and search-space files of your own.
    prefer:
        ``best``, or ``fast`` or ``small`` among those within one standard error of the best.
    workers, executor, memory, device:
        Trials at once, ``local`` or ``inline``, bytes for all workers, ``auto``, ``cpu`` or ``cuda``.
    keep_models:
        Every trial's model is kept up to this size in total, then the best ten and each family's best.
    cache_size:
        Bound of decoded images and their features, which the store keeps between searches.
    weights_dir:
        Folder with published weights of image backbones; default: torch's own, by ``TORCH_HOME``.
    tracking_uri, store:
        MLflow's tracking URI; default ``MLFLOW_TRACKING_URI``, else the local folder ``store``.
    watcher, started:
        Who follows the search, and the seconds that the budget has lost already.

    Raises
    ------
    UsageError, DataError
        For choices and data that cannot be used; the message says what to do.
    NoTrialError
        When no trial succeeded.
    StorageError
        When the record could not be written.
    """
    # spinning OpenMP threads of several libraries would slow each other down on busy cores
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if weights_dir is not None:
        os.environ[WEIGHTS_VARIABLE] = str(Path(weights_dir).absolute())  # workers inherit it
    seconds, count = budget_of(time, trials)
    settings = Settings(
        source=data,
        target=target,
        seconds=seconds,
        trials=count,
        name=search_name(data, name),
        metric=metric,
        task=task,
        test=test,
        folds=folds,
        group=group,
        time_column=time_column,
        fold_column=fold_column,
        kinds=dict(kinds or {}),
        image_root=None if image_root is None else Path(image_root),
        drop=tuple(drop),
        keep=tuple(keep),
        families=tuple(families),
        without=tuple(without),
        spaces=None if spaces is None else Path(spaces),
        workers=workers or 0,
        memory_bytes=memory_limit(memory),
        executor=check_choice("executor", executor, ("local", "inline")),
        device=check_choice("device", device, ("auto", "cpu", "cuda")),
        prefer=check_choice("preference", prefer, PREFERENCES),
        keep_models_bytes=parse_bytes(keep_models),
        cache_bytes=parse_bytes(cache_size),
        seed=seed,
        tracking_uri=tracking_uri,
        store=Path(store),
        encoding=encoding,
        delimiter=delimiter,
        decimal=decimal,
        skip_bad_rows=skip_bad_rows,
    )
    return _Search(settings, Clock(seconds, spent=started), watcher or _Nobody()).run()


class _Nobody:
    """Watches nothing."""

    def preparing(self, fraction: float, message: str) -> None: ...

    def prepared(self, prepared: Prepared, name: str, seconds: float | None, elapsed: float) -> None: ...

    def started(self, trial: Trial) -> None: ...

    def progressed(self, progress: Progress) -> None: ...

    def weighed(self, weights: Mapping[int, float]) -> None: ...

    def finished(self, trial: Trial, best: float | None) -> None: ...

    def ticked(self) -> None: ...

    def stop_requested(self) -> bool:
        return False


@dataclass
class _Search:
    """One call of :func:`search`."""

    settings: Settings
    clock: Clock
    watcher: SearchWatcher
    interrupted: bool = False

    def run(self) -> SearchResult:
        chosen = _chosen_families(self.settings)
        if self._hurried and not is_image_folder(self.settings.source):
            chosen = tuple(name for name in chosen if name in QUICK) or chosen
        locate_store(self.settings.tracking_uri, self.settings.store)  # refuses an unusable address early
        with self._executor() as executor:
            executor.warm()
            prepared = prepare(self.settings, report=self.watcher.preparing)
            location = open_store(self.settings.tracking_uri, self.settings.store)
            scratch = location.root / "work"
            scratch.mkdir(parents=True, exist_ok=True)
            work = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=scratch))
            try:
                with Tracker(location, KeepModels(self.settings.keep_models_bytes)) as tracker:
                    return self._searched(prepared, chosen, executor, tracker, work)
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def _searched(
        self,
        prepared: Prepared,
        chosen: tuple[str, ...],
        executor: Executor,
        tracker: Tracker,
        work: Path,
    ) -> SearchResult:
        spaces, left_out = _spaces(chosen, prepared, self.settings)
        prepared = replace(prepared, notes=(*prepared.notes, *left_out))
        slots, threads = self._cores(prepared)
        problem = replace(prepared.problem, threads=threads, device=_device(self.settings.device))
        problem.save(work / "problem")
        executor.start(work / "problem", slots=slots)
        self.watcher.prepared(prepared, self.settings.name, self.clock.seconds, self.clock.elapsed)
        tracker.begin_search(self._record(prepared))
        loop = self._loop(prepared, spaces, executor, tracker, work)
        loop.slots = slots
        try:
            loop.run()
        except KeyboardInterrupt:
            self.interrupted = True
            loop.end()
        executor.close()
        if not loop.builder.best.weights:
            with InlineExecutor() as here:
                here.start(work / "problem")
                loop.rescue(here)
        ended = Ended(
            self.settings, self.clock, prepared, loop, self.interrupted or self.watcher.stop_requested()
        )
        return deliver(ended, tracker, work)

    def _loop(
        self,
        prepared: Prepared,
        spaces: dict[str, SearchSpace],
        executor: Executor,
        tracker: Tracker,
        work: Path,
    ) -> Loop:
        settings = self.settings
        times = TimeModel()
        problem = prepared.problem
        journal = tracker.location.root / "optuna" / f"{work.name}-{settings.name}.journal"
        return Loop(
            problem,
            Optimizer(
                spaces,
                name=settings.name,
                journal=journal,
                seed=settings.seed,
                allow_log_target=prepared.log_target,
            ),
            Allocator(tuple(spaces), times, seed=settings.seed, timed=settings.trials is None),
            times,
            self.clock,
            executor,
            EnsembleBuilder(problem.task.metric, problem.target[problem.split.scored], seed=settings.seed),
            _Recording(self.watcher, tracker),
            work,
            seed=settings.seed,
            trials=settings.trials,
            stop_requested=self.watcher.stop_requested,
            # Heads on frozen features are alike and quick: more of them than of models of tables.
            cap=max(IMAGE_TRIALS, trial_cap(len(problem.target))) if problem.table.images else 0,
        )

    def _executor(self) -> Executor:
        if self.settings.executor == "inline" or self._hurried:
            return InlineExecutor()
        return LocalExecutor(self._most_workers(), memory_bytes=self.settings.memory_bytes)

    @property
    def _hurried(self) -> bool:
        """Workers take a few seconds to start: below that, simple models are fitted in this process."""
        return self.clock.seconds is not None and self.clock.seconds < HURRY_SECONDS

    def _most_workers(self) -> int:
        """One per core, as far as 1.5 GB each can be had."""
        if self.settings.workers:
            return self.settings.workers
        return max(1, min(_cores(), int(self.settings.memory_bytes / 1.5e9)))

    def _cores(self, prepared: Prepared) -> tuple[int, int]:
        """``(workers, threads each)`` by the size of the table: many small fits, or few wide ones."""
        if self.settings.executor == "inline" or self._hurried:
            return 1, _cores()
        table = prepared.problem.table
        cells = table.rows * max(1, table.numbers.shape[1] + table.codes.shape[1])
        most = self._most_workers()
        if self.settings.workers or cells < 1_000_000:
            workers = most
        elif cells < 10_000_000:
            workers = min(most, 2)
        else:
            workers = 1
        return workers, max(1, _cores() // workers)

    def _record(self, prepared: Prepared) -> SearchRecord:
        settings, split = self.settings, prepared.problem.split
        source = str(settings.source) if isinstance(settings.source, str | os.PathLike) else "frame"
        dataset = DatasetRecord(
            settings.name,
            source,
            prepared.digest,
            prepared.rows,
            {column.name: column.kind.value for column in prepared.layout.columns},
        )
        return SearchRecord(
            settings.name,
            prepared.task,
            prepared.layout,
            dataset,
            settings.plain(),
            split.digest,
            split.reason,
            settings.seed,
        )


class _Recording:
    """Passes the loop's events on to the user's watcher and every ended trial to the tracker."""

    def __init__(self, watcher: SearchWatcher, tracker: Tracker) -> None:
        self._watcher = watcher
        self._tracker = tracker
        self.started = watcher.started
        self.progressed = watcher.progressed
        self.weighed = watcher.weighed
        self.ticked = watcher.ticked

    def finished(self, trial: Trial, best: float | None) -> None:
        self._tracker.finish_trial(trial)
        if best is not None:
            self._tracker.best_so_far(trial.number, best)
        self._watcher.finished(trial, best)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _device(asked: str) -> str:
    """``cpu`` or ``cuda``; torch is only imported where a driver's device file says it may find a GPU."""
    if asked == "cpu":
        return "cpu"
    if asked == "auto" and not Path("/dev/nvidiactl").exists() and os.name != "nt":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise UsageError("--device cuda was asked for, but torch finds no GPU. Use --device cpu or auto.")
    return "cpu"


def _chosen_families(settings: Settings) -> tuple[str, ...]:
    known = known_families()
    for name in (*settings.families, *settings.without):
        if name not in known:
            raise UsageError(f"There is no family {name!r}. {did_you_mean(name, known)}")
    wanted = [name for name in known if not settings.families or name in settings.families]
    chosen = [name for name in wanted if name not in settings.without]
    if not chosen:
        raise UsageError("--families and --without leave no family to try.")
    return tuple(dict.fromkeys(["dummy", *chosen]))


def _spaces(
    chosen: tuple[str, ...], prepared: Prepared, settings: Settings
) -> tuple[dict[str, SearchSpace], list[str]]:
    """Spaces of the families that can handle the task and a kind of column; notes on what is left out."""
    known = known_families()
    present = prepared.layout.features.kinds
    fitting: dict[str, SearchSpace] = {}
    missing: dict[Value, str] = {}
    for name in chosen:
        family = known[name]
        if prepared.task.name in family.tasks and (family.kinds & present or name == "dummy"):
            space: SearchSpace | None = load_space(name, family.params, path=settings.spaces)
            for param in space.params if space is not None else ():
                absent = family.missing_weights(param.name, param.choices)
                missing |= absent
                space = space.without(param.name, absent) if space is not None else None
            if space is not None:
                fitting[name] = space.for_task(prepared.task.name, len(prepared.problem.target))
    if set(fitting) <= {"dummy"} and set(chosen) != {"dummy"}:
        raise UsageError(
            f"None of the families {', '.join(chosen)} can handle {prepared.task.name} on these columns."
        )
    if not missing:
        return fitting, []
    files = ", ".join(f"{value} ({file})" for value, file in missing.items())
    remedy = "Next: --weights-dir FOLDER, or TORCH_HOME/hub/checkpoints."
    return fitting, [f"Left out, their weights are not on this machine: {files}. {remedy}"]
