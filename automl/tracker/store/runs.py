"""Runs and experiments as they were read from a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """The state of a run in MLflow's terms: times in milliseconds since 1970, an end only if it has ended."""

    run_id: str
    experiment_id: str
    status: str
    start_time: int
    end_time: int | None
    artifact_uri: str
    lifecycle_stage: str


@dataclass(frozen=True)
class RunData:
    """The tags and params of a run, and the latest value of each metric."""

    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    params: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """A run as it was when it was read."""

    info: RunInfo
    data: RunData = field(repr=False)


@dataclass(frozen=True)
class ChosenTrials:
    """The trials of a search, or those of them with some tags.

    Attributes
    ----------
    search_run_id:
        The run of the search.
    tags:
        Values by their keys.
    """

    experiment: str
    search_run_id: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ExperimentName:
    """An experiment that holds searches."""

    name: str
    experiment_id: str


@dataclass(frozen=True)
class MetricPoint:
    """One value of a metric; ``timestamp`` in milliseconds since 1970."""

    value: float
    timestamp: int
    step: int
