"""Descriptions of searches and trials as they were recorded."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from automl.tracker.record import LeaderboardRow


@dataclass(frozen=True, kw_only=True)
class SearchDescription:
    """A search as it was recorded; ``summary`` is the object of ``automl search --json``, if it ended.

    ``model_version`` is the version that this search registered, ``champion_version`` the one that has the
    alias of its name now; ``model_deleted`` is True if the version is no longer in the registry.
    ``trials_on_record`` is their number; None where ``trials`` has them all, or a server does not tell.
    """

    name: str
    run_id: str
    experiment_id: str
    status: str
    started: float
    seconds: float | None
    task: str
    metric: str
    greater_is_better: bool
    target: str
    error: str
    configuration: dict[str, Any]
    summary: dict[str, Any] | None
    metrics: dict[str, float]
    model_version: str
    champion_version: str
    trials: list[LeaderboardRow] = field(default_factory=list)
    trials_on_record: int | None = None
    model_deleted: bool = False
    user: str = ""

    @property
    def is_champion(self) -> bool:
        """True if the version that this search registered has the alias now."""
        registered = bool(self.model_version) and not self.model_deleted
        return registered and self.model_version == self.champion_version

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``automl show --json``."""
        body = asdict(self)
        del body["trials_on_record"]  # all are in it
        return body


@dataclass(frozen=True, kw_only=True)
class TrialDescription:
    """A trial as it was recorded."""

    row: LeaderboardRow
    search: str
    search_run_id: str
    metric: str
    fold_scores: tuple[float, ...]
    metrics: dict[str, float]
    candidate: dict[str, Any]
    error: str
    traceback: str
    has_model: bool
    artifacts: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data, for ``automl show --json``."""
        body = asdict(self)
        return {
            **body.pop("row"),
            **body,
            "fold_scores": list(self.fold_scores),
            "artifacts": list(self.artifacts),
        }
