"""What to try once after a trial ran out of memory: the same model, smaller where its size is decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from automl.controller.strategy.space import SearchSpace
from automl.core.trial import Candidate, ParamValue

ORIGIN = "retry"


def smaller(candidate: Candidate, space: SearchSpace) -> Candidate | None:
    """The candidate with about half the leaves, units or trees; None when nothing of it can shrink.

    It keeps the seed, by which a search that is resumed knows which trial it is a retry of.
    """
    choices = {param.name: param.choices for param in space.params if param.kind == "choice"}
    values = dict(candidate.params)
    for name, shrink in _SHRINKING.items():
        value = values.get(name)
        if value is None:
            continue
        shrunk = shrink(value)
        if name in choices and shrunk not in choices[name]:
            shrunk = _nearest(shrunk, [choice for choice in choices[name] if _size(choice) < _size(value)])
        if shrunk is not None:
            values[name] = shrunk
    if values == candidate.params:
        return None
    return replace(candidate, params=values, origin=ORIGIN)


def _half(value: ParamValue) -> ParamValue:
    return max(2, value // 2) if isinstance(value, int) and not isinstance(value, bool) else value


def _shallower(value: ParamValue) -> ParamValue:
    return max(2, value - 2) if isinstance(value, int) and value > 0 else value


def _bounded(value: ParamValue) -> ParamValue:
    """Most leaves of a tree; 0 stands for no bound."""
    return 600 if value == 0 else _half(value)


def _coarser(value: ParamValue) -> ParamValue:
    return max(4, 4 * value) if isinstance(value, int) else value


def _thinner(value: ParamValue) -> ParamValue:
    """Units of hidden layers, written ``400-200``."""
    if not isinstance(value, str) or not value.replace("-", "").isdigit():
        return value
    return "-".join(str(max(16, int(units) // 2)) for units in value.split("-"))


_SHRINKING: dict[str, Callable[[ParamValue], ParamValue]] = {
    **dict.fromkeys(("num_leaves", "max_leaves", "n_estimators", "width", "k", "bins"), _half),
    **dict.fromkeys(("d_embedding", "batch_size"), _half),
    **dict.fromkeys(("depth", "max_depth"), _shallower),
    "max_leaf_nodes": _bounded,
    "min_samples_leaf": _coarser,
    "layers": _thinner,
    "interactions": lambda value: False,
}


def _size(value: ParamValue) -> float:
    if isinstance(value, str):
        numbers = [int(part) for part in value.split("-") if part.isdigit()]
        return float(sum(numbers)) if numbers else 0.0
    if value == 0 and not isinstance(value, bool):
        return float("inf")
    return float(value or 0)


def _nearest(wanted: ParamValue, choices: list[ParamValue]) -> ParamValue:
    """The choice whose size is closest to what is wanted; None without any."""
    return min(choices, key=lambda choice: abs(_size(choice) - _size(wanted)), default=None)
