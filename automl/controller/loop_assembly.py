"""A search's loop, put together from its settings, its data and the families that it tries."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from automl.controller.folder import SearchFolder
from automl.controller.loop import Loop, Watcher
from automl.controller.proposals import Proposals
from automl.controller.readiness import readiness_for
from automl.controller.strategy.allocator import Allocator, trial_cap
from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.controller.strategy.learner import Learner
from automl.controller.strategy.optimizer import Optimizer
from automl.controller.strategy.pruning import Pruner
from automl.controller.strategy.refits import Refits
from automl.controller.strategy.retry import Retries
from automl.controller.strategy.search_space import SearchSpace
from automl.controller.strategy.trial_times import TimeModel
from automl.controller.trial_limits import TimeLimits
from automl.controller.worker_plan import shares_disk
from automl.core.time_budget import Clock
from automl.executors.base import Executor
from automl.families import families
from automl.problem.preparation import Prepared
from automl.problem.settings import Settings


def loop_for(
    settings: Settings,
    prepared: Prepared,
    spaces: Mapping[str, SearchSpace],
    *,
    clock: Clock,
    executor: Executor,
    folder: SearchFolder,
    watcher: Watcher,
    stop_requested: Callable[[], bool],
) -> Loop:
    """The loop of a search that has not begun a trial yet."""
    problem, timed, seed = prepared.problem, settings.trials is None, settings.seed
    limits = TimeLimits(
        problem=problem,
        clock=clock,
        timed=timed,
        slots=lambda: max(folder.outset.slots, executor.slots),
        cores=lambda: executor.capacity.cores,
    )
    # What nodes with disks of their own have computed is not seen here, so that nothing can be foreseen.
    readiness = readiness_for(problem, folder.outset, timed=timed and shares_disk(settings))
    scored = problem.split.scored
    builder = EnsembleBuilder(
        problem.task.metric, problem.target[scored], seed=seed, weights=problem.weights_of(scored)
    )
    pruner = Pruner(problem, builder)
    times = TimeModel(clock.pace)

    def ready(family: str) -> bool:
        return problem.modality.waits_for_libraries or executor.loaded(families()[family].libraries)

    learner = Learner(
        optimizer=Optimizer(spaces, seed=seed, allow_log_target=prepared.log_target),
        allocator=Allocator(tuple(spaces), times, seed=seed, timed=timed, ready=ready),
        times=times,
        builder=builder,
        foresees=readiness.foresees,
        pruned_losses=pruner.losses,
        lessons=folder.lessons(),
    )
    least = problem.modality.least_trials or len(spaces)
    proposals = Proposals(
        problem=problem,
        learner=learner,
        retries=Retries(spaces),
        readiness=readiness,
        limits=limits,
        trials=settings.trials,
        cap=max(least, trial_cap(len(problem.target))),
        seed=seed,
    )
    seconds, refits = settings.seconds, None
    if timed and seconds is not None and problem.can_refit:
        refits = Refits(problem=problem, families=families(), seconds=seconds)
    return Loop(
        problem=problem,
        refits=refits,
        proposals=proposals,
        pruner=pruner,
        limits=limits,
        executor=executor,
        watcher=watcher,
        folder=folder,
        stop_requested=stop_requested,
    )
