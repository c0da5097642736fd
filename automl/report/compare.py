"""Two runs side by side: what differs in their settings, and whether their scores do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import UsageError
from automl.core.intervals import gain_interval
from automl.core.metrics import Metric, metrics
from automl.core.task_choice import task_class
from automl.core.text import score_text, size_text
from automl.model.class_weights import apply_weights
from automl.problem.search_command import spoken
from automl.report.build import read_evidence
from automl.report.facts.evidence import Evidence
from automl.tracker.reading.alias_holder import champion_holder
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import Material, held_out, resolve_run, search_material
from automl.tracker.store.location import DEFAULT_ROOT, locate_store

_CHAMPION = " (champion)"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two runs: a trial, or a search's result.

    Attributes
    ----------
    title:
        ``wine, version 2`` or ``wine #4``; with ``(champion)`` where that is what predictions by name use.
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


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Both runs by one metric.

    Attributes
    ----------
    first, second:
        On the rows that both were judged on; without such rows each on its own, and None where that is not
        on record.
    gain, low, high:
        The second's score minus the first's, turned so that more is better, with its 95 % interval; the
        interval is None without shared rows.
    """

    metric: str
    greater_is_better: bool
    first: float | None
    second: float | None
    gain: float | None
    low: float | None = None
    high: float | None = None

    @property
    def verdict(self) -> str:
        """In one sentence; an empty text without an interval."""
        if self.gain is None or self.low is None or self.high is None:
            return ""
        if self.low == self.high == 0:
            return "There is no difference."
        if self.gain == 0:
            return f"By {self.metric} they are equal."
        if self.low > 0:
            return "The second is better, by more than chance explains."
        if self.high < 0:
            return "The first is better, by more than chance explains."
        return "The difference may well be chance."


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What differs, and by how much the second is better than the first.

    Attributes
    ----------
    changed:
        ``(name, first's value, second's value)``; None where a run does not have the setting. Searches are
        compared by their options, and a search with a trial by their models.
    scored:
        By the metric of both, or by those of the first and the second.
    rows:
        How many both were judged on; 0 where there are none, and ``note`` says why and what is compared.
    """

    first: Side
    second: Side
    changed: tuple[tuple[str, Any, Any], ...]
    scored: tuple[Scored, ...]
    rows: int
    note: str

    @property
    def metric(self) -> str:
        """Of the first run."""
        return self.scored[0].metric

    @property
    def gain(self) -> float | None:
        """By the first run's metric, and so are ``low`` and ``high``."""
        return self.scored[0].gain

    @property
    def low(self) -> float | None:
        """The lower end of the gain's interval."""
        return self.scored[0].low

    @property
    def high(self) -> float | None:
        """The upper end."""
        return self.scored[0].high

    @property
    def costs(self) -> str:
        """Which is quicker and which smaller, and by how much; empty where that is not on record."""
        times = [side.predict_ms_per_1000_rows for side in (self.first, self.second)]
        sizes = [side.model_bytes for side in (self.first, self.second)]
        quicker = _less("quicker", times, [score_text(time or 0.0, 3) for time in times], " ms per 1000 rows")
        smaller = _less("smaller", sizes, [size_text(size or 0) for size in sizes])
        text = "; ".join(filter(None, (quicker, smaller)))
        return f"{text[0].upper()}{text[1:]}." if text else ""

    @property
    def verdict(self) -> str:
        """In a sentence per metric, and what could not be compared."""
        if len(self.scored) == 1:
            said = [self.scored[0].verdict]
        else:
            said = [f"By {item.metric}: {item.verdict}" for item in self.scored if item.verdict]
        return " ".join(part for part in (*said, self.note) if part)

    def to_json(self) -> dict[str, Any]:
        """Plain data; ``metric``, ``gain``, ``low`` and ``high`` are those of the first metric."""
        first = {name: getattr(self, name) for name in ("metric", "gain", "low", "high")}
        better = {"greater_is_better": self.scored[0].greater_is_better}
        changed = [list(item) for item in self.changed]
        said = {"costs": self.costs, "verdict": self.verdict}
        return {**asdict(self), **first, **better, "changed": changed, **said}


def _less(word: str, values: Sequence[float | None], texts: Sequence[str], unit: str = "") -> str:
    """``the second is smaller (1 MB against 2 MB)``; empty within a tenth, which is measured no better."""
    first, second = values
    if not first or not second or max(first, second) < 1.1 * min(first, second):
        return ""
    side, less, more = ("first", *texts) if first < second else ("second", *texts[::-1])
    return f"the {side} is {word} ({less} against {more}{unit})"


def compare(
    first: str,
    second: str,
    *,
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> Comparison:
    """Compare two runs: of trials, or of searches, whose results are compared.

    Runs that were judged by different metrics are scored by both, from their held-out predictions.

    Parameters
    ----------
    first, second:
        Run ids (the first six digits are enough) or names of searches.

    Raises
    ------
    UsageError
        When the runs predict different targets, or were judged by different metrics and what they
        predicted is not on record.
    """
    record = Record(locate_store(tracking_uri, store))
    one, two = (_Judged.read(record, resolve_run(record, given).info.run_id) for given in (first, second))
    targets = [side.material.search.target for side in (one, two)]
    if targets[0] != targets[1]:
        raise UsageError(f"The first run predicts {targets[0]!r}, the second {targets[1]!r}: not comparable.")
    tasks = [side.material.search.task for side in (one, two)]
    if tasks[0] != tasks[1]:
        raise UsageError(
            f"The first run is a {tasks[0]} task, the second a {tasks[1]} task: no metric is for both."
        )
    alike = one.is_trial == two.is_trial
    changed = _changed(*(side.settings if alike else side.model for side in (one.side, two.side)))
    note = _unpaired(one, two)
    if note:
        return Comparison(
            first=one.side, second=two.side, changed=changed, scored=_apart(one, two), rows=0, note=note
        )
    scored, rows = _paired(one, two)
    return Comparison(
        first=one.side,
        second=two.side,
        changed=changed,
        scored=scored,
        rows=rows,
        note=_function_words(one, two),
    )


def _paired(one: _Judged, two: _Judged) -> tuple[tuple[Scored, ...], int]:
    """By every metric of the two that is on record, on the rows that both were judged on."""
    assert one.evidence is not None
    assert two.evidence is not None
    _, left, right = np.intersect1d(one.evidence.rows, two.evidence.rows, return_indices=True)
    target, scored = one.evidence.target[left], []
    for metric in _known_metrics(one, two):
        first, second = one.predictions(metric)[left], two.predictions(metric)[right]
        found = gain_interval(metric, target, first, second)
        scored.append(
            Scored(
                metric=metric.name,
                greater_is_better=metric.greater_is_better,
                first=metric.score(target, first),
                second=metric.score(target, second),
                gain=found.value,
                low=found.low,
                high=found.high,
            )
        )
    return tuple(scored), len(left)


def _apart(one: _Judged, two: _Judged) -> tuple[Scored, ...]:
    """Each on its own rows: by the one metric as it is on record, by two as far as predictions are there."""
    if one.metric == two.metric:
        better, values = one.material.search.greater_is_better, (one.side.validation, two.side.validation)
        return (_difference(one.metric, better, *values),)
    if one.evidence is None or two.evidence is None or one.raw is None or two.raw is None:
        raise UsageError(
            f"The first run was judged by {one.metric}, the second by {two.metric}, and what they predicted "
            "for held-out rows is not on record for both: not comparable."
        )
    metrics = _known_metrics(one, two)
    if not metrics:
        raise UsageError(
            f"{one.metric} and {two.metric} are functions, which are not on record: not comparable."
        )
    return tuple(
        _difference(metric.name, metric.greater_is_better, one.own_score(metric), two.own_score(metric))
        for metric in metrics
    )


def _difference(metric: str, better: bool, first: float | None, second: float | None) -> Scored:
    gain = None if first is None or second is None else (second - first) * (1 if better else -1)
    return Scored(metric=metric, greater_is_better=better, first=first, second=second, gain=gain)


def _known_metrics(one: _Judged, two: _Judged) -> list[Metric]:
    """The metrics of both sides, each once, without functions."""
    found = [metrics().get(name) for name in dict.fromkeys((one.metric, two.metric))]
    task = task_class(one.material.search.task)
    return [metric for metric in found if metric is not None and task.takes(metric)]


def _function_words(one: _Judged, two: _Judged) -> str:
    unknown = [name for name in dict.fromkeys((one.metric, two.metric)) if name not in metrics()]
    return f"{' and '.join(unknown)}: a function, which is not on record." if unknown else ""


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """A side with what it was judged on."""

    side: Side
    is_trial: bool
    metric: str
    material: Material
    evidence: Evidence | None
    raw: npt.NDArray[np.floating] | None

    def predictions(self, metric: Metric) -> npt.NDArray[np.floating]:
        """Held-out predictions as the metric reads them: labels by the champion's class weights."""
        assert self.raw is not None
        assert self.evidence is not None
        weights = () if self.is_trial or metric.reads != "labels" else self.evidence.story.class_weights
        return apply_weights(np.asarray(self.raw, dtype=np.float64), weights)

    def own_score(self, metric: Metric) -> float:
        """On all of its own held-out rows."""
        assert self.evidence is not None
        return metric.score(self.evidence.target, self.predictions(metric))

    @classmethod
    def read(cls, record: Record, run_id: str) -> _Judged:
        is_trial = record.is_trial(record.run(run_id))
        material = search_material(record, run_id)
        evidence = read_evidence(record, material)
        raw: npt.NDArray[np.floating] | None = None
        if evidence is not None and is_trial:
            found = held_out(record, run_id)
            raw = None if found is None else found[evidence.positions]
        elif evidence is not None:
            raw = evidence.raw
        champion = champion_holder(record, material.search.name)
        promoted = champion is not None and champion.run_id == run_id
        side = _trial_side(run_id, material, promoted=promoted) if is_trial else _search_side(material)
        return cls(
            side=side,
            is_trial=is_trial,
            metric=material.search.metric,
            material=material,
            evidence=evidence,
            raw=raw,
        )


def _trial_side(run_id: str, material: Material, *, promoted: bool) -> Side:
    row = next(trial.row for trial in material.trials if trial.row.run_id == run_id)
    model = {"family": row.family, **row.params}
    return Side(
        run_id=row.run_id,
        title=f"{material.search.name} #{row.trial}{_CHAMPION if promoted else ''}",
        family=row.family,
        validation=row.validation,
        seconds=row.seconds,
        predict_ms_per_1000_rows=row.predict_ms_per_1000_rows,
        model_bytes=row.model_bytes,
        settings=model,
        model=model,
    )


def _search_side(material: Material) -> Side:
    search = material.search
    best = (search.summary or {}).get("best", {})
    rows = material.members
    milliseconds, size = material.cost
    settings = {
        key: value for key, value in spoken(search.configuration).items() if key not in ("name", "memory")
    }
    families = ", ".join(dict.fromkeys(row.family for row in rows))
    members = ", ".join(f"#{row.trial} {row.family}" for row in rows)
    model = {"family": families, **rows[0].params} if len(rows) == 1 else {"members": members}
    version = search.model_version
    title = f"{search.name}, version {version}" if version else search.name
    return Side(
        run_id=search.run_id,
        title=f"{title}{_CHAMPION if version and version == search.champion_version else ''}",
        family=families,
        validation=best.get("validation"),
        seconds=search.seconds or 0.0,
        predict_ms_per_1000_rows=milliseconds if rows else None,
        model_bytes=size if rows else None,
        settings=settings,
        model=model,
    )


def _changed(first: dict[str, Any], second: dict[str, Any]) -> tuple[tuple[str, Any, Any], ...]:
    names = dict.fromkeys((*first, *second))
    return tuple(
        (name, first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)
    )


def _unpaired(one: _Judged, two: _Judged) -> str:
    """Why there are no shared rows to compare on and what is compared instead, or an empty text."""
    own = "Each score is on its own held-out rows, so how far apart they are may be the rows' doing."
    if one.evidence is None or two.evidence is None:
        return f"No interval: a search did not end, or an earlier version recorded it. {own}"
    if not _known_metrics(one, two):
        return f"No interval: {one.metric} is a function, which is not on record."
    if one.raw is None or two.raw is None:
        return f"No interval: a trial has no held-out predictions. {own}"
    sizes = [side.evidence.story.data_rows for side in (one, two) if side.evidence is not None]
    if one.evidence.story.data_digest != two.evidence.story.data_digest:
        told = f" ({sizes[0]:,} and {sizes[1]:,} rows)" if sizes[0] != sizes[1] else ""
        return (
            f"No interval: the runs were judged on different data{told}. {own} To compare the two models, "
            "search again with the same data, or score both on one file: automl predict RUN FILE."
        )
    if one.evidence.task.labels != two.evidence.task.labels:
        return f"No interval: the runs have different classes. {own}"
    if len(np.intersect1d(one.evidence.rows, two.evidence.rows)) < 20:
        return f"No interval: the runs share hardly any held-out rows. {own}"
    return ""
