"""Two runs side by side: what differs in their settings, and whether their scores do."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.errors import UsageError
from automl.intervals import gain_interval
from automl.report.build import read_evidence
from automl.report.evidence import Evidence
from automl.tracker.material import Material, held_out, resolve_run, search_material
from automl.tracker.query import Record
from automl.tracker.store import DEFAULT_ROOT, locate_store


@dataclass(frozen=True)
class Side:
    """One of two runs: a trial, or a search's champion.

    Attributes
    ----------
    settings:
        A search's options, or a trial's family and parameters.
    model:
        Family and parameters; of an ensemble its members.
    """

    run_id: str
    title: str
    family: str
    validation: float | None
    seconds: float
    predict_ms_per_1000_rows: float | None
    model_bytes: int | None
    settings: dict[str, Any]
    model: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """What differs, and by how much the second is better than the first.

    Attributes
    ----------
    changed:
        ``(name, first's value, second's value)``; None where a run does not have the setting. Searches are
        compared by their options, and a search with a trial by their models.
    gain, low, high:
        The second's score minus the first's, turned so that more is better, with its 95 % interval over
        resamples of the rows that both were judged on; None without such rows, and ``note`` says why.
    """

    metric: str
    greater_is_better: bool
    first: Side
    second: Side
    changed: tuple[tuple[str, Any, Any], ...]
    gain: float | None
    low: float | None
    high: float | None
    rows: int
    note: str

    @property
    def verdict(self) -> str:
        """In one sentence."""
        if self.gain is None or self.low is None or self.high is None:
            return self.note
        if self.low == self.high == 0:
            return "There is no difference."
        if self.low > 0:
            return "The second is better, by more than chance explains."
        if self.high < 0:
            return "The first is better, by more than chance explains."
        return "The difference may well be chance."

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "changed": [list(item) for item in self.changed], "verdict": self.verdict}


def compare(
    first: str,
    second: str,
    *,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> Comparison:
    """Compare two runs: of trials, or of searches, whose champions are compared.

    Parameters
    ----------
    first, second:
        Run ids (the first six digits are enough) or names of searches.

    Raises
    ------
    UsageError
        When the runs were judged by different metrics, or predict different targets.
    """
    record = Record(locate_store(tracking_uri, store))
    one, two = (_Judged.read(record, resolve_run(record, given).info.run_id) for given in (first, second))
    if one.metric != two.metric:
        raise UsageError(
            f"The first run was judged by {one.metric}, the second by {two.metric}: not comparable."
        )
    targets = [side.material.search.target for side in (one, two)]
    if targets[0] != targets[1]:
        raise UsageError(f"The first run predicts {targets[0]!r}, the second {targets[1]!r}: not comparable.")
    alike = one.is_trial == two.is_trial
    changed = _changed(*(side.settings if alike else side.model for side in (one.side, two.side)))
    better = one.material.search.greater_is_better
    gain = None
    if one.side.validation is not None and two.side.validation is not None:
        gain = (two.side.validation - one.side.validation) * (1 if better else -1)
    low, high, rows, note = None, None, 0, _unpaired(one, two)
    if not note:
        assert one.evidence is not None
        assert two.evidence is not None
        assert one.predictions is not None
        assert two.predictions is not None
        _, left, right = np.intersect1d(one.evidence.rows, two.evidence.rows, return_indices=True)
        rows = len(left)
        found = gain_interval(
            one.evidence.task.metric,
            one.evidence.target[left],
            (one.predictions[left], two.predictions[right]),
        )
        gain, low, high = found.value, found.low, found.high
    return Comparison(one.metric, better, one.side, two.side, changed, gain, low, high, rows, note)


@dataclass(frozen=True)
class _Judged:
    """A side with what it was judged on."""

    side: Side
    is_trial: bool
    metric: str
    material: Material
    evidence: Evidence | None
    predictions: npt.NDArray[np.floating] | None

    @classmethod
    def read(cls, record: Record, run_id: str) -> _Judged:
        is_trial = record.is_trial(record.run(run_id))
        material = search_material(record, run_id)
        evidence = read_evidence(record, material)
        predictions: npt.NDArray[np.floating] | None = None
        if evidence is not None and is_trial:
            found = held_out(record, run_id)
            predictions = None if found is None else np.asarray(found, dtype=np.float64)[evidence.positions]
        elif evidence is not None:
            predictions = evidence.predictions
        side = _trial_side(run_id, material) if is_trial else _search_side(material)
        return cls(side, is_trial, material.search.metric, material, evidence, predictions)


def _trial_side(run_id: str, material: Material) -> Side:
    row = next(trial.row for trial in material.trials if trial.row.run_id == run_id)
    model = {"family": row.family, **row.params}
    return Side(
        row.run_id,
        f"{material.search.name} #{row.trial}",
        row.family,
        row.validation,
        row.seconds,
        row.predict_ms_per_1000_rows,
        row.model_bytes,
        model,
        model,
    )


def _search_side(material: Material) -> Side:
    search = material.search
    best = (search.summary or {}).get("best", {})
    rows = material.members
    milliseconds, size = material.cost
    settings = {
        key: value for key, value in search.configuration.items() if key not in ("name", "memory_bytes")
    }
    families = ", ".join(dict.fromkeys(row.family for row in rows))
    members = ", ".join(f"#{row.trial} {row.family}" for row in rows)
    model = {"family": families, **rows[0].params} if len(rows) == 1 else {"members": members}
    return Side(
        search.run_id,
        f"{search.name} (champion)",
        families,
        best.get("validation"),
        search.seconds or 0.0,
        milliseconds if rows else None,
        size if rows else None,
        settings,
        model,
    )


def _changed(first: dict[str, Any], second: dict[str, Any]) -> tuple[tuple[str, Any, Any], ...]:
    names = dict.fromkeys((*first, *second))
    return tuple(
        (name, first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)
    )


def _unpaired(one: _Judged, two: _Judged) -> str:
    """Why there is no interval, or an empty text."""
    if one.evidence is None or two.evidence is None:
        return "No interval: a search did not end, or an earlier version recorded it."
    if any(side.evidence.task.metric.name != side.metric for side in (one, two) if side.evidence):
        return f"No interval: {one.metric} is a function, which is not on record."
    if one.predictions is None or two.predictions is None:
        return "No interval: a trial has no held-out predictions."
    if one.evidence.story.data_digest != two.evidence.story.data_digest:
        return "No interval: the runs were judged on different data."
    if one.evidence.task.labels != two.evidence.task.labels:
        return "No interval: the runs have different classes."
    if len(np.intersect1d(one.evidence.rows, two.evidence.rows)) < 20:
        return "No interval: the runs share hardly any held-out rows."
    return ""
