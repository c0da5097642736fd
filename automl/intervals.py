"""How sure a score is: bootstrap intervals of fixed predictions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.metrics import Metric, Predictions, Target

_ROW_DRAWS = 4_000_000
_CELL_DRAWS = 40_000_000


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval and the number of rows it stands on."""

    value: float
    low: float
    high: float
    rows: int


def bootstrap_interval(
    metric: Metric, target: Target, predictions: Predictions, *, draws: int = 1000, seed: int = 0
) -> Interval:
    """The score and its 95 % interval over ``draws`` resamples of the rows.

    Percentiles; for binary ROC AUC the bias-corrected and accelerated interval (Efron, 1987), whose
    acceleration comes from the closed-form jackknife of the rank statistic. Tables of more than 4,000
    rows take fewer draws (200 at least), and so do predictions of very many classes (50 at least), so that
    a large test part does not cost the search's last seconds.
    """
    rows = len(target)
    draws = int(
        min(draws, max(200, _ROW_DRAWS // max(rows, 1)), max(50, _CELL_DRAWS // max(predictions.size, 1)))
    )
    rng = np.random.default_rng(seed)
    value = metric.score(target, predictions)
    scores = np.empty(draws)
    for draw in range(draws):
        chosen = rng.integers(0, rows, rows)
        scores[draw] = metric.score(target[chosen], predictions[chosen])
    scores = scores[np.isfinite(scores)]
    if len(scores) < 20:
        return Interval(value, value, value, rows)
    levels = np.array([0.025, 0.975])
    if metric.name == "roc_auc" and predictions.shape[1] == 2:
        levels = _accelerated(levels, scores, value, _auc_jackknife(target, predictions[:, 1]))
    low, high = np.quantile(scores, levels)
    return Interval(value, float(low), float(high), rows)


def standard_error(
    metric: Metric,
    target: Target,
    predictions: Predictions,
    fold_scores: tuple[float, ...],
    *,
    seed: int = 0,
) -> float:
    """Standard error of a validation score: over folds, or over 40 row bootstraps of one holdout."""
    finite = [score for score in fold_scores if np.isfinite(score)]
    if len(finite) > 1:
        return float(np.std(finite, ddof=1) / np.sqrt(len(finite)))
    rng = np.random.default_rng(seed)
    rows = len(target)
    size = min(rows, 5_000)
    scores = []
    for _ in range(40):
        chosen = rng.integers(0, rows, size)
        scores.append(metric.score(target[chosen], predictions[chosen]))
    finite = [score for score in scores if np.isfinite(score)]
    return float(np.std(finite, ddof=1) * np.sqrt(size / rows)) if len(finite) > 1 else 0.0


def _accelerated(
    levels: npt.NDArray[np.float64],
    scores: npt.NDArray[np.float64],
    value: float,
    jackknife: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    from scipy.special import ndtr, ndtri

    share = np.clip(np.mean(scores < value), 1 / (2 * len(scores)), 1 - 1 / (2 * len(scores)))
    bias = ndtri(share)
    centred = jackknife.mean() - jackknife
    spread = float(np.sum(centred**2))
    acceleration = float(np.sum(centred**3)) / (6 * spread**1.5) if spread > 0 else 0.0
    normal = bias + ndtri(levels)
    return np.asarray(ndtr(bias + normal / (1 - acceleration * normal)), dtype=np.float64)


def _auc_jackknife(target: Target, score: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """AUC without each row in turn, from every row's share of concordant pairs (DeLong, 1988)."""
    positive = np.asarray(target) == 1
    ups, downs = np.sort(score[positive]), np.sort(score[~positive])
    if len(ups) < 2 or len(downs) < 2:
        return np.zeros(len(score))
    below = np.searchsorted(downs, score[positive], "left")
    tied = np.searchsorted(downs, score[positive], "right") - below
    of_positive = (below + tied / 2) / len(downs)
    above = len(ups) - np.searchsorted(ups, score[~positive], "right")
    tied = len(ups) - above - np.searchsorted(ups, score[~positive], "left")
    of_negative = (above + tied / 2) / len(ups)
    area = of_positive.mean()
    left_out = np.empty(len(score))
    left_out[positive] = (len(ups) * area - of_positive) / (len(ups) - 1)
    left_out[~positive] = (len(downs) * area - of_negative) / (len(downs) - 1)
    return left_out
