"""Shares of a family's scores that each hyperparameter explains by itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.text import score_text
from automl.tracker import LeaderboardRow

LEAST_TRIALS = 12
_BINS = 3


@dataclass(frozen=True)
class ParameterShare:
    """A parameter with the share of the score's variance that it explains alone, and its best range.

    Attributes
    ----------
    share:
        Share in [0, 1]; also near 0 for a parameter that only matters together with another one.
    best:
        Its values in the best third of the trials, for people.
    """

    name: str
    share: float
    best: str


def parameter_shares(
    rows: Iterable[LeaderboardRow], *, greater_is_better: bool
) -> dict[str, tuple[int, list[ParameterShare]]]:
    """Number of trials and parameters of each family with at least twelve scored trials, largest share first.

    The share is epsilon squared of a one-way analysis of variance (Kelley, 1935) over thirds of a
    number's values or a choice's levels, on the ranks of the scores: ranks, so that one failed setting does
    not mask the others; epsilon, because the plain share is above zero for noise.
    """
    families: dict[str, list[LeaderboardRow]] = defaultdict(list)
    for row in rows:
        if row.validation is not None and row.origin != "repeat":
            families[row.family].append(row)
    by_family = {}
    for family, scored in sorted(families.items()):
        if len(scored) < LEAST_TRIALS:
            continue
        sign = 1.0 if greater_is_better else -1.0
        scores = np.array([sign * (row.validation or 0.0) for row in scored])
        ranks = np.argsort(np.argsort(scores)).astype(np.float64)
        shares = []
        for name in dict.fromkeys(name for row in scored for name in row.params):
            values = [row.params.get(name) for row in scored]
            groups = _groups(values)
            if groups is not None:
                better = [
                    value for value, rank in zip(values, ranks, strict=True) if rank >= len(ranks) * 2 / 3
                ]
                shares.append(ParameterShare(name, _epsilon_squared(ranks, groups), _spoken(better)))
        if shares:
            by_family[family] = (len(scored), sorted(shares, key=lambda item: -item.share))
    return by_family


def _groups(values: list[Any]) -> npt.NDArray[np.int64] | None:
    """Group numbers of a parameter's values; "not sampled" is a group of its own; None for a single group."""
    present = [value for value in values if value is not None]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in present)
    if numeric and len(set(present)) > _BINS:
        cuts = np.quantile(np.asarray(present, dtype=np.float64), np.arange(1, _BINS) / _BINS)
        codes = [-1 if value is None else int(np.searchsorted(cuts, value)) for value in values]
    else:
        levels = {value: code for code, value in enumerate(dict.fromkeys(map(str, values)))}
        codes = [levels[str(value)] for value in values]
    return np.asarray(codes) if len(set(codes)) > 1 else None


def _epsilon_squared(ranks: npt.NDArray[np.float64], groups: npt.NDArray[np.int64]) -> float:
    total = float(np.sum((ranks - ranks.mean()) ** 2))
    names = np.unique(groups)
    within = sum(float(np.sum((ranks[groups == g] - ranks[groups == g].mean()) ** 2)) for g in names)
    free = len(ranks) - len(names)
    if total <= 0 or free <= 0:
        return 0.0
    between = total - within
    return float(np.clip((between - (len(names) - 1) * within / free) / total, 0.0, 1.0))


def _spoken(values: list[Any]) -> str:
    present = [value for value in values if value is not None]
    if not present:
        return "not set"
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in present):
        low, high = min(present), max(present)
        ends = score_text(low, 3), score_text(high, 3)
        return ends[0] if low == high else f"{ends[0]} to {ends[1]}"
    names = [str(value) for value in present]
    most = sorted(set(names), key=lambda name: -names.count(name))
    return ", ".join(most[:3])
