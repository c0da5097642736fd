"""A search that runs elsewhere, followed from the record alone: one run is read, again and again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from automl.core.errors import StorageError
from automl.core.text import score_text
from automl.tracker.live import LiveState
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import resolve_search
from automl.tracker.reconcile import owner_words, process_is_gone
from automl.tracker.store.failures import may_pass
from automl.tracker.store.location import DEFAULT_ROOT, locate_store
from automl.tracker.tags import SIGN, recorded_score

if TYPE_CHECKING:
    from automl.tracker.store.runs import Run

EVERY_SECONDS = 2.0
PATIENCE_SECONDS = 60.0
_ENDED = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "interrupted"}


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A search as it looked from elsewhere at one moment.

    Attributes
    ----------
    status:
        ``running``, ``finished``, ``interrupted`` or ``failed``.
    state:
        Its last sign of life; None before the first one, and of a search by a version that gave none.
    silent:
        Seconds since that sign of life, or since the first look where there was none.
    owner:
        The process that runs it, for people.
    gone:
        True if that process was on this machine and has ended.
    score, version:
        What it delivered, in words, and the version that it registered; empty before the end.
    error:
        Why it failed.
    trouble:
        The error of a store that did not answer this time; the rest is then as it was before.
    """

    name: str
    run_id: str
    metric: str
    greater_is_better: bool
    status: str
    state: LiveState | None
    silent: float
    owner: str = ""
    gone: bool = False
    score: str = ""
    version: str = ""
    error: str = ""
    trouble: str = ""

    @property
    def running(self) -> bool:
        """True until the search ends."""
        return self.status == "running"


def watch(
    name: str,
    *,
    patience: float = PATIENCE_SECONDS,
    every: float = EVERY_SECONDS,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> Iterator[Sighting]:
    """Look at the latest search of this name every few seconds until it has ended or seems dead.

    Parameters
    ----------
    name:
        A search's name, or the id of its run.
    patience:
        Seconds without a sign after which it seems dead, or without an answer of the store after which that
        is an error.
    every:
        Seconds between two looks.

    Yields
    ------
    Sighting
        One after every look; the last one has ended, is gone, or was silent for longer than ``patience``.

    Raises
    ------
    UsageError
        If there is no such search.
    StorageError
        If the store cannot be read, or no longer.
    """
    record = Record(locate_store(tracking_uri, store))
    run_id = resolve_search(record, name).info.run_id
    silence = _Silence()
    seen: Sighting | None = None
    failing_since: float | None = None
    while True:
        try:
            run = record.run(run_id)
        except StorageError as error:
            failing_since = failing_since or time.monotonic()
            waited = time.monotonic() - failing_since
            if seen is None or not may_pass(error) or waited > patience:
                raise
            yield replace(seen, trouble=str(error))
        else:
            failing_since = None
            seen = _sighting(run, silence.after(run.data.tags.get(SIGN, "")))
            yield seen
            if not seen.running or seen.gone or seen.silent > patience:
                return
        time.sleep(every)


@dataclass
class _Silence:
    """Time since the last sign, by the clock of this machine alone once a second sign was seen."""

    text: str | None = None
    since: float = 0.0

    def after(self, text: str) -> float:
        """Seconds since the sign changed last; on the first look, its age by both machines' clocks."""
        now = time.monotonic()
        if self.text is None:
            state = LiveState.from_text(text)
            self.since = now - (0.0 if state is None else max(0.0, time.time() - state.at))
        elif text != self.text:
            self.since = now
        self.text = text
        return now - self.since


def _sighting(run: Run, silent: float) -> Sighting:
    tags: Mapping[str, str] = run.data.tags
    metric = tags.get("automl.metric", "")
    scored = recorded_score(metric, run.data.metrics)
    return Sighting(
        name=tags.get("automl.search", ""),
        run_id=run.info.run_id,
        metric=metric,
        greater_is_better=tags.get("automl.greater_is_better", "true") == "true",
        status=_ENDED.get(run.info.status, "running"),
        state=LiveState.from_text(tags.get(SIGN, "")),
        silent=silent,
        owner=owner_words(tags),
        gone=run.info.status == "RUNNING" and process_is_gone(tags),
        score="" if scored is None else f"{metric} {score_text(scored[1])} ({scored[0]})",
        version=tags.get("automl.model_version", ""),
        error=tags.get("automl.error", ""),
    )
