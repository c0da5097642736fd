"""The story of one search: read the data, choose families, run trials, deliver; new or resumed."""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from automl.controller.finish import Ended, deliver
from automl.controller.folder import SearchFolder, tidy
from automl.controller.live_sign import LiveSign
from automl.controller.loop import Loop
from automl.controller.loop_assembly import loop_for
from automl.controller.readiness import nets_of
from automl.controller.result import SearchResult
from automl.controller.resume_checks import check_data, check_spaces, interrupted_before
from automl.controller.saved_setup import Outset, plain_settings, space_digests
from automl.controller.search_record import search_record
from automl.controller.strategy.chosen_families import chosen_families, fitting_families
from automl.controller.strategy.search_space import SearchSpace
from automl.controller.watchers import Recording, SearchWatcher
from automl.controller.worker_plan import check_reach, division_for, executor_for, hurried, shares_disk
from automl.core.environment import cache_in, variables, weights_in
from automl.core.errors import (
    ClusterError,
    DataError,
    NoTrialError,
    SearchInterrupted,
    StorageError,
    UsageError,
)
from automl.core.processor_share import Meter
from automl.core.time_budget import Clock
from automl.data.cache import set_bound
from automl.executors.base import Executor
from automl.executors.inline import InlineExecutor
from automl.families import quick_families
from automl.problem.capacity import libraries, patience
from automl.problem.preparation import Prepared, prepare
from automl.problem.settings import Settings, check_memory, is_folder
from automl.tracker import (
    KeepModels,
    StoreLocation,
    Tracker,
    default_uri,
    load_mlflow,
    locate_store,
    open_store,
)
from automl.tracker.names import SearchedTable, claimed_name
from automl.tracker.record import folder_name

_BUSY = 0.6


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """A search's data and plan, once the data is read."""

    prepared: Prepared
    spaces: dict[str, SearchSpace]
    executor: Executor
    location: StoreLocation
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
        chosen = chosen_families(self.settings)
        if hurried(self.settings) and not is_folder(self.settings.source):
            chosen = tuple(name for name in chosen if name in quick_families()) or chosen
        # an unusable address is refused early
        root = locate_store(self.settings.tracking_uri, self.settings.store).root
        if self.resumed is None:
            self._offer(interrupted_before(root, self.settings))
        with ExitStack() as stack:
            held = weights_in(self.settings.weights_dir) | cache_in(self._cache or None)
            stack.enter_context(variables(held))  # workers inherit it
            if self.resumed is not None:
                stack.enter_context(self.resumed)
            executor = stack.enter_context(executor_for(self.settings))
            check_memory(executor.capacity.memory_bytes)
            self.watcher.placed(executor.capacity)
            executor.warm(libraries(chosen), patience(self.settings, chosen))
            prepared = self._prepared()
            check_reach(self.settings, prepared.problem.modality)
            device = executor.device(self.settings.device)
            fitting = fitting_families(chosen, prepared, self.settings, device=device)
            location = open_store(self.settings.tracking_uri, self.settings.store)
            prepared = self._named(prepared.noted(*fitting.notes), location)
            folder = stack.enter_context(self._folder(prepared, fitting.spaces, location, executor))
            result = self._tracked(
                _Parts(
                    prepared=prepared,
                    spaces=fitting.spaces,
                    executor=executor,
                    location=location,
                    folder=folder,
                )
            )
            if not result.interrupted:
                folder.remove()
        return result

    @property
    def _cache(self) -> str:
        """The folder for what is kept between trials and searches; empty where trials would not see it."""
        return str(self.settings.cache_folder) if shares_disk(self.settings) else ""

    def _offer(self, folder: SearchFolder | None) -> None:
        """Offer to resume the same search where it was left, instead of starting again."""
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

    def _prepared(self) -> Prepared:
        """The data, read and checked; meanwhile MLflow is imported if the first record needs it."""
        meter = Meter()
        meter.read([os.getpid()])
        served = locate_store(self.settings.tracking_uri, self.settings.store).database is None
        if served and self.clock.pace.share > _BUSY:  # else the data and the first models come first
            threading.Thread(target=load_mlflow, daemon=True).start()
        prepared = prepare(self.settings, report=self.watcher.preparing)
        self.clock.pace.learn(*meter.read([os.getpid()]))
        return prepared

    def _named(self, prepared: Prepared, location: StoreLocation) -> Prepared:
        """Search under a name that no other data has; where that is not the file's, a note says so."""
        if self.resumed is not None:
            return prepared
        subject = SearchedTable.of(prepared.layout, prepared.task.name, prepared.digest)
        name, note = claimed_name(
            location,
            self.settings.name,
            subject,
            given=self.settings.name_given,
            metric=prepared.task.metric.name,
        )
        self.settings = replace(self.settings, name=name)
        return prepared.noted(note) if note else prepared

    def _folder(
        self,
        prepared: Prepared,
        spaces: dict[str, SearchSpace],
        location: StoreLocation,
        executor: Executor,
    ) -> SearchFolder:
        """The search's folder: a new one, or that of the search to resume where nothing changed."""
        if self.resumed is not None:
            check_data(self.resumed.outset, prepared, self.settings)
            check_spaces(self.resumed.outset, space_digests(spaces))
            return self.resumed
        tidy(location.root)
        division = division_for(executor, prepared.problem.table, workers=self.settings.workers)
        outset = Outset(
            name=self.settings.name,
            settings=plain_settings(self.settings),
            data_digest=prepared.digest,
            problem_digest=prepared.problem.digest,
            test_digest=prepared.untouched_digest,
            slots=division.slots,
            threads=division.threads,
            device=executor.device(self.settings.device),
            tracking_uri=None if location.is_default else location.shown,
            created=time.time(),
            spaces=space_digests(spaces),
        )
        return SearchFolder.create(location.root, outset, folder_name(self.settings.name))

    def _tracked(self, parts: _Parts) -> SearchResult:
        """The trials and the end, on record; what was finished stays on disk where that fails."""
        try:
            with Tracker(parts.location, KeepModels(self.settings.keep_models_bytes)) as tracker:
                loop = self._begun(parts, tracker)
                self._searched(parts, loop)
                return self._delivered(parts, loop, tracker)
        except (UsageError, DataError, NoTrialError):
            if self.resumed is None:
                parts.folder.remove()  # it would end like this every time
            raise
        except StorageError as error:
            raise StorageError(
                f"{error} What was finished is kept: `automl resume {self.settings.name}` goes on with it."
            ) from error

    def _begun(self, parts: _Parts, tracker: Tracker) -> Loop:
        """The loop, once the problem is where workers find it and the search is on record."""
        prepared, folder, outset = parts.prepared, parts.folder, parts.folder.outset
        nets = nets_of(parts.spaces.values())
        problem = replace(
            prepared.problem,
            threads=outset.threads,
            device=outset.device,
            nets=nets,
            weights_dir=str(self.settings.weights_dir or ""),
            cache_dir=self._cache,
        )
        if problem.table.texts and self._cache:
            set_bound(Path(self._cache), self.settings.cache_bytes)
        problem.save(folder.path / "problem")
        parts.executor.start(folder.path / "problem", slots=outset.slots)
        self.watcher.prepared(prepared, self.settings.name, self.clock.seconds, self.clock.elapsed)
        started = time.time() - self.clock.elapsed
        settings = replace(self.settings, memory_bytes=parts.executor.capacity.memory_bytes)
        tracker.begin_search(search_record(settings, prepared, key=outset.key, started=started))
        sign = LiveSign(
            self.clock,
            greater_is_better=prepared.task.metric.greater_is_better,
            trials=self.settings.trials,
        )
        return loop_for(
            self.settings,
            prepared,
            parts.spaces,
            clock=self.clock,
            executor=parts.executor,
            folder=folder,
            watcher=Recording(self.watcher, tracker, self.clock, sign, folder.whole),
            stop_requested=self.watcher.stop_requested,
        )

    def _searched(self, parts: _Parts, loop: Loop) -> None:
        """All trials; the baseline at least, unless the user interrupted before it ended."""
        try:
            if self.resumed is not None:
                loop.restore(parts.folder.trials())
            loop.run()
        except KeyboardInterrupt:
            self.interrupted = True
            loop.end(interrupted=True)
        except ClusterError as error:
            self.interrupted = True
            loop.end(interrupted=True, grace=0.0)
            reason = f"{error} `automl resume {self.settings.name}` goes on with the search."
            if not loop.builder.best.weights:
                raise ClusterError(reason) from error
            self.watcher.warned(reason)
        self.interrupted = self.interrupted or self.watcher.stop_requested()
        if loop.builder.best.weights:
            return
        if self.interrupted:
            raise SearchInterrupted(
                "Interrupted before any trial ended. "
                f"`automl resume {self.settings.name}` goes on with the search."
            )
        with InlineExecutor() as here:
            here.start(parts.folder.path / "problem")
            loop.rescue(here)

    def _delivered(self, parts: _Parts, loop: Loop, tracker: Tracker) -> SearchResult:
        """The champion, chosen, scored, kept."""
        if self.interrupted:
            tracker.interrupt()
        shutil.rmtree(parts.folder.path / "champion", ignore_errors=True)
        ended = Ended(
            settings=self.settings,
            clock=self.clock,
            prepared=parts.prepared,
            loop=loop,
            families=chosen_families(self.settings),
            fitting=tuple(parts.spaces),
            interrupted=self.interrupted,
        )
        return deliver(ended, tracker, parts.folder.path)
