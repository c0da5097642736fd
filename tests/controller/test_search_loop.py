"""The loop over real parts, without workers: what the end of the time cuts off."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

from small_search import OUTSET, PROBLEM, proposals

from automl.controller.folder import SearchFolder
from automl.controller.loop import Loop
from automl.controller.strategy.pruning import Pruner
from automl.controller.watchers import NOBODY
from automl.core.trial import Candidate, Status, Ticket, Trial
from automl.executors.base import Executor


class _Hanging:
    """An executor whose trials never come back."""

    def submit(self, ticket: Ticket) -> None: ...

    def close(self) -> None: ...


def test_a_trial_that_the_end_cut_off_is_recorded_with_the_time_it_took(tmp_path: Path) -> None:
    executor, asked = cast(Executor, _Hanging()), proposals()
    with SearchFolder.create(tmp_path, OUTSET, "x") as folder:
        loop = Loop(
            problem=PROBLEM,
            proposals=asked,
            pruner=Pruner(PROBLEM, asked.learner.builder),
            limits=asked.limits,
            executor=executor,
            watcher=NOBODY,
            folder=folder,
        )
        loop._start(Trial(0, Candidate(family="linear")), executor, 60)
        time.sleep(0.05)
        loop.end()
        (kept,) = folder.trials()
    assert kept.trial.result is not None
    assert kept.trial.result.status is Status.TIMEOUT
    assert kept.trial.result.seconds >= 0.05
    assert loop.history[0].result is not None
