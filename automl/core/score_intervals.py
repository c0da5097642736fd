"""Intervals of scores for fixed predictions: exact for shares, else over resamples of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.core.formulas import Target, right_rows
from automl.core.metrics import Metric
from automl.core.predictions import Predictions
from automl.core.weights import Weights, effective_rows, mean_of, weights_of

_ROW_DRAWS = 4_000_000
_CELL_DRAWS = 40_000_000
LEAST_DRAWS = 20
"""Resamples with a score, below which nothing is said of their spread."""
_GAIN_DRAWS = 20_000_000
_NORMAL = 1.959963984540054
_ROUNDING = 1e-9  # relative: what resamples of equal errors differ by
_ONE_SCORE = 1e-6  # counts of mistakes that are as close to the best score have reached it


@dataclass(frozen=True)
class Interval:
    """A score with its 95 % interval and the number of rows it stands on."""

    value: float
    low: float
    high: float
    rows: int


@dataclass(frozen=True)
class HonestScore(Interval):
    """A score without the optimism of a choice, with its 95 % interval; ``how`` it was found, for people."""

    how: str


def share_interval(right: float, rows: float) -> tuple[float, float]:
    """The exact 95 % interval of a share: ``right`` of ``rows`` (Clopper and Pearson, Biometrika 26, 1934).

    12 of 12 is 0.735 to 1; of no rows nothing is known, 0 to 1. Of weighted rows it takes their effective
    number, which need not be whole.
    """
    from scipy.special import betaincinv

    low = float(betaincinv(right, rows - right + 1, 0.025)) if right else 0.0
    high = float(betaincinv(right + 1, rows - right, 0.975)) if right < rows else 1.0
    return low, high


def unseen_share(rows: float) -> float:
    """The greatest share, at 97.5 %, of what was seen in none of the rows: 3.7 in their number.

    The exact form of the rule of three (Hanley and Lippman-Hand, JAMA 249, 1983).
    """
    return float(1.0 - 0.025 ** (1.0 / max(rows, 1)))


def score_interval(
    metric: Metric,
    target: Target,
    predictions: Predictions,
    *,
    draws: int = 1000,
    seed: int = 0,
    weights: Weights | None = None,
    units: npt.NDArray[np.int64] | None = None,
) -> Interval:
    """The score and its 95 % interval.

    Accuracy, precision and recall are shares: exact (Clopper and Pearson). Balanced accuracy is their mean:
    every class's exact interval, put together by MOVER (Zou, Huang and Zhang, Computational Statistics
    and Data Analysis 53, 2009). The median of errors: order statistics (Conover, Practical Nonparametric
    Statistics, chapter 3). All others: percentiles over resamples of the rows; for binary ROC AUC the
    bias-corrected and accelerated interval (Efron, 1987), whose acceleration comes from the closed-form
    jackknife of the rank statistic.

    Resamples of rows without a mistake have none either. Where they do not vary, or a count of mistakes
    ends at the best or worst score there is, the interval reaches to the score that there would be if the
    share of mistakes (of right answers) were at the end of its exact interval; see :func:`_if_worse`. Errors
    that vary from row to row, however small they are, are left as the resamples found them.

    With weights accuracy is a share of the effective number of rows (:func:`effective_rows`); for all others
    rows are drawn with their weights.

    Parameters
    ----------
    draws:
        Tables of more than 4,000 rows take fewer (200 at least), and so do predictions of very many
        classes (50 at least), so that a large test part does not cost the search's last seconds.
    weights:
        Of the rows, ``(rows,)``.
    units:
        ``(rows,)`` codes from 0 of groups whose rows are not independent: resamples draw whole groups, and
        of few of them the interval is as much wider as Student's t is than the normal distribution.
    """
    value, rows = metric.score(target, predictions, weights), len(target)
    if units is not None and int(units.max()) + 1 < rows:
        return _of_units(metric, target, predictions, draws, seed, units, weights)
    exact = _exact(metric, target, predictions, weights)
    if exact is not None:
        return Interval(value, min(exact[0], value), max(exact[1], value), rows)
    draws = int(
        min(draws, max(200, _ROW_DRAWS // max(rows, 1)), max(50, _CELL_DRAWS // max(predictions.size, 1)))
    )
    rng = np.random.default_rng(seed)
    scores = np.empty(draws)
    for draw in range(draws):
        chosen = rng.integers(0, rows, rows)
        scores[draw] = metric.score(target[chosen], predictions[chosen], weights_of(weights, chosen))
    scores = scores[np.isfinite(scores)]
    if len(scores) < LEAST_DRAWS:
        # Of hardly any draw there is a score: what a class of one row tells.
        return Interval(value, *_widened(metric, target, predictions, (value, value), weights), rows)
    levels = np.array([0.025, 0.975])
    left_out = None
    if metric.jackknife is not None and weights is None:
        left_out = metric.jackknife(target, predictions)
    if left_out is not None:
        levels = _accelerated(levels, scores, value, left_out)
    low, high = np.quantile(scores, levels)
    ends = _widened(metric, target, predictions, (float(low), float(high)), weights)
    return Interval(value, *ends, rows)


def _of_units(
    metric: Metric,
    target: Target,
    predictions: Predictions,
    draws: int,
    seed: int,
    units: npt.NDArray[np.int64],
    weights: Weights | None,
) -> Interval:
    """The score and its interval over resamples of whole groups; at least that of independent rows."""
    alone = score_interval(metric, target, predictions, draws=draws, seed=seed, weights=weights)
    rows, groups = len(target), int(units.max()) + 1
    order = np.argsort(units, kind="stable")
    starts = np.searchsorted(units[order], np.arange(groups + 1))
    rng, scores = np.random.default_rng(seed), []
    for _ in range(int(min(draws, max(200, _ROW_DRAWS // max(rows, 1))))):
        chosen = order[_joined(starts, rng.integers(0, groups, groups))]
        scores.append(metric.score(target[chosen], predictions[chosen], weights_of(weights, chosen)))
    finite = np.array(scores)[np.isfinite(scores)]
    if len(finite) < LEAST_DRAWS:
        return alone
    from scipy.special import stdtrit

    wider = float(stdtrit(groups - 1, 0.975)) / _NORMAL
    low, high = np.quantile(finite, [0.025, 0.975])
    low, high = alone.value - wider * (alone.value - low), alone.value + wider * (high - alone.value)
    return Interval(alone.value, min(alone.low, float(low)), max(alone.high, float(high)), rows)


def _joined(starts: npt.NDArray[np.int64], drawn: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Places of drawn groups, one after another; group ``j`` is at ``starts[j]`` to ``starts[j + 1]``."""
    sizes = starts[drawn + 1] - starts[drawn]
    before = np.cumsum(sizes) - sizes
    places: npt.NDArray[np.int64] = np.arange(sizes.sum()) + np.repeat(starts[drawn] - before, sizes)
    return places


def gain_interval(
    metric: Metric,
    target: Target,
    first: Predictions,
    second: Predictions,
    *,
    draws: int = 2000,
    seed: int = 0,
    weights: Weights | None = None,
) -> Interval:
    """The gain of the second predictions over the first, a difference of losses, and its 95 % interval.

    Accuracy: the score interval of paired shares (Newcombe, Statistics in Medicine 17, 1998, method 10).
    All others: percentiles over resamples of the rows, both scored on equal draws. Where these do not vary
    although the predictions differ, the two scores' own intervals are put together as if independent
    (MOVER), which is wider than it need be. With weights all take resamples.
    """
    rows = len(target)
    gain = metric.loss(target, first, weights) - metric.loss(target, second, weights)
    if first.shape == second.shape and np.array_equal(first, second):
        return Interval(0.0, 0.0, 0.0, rows)
    if metric.right is not None and weights is None:
        pairs = metric.right(target, first), metric.right(target, second)
        return Interval(gain, *_paired_shares(*pairs), rows)
    count = int(np.clip(_GAIN_DRAWS // max(rows, 1), min(200, draws), draws))
    generator = np.random.default_rng(seed)
    gains = resampled_gains(metric, target, first, second, draws=count, generator=generator, weights=weights)
    if len(gains) < LEAST_DRAWS:
        return Interval(gain, float("-inf"), float("inf"), rows)  # too few draws have a score to say more
    low, high = np.quantile(gains, [0.025, 0.975])
    if high - low <= 1e-12 * max(abs(metric.loss(target, made, weights)) for made in (first, second)):
        one, two = (
            score_interval(metric, target, made, draws=200, seed=seed, weights=weights)
            for made in (first, second)
        )
        sign = 1.0 if metric.greater_is_better else -1.0
        ends = [sorted((sign * item.low, sign * item.high)) for item in (one, two)]
        at = [sign * item.value for item in (one, two)]
        low = gain - np.hypot(at[1] - ends[1][0], ends[0][1] - at[0])
        high = gain + np.hypot(ends[1][1] - at[1], at[0] - ends[0][0])
    return Interval(gain, float(low), float(high), rows)


def resampled_gains(
    metric: Metric,
    target: Target,
    first: Predictions,
    second: Predictions,
    *,
    draws: int,
    generator: np.random.Generator,
    weights: Weights | None = None,
) -> npt.NDArray[np.float64]:
    """Differences of the two losses over resamples of the rows, of those draws on which both have one."""
    rows, gains = len(target), []
    for _ in range(draws):
        drawn = generator.integers(0, rows, rows)
        own = weights_of(weights, drawn)
        losses = (metric.loss(target[drawn], made[drawn], own) for made in (first, second))
        gains.append(next(losses) - next(losses))
    differences = np.array(gains, dtype=np.float64)
    return differences[np.isfinite(differences)]


def standard_error(
    metric: Metric,
    target: Target,
    predictions: Predictions,
    fold_scores: tuple[float, ...],
    *,
    seed: int = 0,
    weights: Weights | None = None,
) -> float:
    """Standard error of a validation score: over folds, or over 40 row bootstraps of one holdout.

    Where that is zero, for metrics of labels that of a share with half a mistake more (Jeffreys' prior).
    """
    error = _spread(metric, target, predictions, fold_scores, seed, weights)
    if error == 0.0 and metric.reads == "labels" and len(target):
        right, rows = _right(right_rows(target, predictions), weights)
        share = (right + 0.5) / (rows + 1)
        return float(np.sqrt(share * (1 - share) / (rows + 1)))
    return error


def _right(rows: npt.NDArray[np.bool_], weights: Weights | None) -> tuple[float, float]:
    """The number of right rows and of all; of weighted ones their share of the effective number."""
    if weights is None:
        return float(rows.sum()), float(len(rows))
    number = effective_rows(len(rows), weights)
    return mean_of(rows, weights) * number, number


def _spread(
    metric: Metric,
    target: Target,
    predictions: Predictions,
    fold_scores: tuple[float, ...],
    seed: int,
    weights: Weights | None,
) -> float:
    finite = [score for score in fold_scores if np.isfinite(score)]
    if len(finite) > 1:
        return float(np.std(finite, ddof=1) / np.sqrt(len(finite)))
    rng = np.random.default_rng(seed)
    rows = len(target)
    size = min(rows, 5_000)
    scores = []
    for _ in range(40):
        chosen = rng.integers(0, rows, size)
        scores.append(metric.score(target[chosen], predictions[chosen], weights_of(weights, chosen)))
    finite = [score for score in scores if np.isfinite(score)]
    return float(np.std(finite, ddof=1) * np.sqrt(size / rows)) if len(finite) > 1 else 0.0


def _exact(
    metric: Metric, target: Target, predictions: Predictions, weights: Weights | None
) -> tuple[float, float] | None:
    """Of shares of rows, of their mean over classes, and of a median; None for other metrics."""
    if metric.right is not None:
        return share_interval(*_right(metric.right(target, predictions), weights))
    if weights is not None:
        return None
    if metric.shares is not None:
        counts = metric.shares(target, predictions)
        return share_interval(*counts[0]) if len(counts) == 1 else _mean_share(counts)
    if metric.medians is not None:
        return _median_ends(metric.medians(target, predictions))
    return None


def _wilson(right: float, rows: int) -> tuple[float, float]:
    """Wilson's score interval (Journal of the American Statistical Association 22, 1927)."""
    square = _NORMAL**2
    middle = (right + square / 2) / (rows + square)
    half = _NORMAL / (rows + square) * np.sqrt(right * (rows - right) / rows + square / 4)
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def _mean_share(counts: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Of the mean of independent shares, each ``(right, rows)``."""
    shares = np.array([right / rows for right, rows in counts])
    ends = np.array([share_interval(right, rows) for right, rows in counts])
    below = np.sqrt(np.sum((shares - ends[:, 0]) ** 2)) / len(counts)
    above = np.sqrt(np.sum((ends[:, 1] - shares) ** 2)) / len(counts)
    return max(0.0, float(shares.mean() - below)), min(1.0, float(shares.mean() + above))


def _median_ends(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    from scipy.special import bdtr

    ordered, rows = np.sort(values), len(values)
    below = int(np.searchsorted(bdtr(np.arange(rows), rows, 0.5), 0.025, "right"))  # ranks beyond 2.5 %
    return float(ordered[max(below - 1, 0)]), float(ordered[min(rows - below, rows - 1)])


def _paired_shares(first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Of the second's share minus the first's, of the same rows."""
    rows = len(first)
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    one, two = int((first & ~second).sum()), int((second & ~first).sum())
    spread = float(both + one) * (two + neither) * (both + two) * (one + neither)
    product = float(both * neither - one * two)
    if product > 0:
        product = max(product - rows / 2, 0.0)
    together = product / np.sqrt(spread) if spread > 0 else 0.0
    p, q = (both + two) / rows, (both + one) / rows
    (p_low, p_high), (q_low, q_high) = _wilson(both + two, rows), _wilson(both + one, rows)

    def side(up: float, down: float) -> float:
        return float(np.sqrt(max(0.0, up**2 - 2 * together * up * down + down**2)))

    return p - q - side(p - p_low, q_high - q), p - q + side(p_high - p, q - q_low)


def _widened(
    metric: Metric,
    target: Target,
    predictions: Predictions,
    ends: tuple[float, float],
    weights: Weights | None,
) -> tuple[float, float]:
    """The interval, further on where resamples cannot know what the rows did not show."""
    low, high = ends
    stuck = high - low <= _ROUNDING * max(abs(low), abs(high))
    stuck = stuck or (metric.least > 0 and high <= metric.least)
    counts = metric.reads != "values" and metric.least == 0
    best, worst = (1.0, 0.0) if metric.greater_is_better else (0.0, 1.0)
    if stuck or (counts and min(abs(low - best), abs(high - best)) <= _ONE_SCORE):
        worse = _if_worse(metric, target, predictions, weights)
        low, high = min(low, worse), max(high, worse)
    if stuck or (counts and min(abs(low - worst), abs(high - worst)) <= _ONE_SCORE):
        better = _if_worse(metric, target, predictions, weights, better=True)
        low, high = min(low, better), max(high, better)
    return low, high


def _if_worse(
    metric: Metric,
    target: Target,
    predictions: Predictions,
    weights: Weights | None = None,
    *,
    better: bool = False,
) -> float:
    """The score if the share of mistakes were as high, or as low, as the rows allow at 97.5 %.

    Mistakes are made of right answers that are spread evenly over classes and how sure they are: the
    probability of the true class changes places with the greatest other one. Of numbers a share of
    :func:`unseen_share` gets twice its error, or none; where no row has an error, the target's mean.
    """
    rows = len(target)
    if metric.reads == "values":
        truth = np.asarray(target, dtype=np.float64)
        unseen = unseen_share(effective_rows(rows, weights))
        moved = _evenly(np.argsort(truth, kind="stable"), int(np.ceil(unseen * rows)))
        changed = np.array(predictions, dtype=np.float64)
        if better:
            changed[moved, 0] = truth[moved]
        elif np.array_equal(changed[:, 0], truth):
            changed[moved, 0] = truth.mean()
        else:
            changed[moved, 0] += changed[moved, 0] - truth[moved]
        return metric.score(target, changed, weights)
    right = right_rows(target, predictions)
    # of weighted rows their mean weight stands for every one that is moved
    low, high = share_interval(*_right(right, weights))
    pool = np.flatnonzero(~right if better else right)
    count = int(high * rows) - int(right.sum()) if better else int(right.sum()) - int(np.floor(low * rows))
    truth = np.asarray(target, dtype=np.int64)
    others = np.array(predictions, dtype=np.float64)
    others[np.arange(rows), truth] = -1.0
    margin = predictions[np.arange(rows), truth] - others.max(axis=1)
    moved = _evenly(pool[np.lexsort((margin[pool], truth[pool]))], count)
    changed = np.array(predictions, dtype=np.float64)
    rival = others[moved].argmax(axis=1)
    changed[moved, truth[moved]] = predictions[moved, rival]
    changed[moved, rival] = predictions[moved, truth[moved]]
    return metric.score(target, changed, weights)


def _evenly(places: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """``count`` of the places, from all parts of their order."""
    count = min(count, len(places))
    return places[((np.arange(count) + 0.5) * len(places) / max(count, 1)).astype(np.int64)]


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
