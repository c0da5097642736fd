"""Behaviour of a champion's members for numbers beyond their training range, by weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from automl.core.text import weight_texts

_TREES = ("random_forest", "extra_trees", "xgboost", "lightgbm", "catboost")
_NETS = ("tabm", "tabular_net")
_LEVELLED = ("squash", "quantile")
_WORDS = {
    "trees": "its trees ({}) predict as for the nearest training value",
    "straight": "its linear part ({}) continues in a straight line, up to half the target's range beyond it",
    "straight classes": "its linear part ({}) continues in a straight line and becomes more and more certain",
    "levelled": "its linear part on levelled numbers ({}) soon stops changing",
    "nets": "its nets ({}) soon stop changing",
}


def beyond_the_range(members: Iterable[tuple[str, float, Mapping[str, Any]]], *, classes: bool) -> str:
    """A sentence for a model card; an empty text if the behaviour of no member's family is known.

    Parameters
    ----------
    members:
        Family, weight and parameters of each.
    classes:
        True if classes are predicted, False for numbers.
    """
    weights: dict[str, float] = {}
    for family, weight, params in members:
        kind = _kind(family, params, classes)
        weights[kind] = weights.get(kind, 0.0) + weight
    kinds = sorted(weights, key=lambda kind: -weights[kind])
    texts = dict(zip(kinds, weight_texts([weights[kind] for kind in kinds]), strict=True))
    sentences = [_WORDS[kind].format(texts[kind]) for kind in kinds if kind in _WORDS]
    return f"Beyond the training range of a number, {'; '.join(sentences)}." if sentences else ""


def _kind(family: str, params: Mapping[str, Any], classes: bool) -> str:
    if family in _TREES:
        return "trees"
    if family in _NETS:
        return "nets"
    if family != "linear":
        return ""
    if params.get("numeric", "standard") in _LEVELLED:
        return "levelled"
    return "straight classes" if classes else "straight"
