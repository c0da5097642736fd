"""Retention of the trials' models on disk: all up to a size, then only the best."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from automl.core.machine import GIBIBYTE


@dataclass(frozen=True)
class KeptModel:
    """A trial's model on disk.

    Attributes
    ----------
    loss:
        Validation score with the sign such that less is better; None without a score.
    """

    number: int
    family: str
    loss: float | None
    bytes: int


@dataclass(frozen=True)
class KeepModels:
    """The limit on the models' disk space.

    Attributes
    ----------
    bytes:
        All models are kept while they take no more than this in total; None for no limit.
    best:
        Number of the best trials that keep their models in any case, in addition to each family's best.
    """

    bytes: int | None = 2 * GIBIBYTE
    best: int = 10

    def hold(self, total: int) -> bool:
        """True if models of so many bytes in total are all kept."""
        return self.bytes is None or total <= self.bytes

    def to_drop(self, models: Collection[KeptModel], protected: Collection[int] = ()) -> list[int]:
        """Numbers of the trials whose model is deleted, worst first; ``protected`` ones stay."""
        if self.hold(sum(model.bytes for model in models)):
            return []
        ranked = sorted(models, key=lambda model: (model.loss is None, model.loss or 0.0, model.number))
        staying = {model.number for model in ranked[: self.best]} | set(protected)
        families: set[str] = set()
        for model in ranked:
            if model.family not in families and model.loss is not None:
                families.add(model.family)
                staying.add(model.number)
        return [model.number for model in reversed(ranked) if model.number not in staying]
