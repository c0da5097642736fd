"""What a champion's parts do with numbers beyond the range they were trained on, by their weight."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from automl.core.text import weight_texts

_TREES = ("random_forest", "extra_trees", "xgboost", "lightgbm", "catboost")
_NETS = ("tabm", "tabular_net")
_LEVELLED = ("squash", "quantile")
_TOLD = {
    "trees": "its trees ({}) predict what the nearest value seen gets",
    "straight": "its linear part ({}) goes on in a straight line, up to half the target's range beyond it",
    "straight classes": "its linear part ({}) goes on in a straight line and grows ever surer",
    "levelled": "its linear part on levelled numbers ({}) soon stops changing",
    "nets": "its nets ({}) soon stop changing",
}


def beyond_the_range(members: Iterable[tuple[str, float, Mapping[str, Any]]], *, classes: bool) -> str:
    """A sentence for a model card; an empty text where no part is of a family that it knows.

    Parameters
    ----------
    members:
        Family, weight and parameters of each.
    classes:
        Whether classes are predicted rather than numbers.
    """
    weights: dict[str, float] = {}
    for family, weight, params in members:
        kind = _kind(family, params, classes)
        weights[kind] = weights.get(kind, 0.0) + weight
    kinds = sorted(weights, key=lambda kind: -weights[kind])
    texts = dict(zip(kinds, weight_texts([weights[kind] for kind in kinds]), strict=True))
    told = [_TOLD[kind].format(texts[kind]) for kind in kinds if kind in _TOLD]
    return f"Beyond the range of a number seen, {'; '.join(told)}." if told else ""


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
