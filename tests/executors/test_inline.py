from __future__ import annotations

from pathlib import Path

import pytest

from automl.core.trial import Finished, Status
from automl.executors.inline import InlineExecutor
from automl.testing.executors import check_executor, finish, small_problem, ticket


def test_contract() -> None:
    check_executor(InlineExecutor, isolated=False)


def test_a_ticket_before_the_problem_is_refused(tmp_path: Path) -> None:
    with InlineExecutor() as executor, pytest.raises(RuntimeError, match="start"):
        executor.submit(ticket(tmp_path, 1, "dummy"))


def test_a_trial_that_has_not_begun_can_be_stopped_and_killed(tmp_path: Path) -> None:
    small_problem().save(tmp_path / "problem")
    with InlineExecutor() as executor:
        executor.start(tmp_path / "problem")
        executor.submit(ticket(tmp_path, 1, "dummy"))
        executor.stop(1)
        executor.submit(ticket(tmp_path, 2, "dummy"))
        executor.kill(2)
        ends = [event for event in finish(executor) if isinstance(event, Finished)]
    assert [end.result.status for end in ends] == [Status.PRUNED, Status.TIMEOUT]
