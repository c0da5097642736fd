"""One search from the data to the champion: prepare, loop, weigh, keep; begun here or taken up again."""

from __future__ import annotations

import math
import os
import shutil
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from automl.controller.finish import Ended, deliver
from automl.controller.folder import SearchFolder, tidy, unfinished_folders
from automl.controller.loop import Loop
from automl.controller.readiness import absent_nets, nets_of, readiness_for
from automl.controller.result import SearchResult
from automl.controller.saved_setup import Outset, plain_settings, space_digests
from automl.controller.strategy.allocator import Allocator, trial_cap
from automl.controller.strategy.budget import TimeModel, trial_seconds
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.controller.strategy.optimizer import Optimizer
from automl.controller.strategy.spaces import load_space
from automl.controller.watchers import Recording, SearchWatcher
from automl.core.clock import Clock
from automl.core.errors import (
    DataError,
    NoTrialError,
    SearchInterrupted,
    SpaceError,
    StorageError,
    UsageError,
    did_you_mean,
)
from automl.core.family import Scope
from automl.core.pace import Meter
from automl.core.typed_values import Value
from automl.data.images.pixels import mostly_elongated
from automl.executors.base import Executor
from automl.executors.inline import InlineExecutor
from automl.executors.local import LocalExecutor
from automl.families import families as known_families
from automl.families import quick_families
from automl.problem.capacity import cores, device, libraries, patience
from automl.problem.preparation import Prepared, prepare
from automl.problem.settings import Settings
from automl.problem.source import is_image_folder
from automl.tracker import (
    DatasetRecord,
    KeepModels,
    SearchRecord,
    StoreLocation,
    Tracker,
    default_uri,
    load_mlflow,
    locate_store,
    open_store,
)
from automl.tracker.names import Subject, all_columns, name_for
from automl.tracker.people import user_name
from automl.tracker.record import folder_name

if TYPE_CHECKING:
    from automl.controller.strategy.space import SearchSpace

HURRY_SECONDS = 8.0
IMAGE_TRIALS = 40
_BUSY = 0.6
WEIGHTS_VARIABLE = "AUTOML_WEIGHTS_DIR"


@dataclass(frozen=True)
class _Parts:
    """What a search works with once the data is read."""

    prepared: Prepared
    spaces: dict[str, SearchSpace]
    executor: Executor
    tracker: Tracker
    folder: SearchFolder


@dataclass
class RunningSearch:
    """One run of a search.

    Attributes
    ----------
    resumed:
        The folder of the search to go on with, locked by this process; None for a new search.
    """

    settings: Settings
    clock: Clock
    watcher: SearchWatcher
    resumed: SearchFolder | None = None
    interrupted: bool = False

    def run(self) -> SearchResult:
        """The search to its end, or to the user's interrupt."""
        # spinning OpenMP threads of several libraries would slow each other down on busy cores
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        if self.settings.weights_dir is not None:
            os.environ[WEIGHTS_VARIABLE] = str(self.settings.weights_dir)  # workers inherit it
        chosen = _chosen_families(self.settings)
        if self._hurried and not is_image_folder(self.settings.source):
            chosen = tuple(name for name in chosen if name in quick_families()) or chosen
        # an unusable address is refused early
        root = locate_store(self.settings.tracking_uri, self.settings.store).root
        if self.resumed is None:
            self._offer(_interrupted_before(root, self.settings))
        with ExitStack() as stack:
            if self.resumed is not None:
                stack.enter_context(self.resumed)
            executor = stack.enter_context(self._executor())
            executor.warm(libraries(chosen), patience(self.settings, chosen))
            meter = Meter()
            meter.read([os.getpid()])
            if self.clock.pace.share > _BUSY:  # else the data and the first models come first
                threading.Thread(target=load_mlflow, daemon=True).start()
            prepared = prepare(self.settings, report=self.watcher.preparing)
            self.clock.pace.learn(*meter.read([os.getpid()]))
            spaces, left_out = _spaces(chosen, prepared, self.settings)
            prepared = replace(prepared, notes=(*prepared.notes, *left_out))
            location = open_store(self.settings.tracking_uri, self.settings.store)
            prepared = self._named(prepared, location)
            folder = self._folder(prepared, spaces, location)
            with folder:
                result = self._tracked(prepared, spaces, executor, location, folder)
                if not result.interrupted:
                    folder.remove()
        return result

    def _named(self, prepared: Prepared, location: StoreLocation) -> Prepared:
        """Search under a name that no other data has; where that is not the file's, a note says so."""
        if self.resumed is not None:
            return prepared
        subject = Subject.of(prepared.layout, prepared.task.name, prepared.digest)
        name, note = name_for(location, self.settings.name, subject, given=self.settings.name_given)
        self.settings = replace(self.settings, name=name)
        return replace(prepared, notes=(*prepared.notes, note)) if note else prepared

    def _offer(self, folder: SearchFolder | None) -> None:
        """Let the user go on with the same search where it was left, instead of starting again."""
        used = self.clock.elapsed
        if folder is None or not self.watcher.unfinished(folder.outset.name, folder.description):
            return
        folder.claim()
        self.resumed = folder
        self.clock = Clock(self.settings.seconds, spent=used + folder.spent, pace=self.clock.pace)
        self.settings = replace(self.settings, name=folder.outset.name)
        if self.settings.tracking_uri is None:
            own = folder.outset.tracking_uri or default_uri(self.settings.store)
            self.settings = replace(self.settings, tracking_uri=own)

    def _tracked(
        self,
        prepared: Prepared,
        spaces: dict[str, SearchSpace],
        executor: Executor,
        location: StoreLocation,
        folder: SearchFolder,
    ) -> SearchResult:
        try:
            with Tracker(location, KeepModels(self.settings.keep_models_bytes)) as tracker:
                return self._searched(_Parts(prepared, spaces, executor, tracker, folder))
        except (UsageError, DataError, NoTrialError):
            if self.resumed is None:
                folder.remove()  # it would end like this every time
            raise
        except StorageError as error:
            raise StorageError(
                f"{error} What was finished is kept: `automl resume {self.settings.name}` goes on with it."
            ) from error

    def _searched(self, parts: _Parts) -> SearchResult:
        prepared, folder, outset = parts.prepared, parts.folder, parts.folder.outset
        problem = replace(
            prepared.problem,
            threads=outset.threads,
            device=outset.device,
            nets=nets_of(parts.spaces.values()),
        )
        problem.save(folder.path / "problem")
        parts.executor.start(folder.path / "problem", slots=outset.slots)
        self.watcher.prepared(prepared, self.settings.name, self.clock.seconds, self.clock.elapsed)
        parts.tracker.begin_search(self._record(parts))
        loop = self._loop(parts)
        try:
            if self.resumed is not None:
                loop.restore(folder.trials())
            loop.run()
        except KeyboardInterrupt:
            self.interrupted = True
            loop.end(interrupted=True)
        self.interrupted = self.interrupted or self.watcher.stop_requested()
        if not loop.builder.best.weights:
            if self.interrupted:
                raise SearchInterrupted(
                    "Interrupted before any trial ended. "
                    f"`automl resume {self.settings.name}` goes on with the search."
                )
            with InlineExecutor() as here:
                here.start(folder.path / "problem")
                loop.rescue(here)
        if self.interrupted:
            parts.tracker.interrupt()
        shutil.rmtree(folder.path / "champion", ignore_errors=True)
        asked = _chosen_families(self.settings)
        ended = Ended(self.settings, self.clock, prepared, loop, asked, self.interrupted)
        return deliver(ended, parts.tracker, folder.path)

    def _loop(self, parts: _Parts) -> Loop:
        settings, prepared, spaces = self.settings, parts.prepared, parts.spaces
        times = TimeModel(self.clock.pace)
        problem, known = prepared.problem, known_families()

        def ready(family: str) -> bool:
            """Nets of images are what such a search is for: they wait for torch."""
            return bool(problem.table.images) or parts.executor.loaded(known[family].libraries)

        return Loop(
            problem,
            Optimizer(spaces, seed=settings.seed, allow_log_target=prepared.log_target),
            Allocator(tuple(spaces), times, seed=settings.seed, timed=settings.trials is None, ready=ready),
            times,
            self.clock,
            parts.executor,
            EnsembleBuilder(problem.task.metric, problem.target[problem.split.scored], seed=settings.seed),
            Recording(self.watcher, parts.tracker, self.clock),
            parts.folder,
            seed=settings.seed,
            slots=parts.folder.outset.slots,
            trials=settings.trials,
            stop_requested=self.watcher.stop_requested,
            readiness=readiness_for(problem, parts.folder.outset) if settings.trials is None else None,
            # Heads on frozen features are alike and quick: more of them than of models of tables.
            cap=max(IMAGE_TRIALS, trial_cap(len(problem.target))) if problem.table.images else 0,
        )

    def _folder(
        self, prepared: Prepared, spaces: dict[str, SearchSpace], location: StoreLocation
    ) -> SearchFolder:
        """The search's folder: a new one, or that of the search to resume where nothing changed."""
        if self.resumed is not None:
            _check_unchanged(self.resumed, prepared, self.settings)
            _check_spaces(self.resumed.outset, space_digests(spaces))
            return self.resumed
        tidy(location.root)
        slots, threads = self._cores(prepared)
        outset = Outset(
            name=self.settings.name,
            settings=plain_settings(self.settings),
            data_digest=prepared.digest,
            problem_digest=prepared.problem.digest,
            test_digest=prepared.untouched_digest,
            slots=slots,
            threads=threads,
            device=device(self.settings.device),
            tracking_uri=None if location.is_default else location.uri,
            created=time.time(),
            spaces=space_digests(spaces),
        )
        return SearchFolder.create(location.root, outset, folder_name(self.settings.name))

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
        return max(1, min(cores(), int(self.settings.memory_bytes / 1.5e9)))

    def _cores(self, prepared: Prepared) -> tuple[int, int]:
        """``(workers, threads each)`` by the size of the table: many small fits, or few wide ones."""
        if self.settings.executor == "inline" or self._hurried:
            return 1, cores()
        table = prepared.problem.table
        cells = table.rows * max(1, table.numbers.shape[1] + table.codes.shape[1])
        most = self._most_workers()
        if self.settings.workers or cells < 1_000_000:
            workers = most
        elif cells < 10_000_000:
            workers = min(most, 2)
        else:
            workers = 1
        return workers, max(1, cores() // workers)

    def _record(self, parts: _Parts) -> SearchRecord:
        settings, prepared = self.settings, parts.prepared
        split = prepared.problem.split
        source = str(settings.source) if isinstance(settings.source, str | os.PathLike) else "frame"
        dataset = DatasetRecord(
            settings.name,
            source,
            prepared.digest,
            prepared.rows,
            {column.name: column.kind.value for column in prepared.layout.columns},
            all_columns(prepared.layout),
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
            key=parts.folder.outset.key,
            truth=prepared.problem.target[split.scored],
            started=time.time() - self.clock.elapsed,
            test_digest=prepared.untouched_digest,
            promote=settings.promote,
            user=user_name(),
        )


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
    notes: list[str] = []
    scope = _scope(prepared, settings)
    tall_or_wide = mostly_elongated(prepared.problem.table.images)
    if tall_or_wide:
        notes.append("Most pictures are tall or wide: whole ones are among the first views, beside squares.")
    for name in chosen:
        family = known[name]
        if prepared.task.name in family.tasks and (family.kinds & present or name == "dummy"):
            if name not in settings.families and (why := family.unsuited(scope)):
                notes.append(f"{name} is left out: {why} (--families {name} tries it all the same).")
                continue
            space: SearchSpace | None = load_space(name, family.params, path=settings.spaces)
            for param in space.params if space is not None else ():
                absent = family.missing_weights(param.name, param.choices)
                missing |= absent
                space = space.without(param.name, absent) if space is not None else None
            if space is not None:
                space = space.for_task(prepared.task.name, len(prepared.problem.target))
                fitting[name] = space.for_kinds(present).for_pictures(elongated=tall_or_wide)
    if set(fitting) <= {"dummy"} and set(chosen) != {"dummy"}:
        raise UsageError(
            f"None of the families {', '.join(chosen)} can handle {prepared.task.name} on these columns."
        )
    if not missing:
        return fitting, notes
    return fitting, [*notes, absent_nets(missing)]


def _scope(prepared: Prepared, settings: Settings) -> Scope:
    folds = prepared.problem.split.folds
    seconds = math.inf
    if settings.seconds is not None:
        images = bool(prepared.problem.table.images)
        seconds = trial_seconds(settings.seconds, prepared.rows, images=images)
    return Scope(len(folds[0].train), len(folds), seconds, device(settings.device))


def _interrupted_before(root: Path, settings: Settings) -> SearchFolder | None:
    """The newest unfinished search by the same command, or None.

    Raises
    ------
    UsageError
        When a process runs that search now, and would do all of it twice; the message names it.
    """
    same = [item for item in unfinished_folders(root) if item.outset.same_command(settings)]
    for folder in same:
        if folder.in_use:
            raise UsageError(
                f"This search is being run by {folder.owner}. Wait for it, or give this one another name "
                "with --name."
            )
    return same[0] if same else None


def _check_unchanged(folder: SearchFolder, prepared: Prepared, settings: Settings) -> None:
    """The trials on disk only mean something on the data and the folds they were made with.

    Raises
    ------
    DataError
        When either differs.
    """
    outset = folder.outset
    what, before, now = "", "", ""
    if prepared.digest != outset.data_digest:
        what, before, now = f"The data of {outset.name!r}", outset.data_digest, prepared.digest
    elif prepared.untouched_digest != outset.test_digest:
        what, before, now = (
            f"The test rows of {outset.name!r}",
            outset.test_digest,
            prepared.untouched_digest,
        )
    elif prepared.problem.digest != outset.problem_digest:
        what, before, now = "The folds", outset.problem_digest, prepared.problem.digest
    if what:
        source = f" ({settings.source})" if isinstance(settings.source, str | os.PathLike) else ""
        raise DataError(
            f"{what}{source} changed since the search began: digest {before[:8]} then, {now[:8]} now. Its "
            "trials cannot be compared with new ones. Put back what was there, or start again with "
            "`automl search`."
        )


def _check_spaces(outset: Outset, now: Mapping[str, str]) -> None:
    """What is suggested next depends on the ranges, so that other ones would end in another search.

    Raises
    ------
    SpaceError
        When a family's space is not what it was.
    """
    changed = [name for name in sorted({*outset.spaces, *now}) if outset.spaces.get(name) != now.get(name)]
    if outset.spaces and changed:
        raise SpaceError(
            f"The search space of {', '.join(changed)} changed since the search {outset.name!r} began. Put "
            "back the files that were there (those of --spaces, of ./search_spaces where it was started, or "
            "of the automl that began it), or start again with `automl search`."
        )
