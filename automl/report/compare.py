"""Two runs side by side: the differences of their settings and of their scores."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import UsageError
from automl.core.metrics import Metric, metrics
from automl.core.score_intervals import gain_interval
from automl.core.task_choice import task_class
from automl.core.text import score_text, size_text
from automl.core.weights import Weights, weights_of
from automl.model.decision import Decision
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
        ``wine, version 2`` or ``wine #4``; with ``(champion)`` if predictions by name use it.
    settings:
        A search's options, or a trial's family and parameters.
    model:
        Family and parameters, or the members of an ensemble.
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
    """Scores of both runs by one metric.

    Attributes
    ----------
    first, second:
        Scores on the rows that both were judged on; without such rows, each on its own rows, or None if that
        score was not recorded.
    gain, low, high:
        The second's score minus the first's, with the sign such that more is better, and its 95 % interval;
        the interval is None without shared rows.
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
        """The verdict in one sentence; an empty text without an interval."""
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
        return "The difference may be chance."


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The differences of two runs, and by how much the second is better than the first.

    Attributes
    ----------
    changed:
        ``(name, first's value, second's value)``; None if a run does not have the setting. Searches are
        compared by their options, a search and a trial by their models.
    scored:
        Scores by the metric of both, or by those of the first and the second.
    rows:
        Number of rows that both were judged on; 0 if there are none, and ``note`` gives the reason and what
        is compared instead.
    """

    first: Side
    second: Side
    changed: tuple[tuple[str, Any, Any], ...]
    scored: tuple[Scored, ...]
    rows: int
    note: str

    @property
    def metric(self) -> str:
        """Metric of the first run."""
        return self.scored[0].metric

    @property
    def gain(self) -> float | None:
        """Gain by the first run's metric, like ``low`` and ``high``."""
        return self.scored[0].gain

    @property
    def low(self) -> float | None:
        """The lower end of the gain's interval."""
        return self.scored[0].low

    @property
    def high(self) -> float | None:
        """The upper end of the gain's interval."""
        return self.scored[0].high

    @property
    def costs(self) -> str:
        """The quicker and the smaller one, and by how much; empty if that was not recorded."""
        times = [side.predict_ms_per_1000_rows for side in (self.first, self.second)]
        sizes = [side.model_bytes for side in (self.first, self.second)]
        quicker = _less("quicker", times, [score_text(time or 0.0, 3) for time in times], " ms per 1000 rows")
        smaller = _less("smaller", sizes, [size_text(size or 0) for size in sizes])
        text = "; ".join(filter(None, (quicker, smaller)))
        return f"{text[0].upper()}{text[1:]}." if text else ""

    @property
    def verdict(self) -> str:
        """A sentence per metric, and what could not be compared."""
        if len(self.scored) == 1:
            sentences = [self.scored[0].verdict]
        else:
            sentences = [f"By {item.metric}: {item.verdict}" for item in self.scored if item.verdict]
        return " ".join(part for part in (*sentences, self.note) if part)

    def to_json(self) -> dict[str, Any]:
        """Plain data; ``metric``, ``gain``, ``low`` and ``high`` are those of the first metric."""
        first = {name: getattr(self, name) for name in ("metric", "gain", "low", "high")}
        better = {"greater_is_better": self.scored[0].greater_is_better}
        changed = [list(item) for item in self.changed]
        words = {"costs": self.costs, "verdict": self.verdict}
        return {**asdict(self), **first, **better, "changed": changed, **words}


def _less(word: str, values: Sequence[float | None], texts: Sequence[str], unit: str = "") -> str:
    """``the second is smaller (1 MB against 2 MB)``; empty within a tenth, the precision of measurements."""
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
        If the runs predict different targets, or were judged by different metrics and their predictions
        were not recorded.
    """
    record = Record(locate_store(tracking_uri, store))
    one, two = (_Judged.read(record, resolve_run(record, given).info.run_id) for given in (first, second))
    targets = [side.material.search.target for side in (one, two)]
    if targets[0] != targets[1]:
        raise UsageError(f"The first run predicts {targets[0]!r}, the second {targets[1]!r}: not comparable.")
    tasks = [side.material.search.task for side in (one, two)]
    if tasks[0] != tasks[1]:
        raise UsageError(
            f"The first run is a {tasks[0]} task, the second a {tasks[1]} task: no metric applies to both."
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
    """Scores by the metrics of the two runs, without functions, on the rows that both were judged on."""
    assert one.evidence is not None
    assert two.evidence is not None
    _, left, right = np.intersect1d(one.evidence.rows, two.evidence.rows, return_indices=True)
    target, scored = one.evidence.target[left], []
    weights = _shared_weights(one.evidence, two.evidence, left, right)
    for metric in _known_metrics(one, two):
        first, second = one.predictions(metric)[left], two.predictions(metric)[right]
        gain = gain_interval(metric, target, first, second, weights=weights)
        scored.append(
            Scored(
                metric=metric.name,
                greater_is_better=metric.greater_is_better,
                first=metric.score(target, first, weights),
                second=metric.score(target, second, weights),
                gain=gain.value,
                low=gain.low,
                high=gain.high,
            )
        )
    return tuple(scored), len(left)


def _shared_weights(
    one: Evidence, two: Evidence, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]
) -> Weights | None:
    """The weights of rows that both were judged on, where both weighed them alike; else each counts once."""
    first, second = weights_of(one.weights, left), weights_of(two.weights, right)
    if first is None or second is None or not np.allclose(first / first.mean(), second / second.mean()):
        return None
    return first


def _apart(one: _Judged, two: _Judged) -> tuple[Scored, ...]:
    """Scores of each on its own rows: a shared metric as recorded, two metrics from the predictions."""
    if one.metric == two.metric:
        better, values = one.material.search.greater_is_better, (one.side.validation, two.side.validation)
        return (_difference(one.metric, better, *values),)
    if one.evidence is None or two.evidence is None or one.raw is None or two.raw is None:
        raise UsageError(
            f"The first run was judged by {one.metric}, the second by {two.metric}, and their held-out "
            "predictions were not both recorded: not comparable."
        )
    metrics = _known_metrics(one, two)
    if not metrics:
        raise UsageError(
            f"{one.metric} and {two.metric} are functions, which are not recorded: not comparable."
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
    candidates = [metrics().get(name) for name in dict.fromkeys((one.metric, two.metric))]
    task = task_class(one.material.search.task)
    return [metric for metric in candidates if metric is not None and task.takes(metric)]


def _function_words(one: _Judged, two: _Judged) -> str:
    unknown = [name for name in dict.fromkeys((one.metric, two.metric)) if name not in metrics()]
    return f"{' and '.join(unknown)}: a function, which is not recorded." if unknown else ""


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
        """Held-out predictions for the metric: with the champion's class weights where it reads labels."""
        assert self.raw is not None
        assert self.evidence is not None
        decision = Decision() if self.is_trial or metric.reads != "labels" else self.evidence.decision
        return decision.answers(np.asarray(self.raw, dtype=np.float64))

    def own_score(self, metric: Metric) -> float:
        """Score on all of its own held-out rows."""
        assert self.evidence is not None
        weights = self.evidence.weights if metric.takes_weights else None
        return metric.score(self.evidence.target, self.predictions(metric), weights)

    @classmethod
    def read(cls, record: Record, run_id: str) -> _Judged:
        run = record.run(run_id)
        is_trial = record.is_trial(run)
        members = () if is_trial else record.members(run)
        material = search_material(record, run_id, only=(run_id,) if is_trial else members)
        evidence = read_evidence(record, material)
        raw: npt.NDArray[np.floating] | None = None
        if evidence is not None and is_trial:
            predictions = held_out(record, run_id)
            raw = None if predictions is None else predictions[evidence.positions]
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
    """The reason why no shared rows can be compared, and what is compared instead; empty if they can."""
    own = "Each score is on its own held-out rows, so the difference may come from the rows."
    if one.evidence is None or two.evidence is None:
        return f"No interval: a search did not end, or an earlier version recorded it. {own}"
    if not _known_metrics(one, two):
        return f"No interval: {one.metric} is a function, which is not recorded."
    if one.raw is None or two.raw is None:
        return f"No interval: a trial has no held-out predictions. {own}"
    sizes = [side.evidence.story.data_rows for side in (one, two) if side.evidence is not None]
    if one.evidence.story.data_digest != two.evidence.story.data_digest:
        sizes_words = f" ({sizes[0]:,} and {sizes[1]:,} rows)" if sizes[0] != sizes[1] else ""
        return (
            f"No interval: the runs were judged on different data{sizes_words}. {own} To compare the two "
            "models, search again with the same data, or score both on one file: automl predict RUN FILE."
        )
    if one.evidence.task.labels != two.evidence.task.labels:
        return f"No interval: the runs have different classes. {own}"
    if len(np.intersect1d(one.evidence.rows, two.evidence.rows)) < 20:
        return f"No interval: the runs share hardly any held-out rows. {own}"
    return ""
