"""What a process gets of the processor, and what is made of it."""

from __future__ import annotations

import os
import sys
import time

import pytest

from automl.core.processor_share import LEAST_SHARE, Meter, TrialPace, share_of
from automl.core.trial import Candidate, Ticket
from automl.executors.local import _Running
from automl.problem.capacity import libraries, patience, workers_at
from automl.problem.settings import Settings


@pytest.mark.skipif(sys.platform != "linux", reason="Linux counts what threads wait for")
def test_a_process_that_computes_runs_and_waits_as_long_as_it_takes():
    meter = Meter()
    assert meter.read([os.getpid()]) == (0.0, 0.0)  # nobody knows in how long a time it was
    began = time.monotonic()
    while time.monotonic() - began < 0.3:
        sum(range(1000))
    passed = time.monotonic() - began
    ran, waited = meter.read([os.getpid()])
    assert 0 < ran <= ran + waited
    assert ran + waited > 0.5 * passed
    assert meter.read([2**22 + 1]) == (0.0, 0.0)  # a process that is gone


def test_a_process_that_only_sleeps_has_the_whole_processor():
    pace = TrialPace()
    time.sleep(0.05)
    assert 0 < pace.share() <= 1
    assert share_of(0.0, 0.0) == 1.0
    assert share_of(0.0, 10.0) == LEAST_SHARE


def test_workers_that_starve_each_other_are_fewer_and_those_that_others_starve_are_not():
    assert workers_at(1.0, 2, 2) == 2
    assert workers_at(0.125, 16, 2) == 4  # two processors for sixteen workers
    assert workers_at(0.2, 2, 2) == 2  # eight processes of others
    assert workers_at(0.4, 1, 1) == 1


def test_libraries_are_waited_for_where_nothing_runs_without_them():
    timed, counted = Settings("a.csv", seconds=60.0), Settings("a.csv", seconds=None, trials=3)
    assert patience(timed, ("dummy", "linear", "tabm")) == pytest.approx(20)
    assert patience(timed, ("dummy", "tabm")) is None
    assert patience(counted, ("dummy", "linear", "tabm")) is None
    assert libraries(("dummy", "linear")) == ()
    assert set(libraries(("linear", "xgboost", "tabm"))) == {"xgboost", "torch"}


def test_a_limit_counts_from_when_the_worker_is_up_as_far_as_there_is_time():
    ticket = Ticket(number=0, candidate=Candidate(family="linear"), folder="", seconds=10.0, spare=4.0)
    running = _Running(ticket=ticket, began=100.0)
    assert running.kill_at >= 116  # not before it was given its trial
    running.begin(103.0)
    assert running.ticket.seconds == pytest.approx(13)
    late = _Running(ticket=ticket, began=100.0)
    late.begin(109.0)
    assert late.ticket.seconds == pytest.approx(14)


def test_more_of_a_limit_is_kept_for_its_end_where_the_trial_has_to_wait():
    free, starved = (
        Ticket(number=0, candidate=Candidate(family="linear"), folder="", seconds=20.0, share=share)
        for share in (1.0, 0.2)
    )
    assert free.closing_seconds() == pytest.approx(1.0)
    assert starved.closing_seconds() == pytest.approx(1.0 + 1.2)
    assert starved.closing_seconds(2.0) == pytest.approx(1.0 + 3.2)
    assert starved.closing_seconds(60.0) == pytest.approx(6.0)  # never more than three tenths
