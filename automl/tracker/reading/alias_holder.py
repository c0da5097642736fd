"""The current champion of a name: its version, and the search or trial that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from automl.core.text import score_text
from automl.tracker.reading.query import Record
from automl.tracker.store.failures import storage_errors
from automl.tracker.store.runs import Run
from automl.tracker.tags import ALIAS, PARENT, recorded_score

NO_TRIAL = -1


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A version of a registered model, and the search or trial that made it.

    Attributes
    ----------
    run_id, search_run_id:
        Ids of the run that made it and of its search's run; empty if the run is gone.
    trial, family:
        Number and family of a promoted trial; ``NO_TRIAL`` for a search's result.
    score:
        ``validation accuracy 0.83``; empty if it was not recorded.
    earlier:
        True if the search has registered another version since then, because it was resumed.
    deleted:
        True if its run was deleted in MLflow, which keeps such runs for a while.
    """

    version: str
    run_id: str = ""
    search_run_id: str = ""
    trial: int = NO_TRIAL
    family: str = ""
    score: str = ""
    earlier: bool = False
    deleted: bool = False

    def words(self, here: str = "") -> str:
        """``version 3: trial #4 lightgbm of the search 1a2b3c4d, validation accuracy 0.83``.

        ``here`` is the run of the search that the reader is looking at, described as "this search".
        """
        if not self.run_id:
            return f"version {self.version}, whose run is gone"
        search = _search(self.search_run_id)
        if here and self.search_run_id == here:
            search = "this search"
        origin = f"{'an earlier' if self.earlier else 'the'} result of {search}"
        if self.trial != NO_TRIAL:
            origin = _trial_of(search, self.trial, self.family)
        gone = ", which was deleted in MLflow" if self.deleted else ""
        score = f", {self.score}" if self.score else ""
        return f"version {self.version}: {origin}{gone}{score}"


def champion_holder(record: Record, name: str) -> Holder | None:
    """The version that has the alias ``champion`` of a name, or None."""
    with storage_errors(f"look up the champion of {name!r}"):
        version = record.access.version_of(name, ALIAS)
    return holder_of(record, name, version) if version else None


def holder_of(record: Record, name: str, version: str) -> Holder:
    """A version with the search or trial that made it."""
    with storage_errors(f"look up version {version} of {name!r}"):
        run_id = record.access.version_run(name, version)
        run = record.access.run(run_id) if run_id else None
    if run is None:
        return Holder(version=version)
    tags, metrics = run.data.tags, run.data.metrics
    deleted = run.info.lifecycle_stage == "deleted"
    if not record.is_trial(run):
        earlier = tags.get("automl.model_version") != version
        score = "" if earlier else _score(tags.get("automl.metric", ""), metrics)
        return Holder(
            version=version,
            run_id=run_id,
            search_run_id=run_id,
            score=score,
            earlier=earlier,
            deleted=deleted,
        )
    search = record.search_run(run_id)
    score = _score(search.data.tags.get("automl.metric", ""), metrics)
    number, family = int(tags.get("automl.trial", NO_TRIAL)), tags.get("automl.family", "")
    return Holder(
        version=version,
        run_id=run_id,
        search_run_id=tags[PARENT],
        trial=number,
        family=family,
        score=score,
        deleted=deleted,
    )


def trial_words(search: Run, trial: Run) -> str:
    """``trial #4 lightgbm of the search 1a2b3c4d, validation accuracy 0.83``."""
    score = _score(search.data.tags.get("automl.metric", ""), trial.data.metrics)
    tags = trial.data.tags
    words = _trial_of(
        _search(search.info.run_id), tags.get("automl.trial", ""), tags.get("automl.family", "")
    )
    return ", ".join(filter(None, (words, score)))


def _search(run_id: str) -> str:
    return f"the search {run_id[:8]}"


def _trial_of(search: str, number: int | str, family: str) -> str:
    return f"trial #{number} {family} of {search}"


def _score(metric: str, metrics: Mapping[str, float]) -> str:
    recorded = recorded_score(metric, metrics)
    return "" if recorded is None else f"{recorded[0]} {metric} {score_text(recorded[1])}"
