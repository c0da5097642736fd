"""Weights of classes: tables of many answers at once give what single answers would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from automl.core.metrics import METRICS
from automl.model.class_weights import tune_weights

TUNED = [metric for metric in METRICS.values() if metric.tunes_weights]


def rows_of(classes: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rounded probabilities, so that some are equal; rarer classes; weights with zeros among them."""
    rng = np.random.default_rng(seed)
    codes = np.sort(rng.choice(classes, 400, p=np.arange(1, classes + 1) / np.arange(1, classes + 1).sum()))
    raw = rng.dirichlet(np.arange(1, classes + 1), 400) + 0.3 * np.eye(classes)[codes]
    predictions = (raw / raw.sum(axis=1, keepdims=True)).round(2)
    return codes, predictions, rng.integers(0, 3, 400).astype(float)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("metric", TUNED, ids=lambda metric: metric.name)
def test_tables_tune_the_weights_that_single_scores_would(metric, classes) -> None:
    if classes > 2 and "multiclass" not in metric.tasks:
        pytest.skip("for two classes alone")
    assert metric.of_tables is not None
    single = replace(metric, of_tables=None)
    for seed in range(4):
        codes, predictions, weights = rows_of(classes, seed)
        for rows in (None, weights):
            tuned = tune_weights(metric, codes, predictions, rows)
            assert tuned == pytest.approx(tune_weights(single, codes, predictions, rows), rel=1e-9)
