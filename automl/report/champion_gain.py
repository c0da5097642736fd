"""The gain of a new champion over the one it would replace, on the rows that both were judged on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from automl.core.metrics import Metric
from automl.core.score_intervals import LEAST_DRAWS, Interval, resampled_gains
from automl.core.weights import weights_of
from automl.report.build import read_evidence
from automl.report.facts.evidence import Evidence
from automl.tracker.models.succession import Gain
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import search_material
from automl.tracker.store.location import StoreLocation
from automl.tracker.tags import TEST_DIGEST

_DRAWS = 200
_ROWS = 20_000
_LEAST_ROWS = 20
_Z = 1.96


def gain_over(
    location: StoreLocation, run_id: str, evidence: Evidence, test: Interval | None, test_digest: str
) -> Gain | str:
    """Compare the champion of an earlier search with the one of this evidence.

    Where both searched the same data, they are compared in pairs on the rows that both held out; otherwise
    by their scores on the same untouched rows, taking the errors as independent, which is conservative.

    Parameters
    ----------
    run_id:
        Run of the earlier search.
    test, test_digest:
        The new champion's score on untouched rows, and the digest of these rows.

    Returns
    -------
    Gain or str
        A text gives the reason why the two cannot be compared.
    """
    record = Record(location)
    material = search_material(record, run_id, only=())
    before, metric = read_evidence(record, material), evidence.task.metric
    tags = record.run(run_id).data.tags
    if before is not None and before.story.weighting != evidence.story.weighting:
        return f"its rows were {before.story.weighting or 'not weighted'}"
    if before is not None and before.story.data_digest == evidence.story.data_digest:
        gain = _paired(metric, before, evidence)
        if gain is not None:
            return gain
    if test is not None and test_digest and tags.get(TEST_DIGEST) == test_digest:
        return _untouched(metric, material.search.metrics, test)
    if before is None:
        return "its held-out predictions are not on record"
    return "it was judged on other rows"


def _paired(metric: Metric, before: Evidence, after: Evidence) -> Gain | None:
    """Gain by the predictions of both for the rows that both held out; None if there are too few."""
    if before.task.labels != after.task.labels:
        return None
    _, left, right = np.intersect1d(before.rows, after.rows, return_indices=True)
    if len(left) < _LEAST_ROWS:
        return None
    rng = np.random.default_rng(0)
    if len(left) > _ROWS:
        chosen = np.sort(rng.choice(len(left), _ROWS, replace=False))
        left, right = left[chosen], right[chosen]
    target = after.target[right]
    old, new = before.judged(before.task.metric)[left], after.judged(metric)[right]
    weights = weights_of(after.weights, right)
    gain = metric.loss(target, old, weights) - metric.loss(target, new, weights)
    low = gain
    if gain > 0:
        gains = resampled_gains(metric, target, old, new, draws=_DRAWS, generator=rng, weights=weights)
        # With too few draws, chance cannot be excluded as the explanation of the gain.
        low -= _Z * float(np.std(gains, ddof=1)) if len(gains) >= LEAST_DRAWS else math.inf
    return Gain(
        metric=metric.name,
        before=metric.score(target, old, weights),
        after=metric.score(target, new, weights),
        gain=gain,
        low=low,
        rows=f"{len(left):,} held-out rows",
    )


def _untouched(metric: Metric, recorded: Mapping[str, float], test: Interval) -> Gain | str:
    """Gain by two scores with their intervals."""
    value = recorded.get(f"test_{metric.name}")
    low, high = (recorded.get(f"test_{metric.name}_{end}") for end in ("low", "high"))
    if value is None or low is None or high is None:
        return "its score on these untouched rows is not on record"
    before = replace(test, value=value, low=low, high=high)
    gain = (test.value - value) * (1 if metric.greater_is_better else -1)
    error = math.hypot(*((item.high - item.low) / (2 * _Z) for item in (before, test)))
    return Gain(
        metric=metric.name,
        before=value,
        after=test.value,
        gain=gain,
        low=gain - _Z * error,
        rows=f"{test.rows:,} untouched rows",
    )
