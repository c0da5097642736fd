"""Which trials keep their model on disk: all up to a size, then the best ones."""

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
        Validation score turned so that less is better; None without a score.
    """

    number: int
    family: str
    loss: float | None
    bytes: int


@dataclass(frozen=True)
class KeepModels:
    """The bound on models' disk space.

    Attributes
    ----------
    bytes:
        Every model is kept while all of them take no more than this; None for no bound.
    best:
        How many of the best trials keep theirs in any case, next to each family's best.
    """

    bytes: int | None = 2 * GIBIBYTE
    best: int = 10

    def to_drop(self, models: Collection[KeptModel], protected: Collection[int] = ()) -> list[int]:
        """Numbers of the trials whose model goes, worst first; ``protected`` ones stay."""
        total = sum(model.bytes for model in models)
        if self.bytes is None or total <= self.bytes:
            return []
        ranked = sorted(models, key=lambda model: (model.loss is None, model.loss or 0.0, model.number))
        staying = {model.number for model in ranked[: self.best]} | set(protected)
        families: set[str] = set()
        for model in ranked:
            if model.family not in families and model.loss is not None:
                families.add(model.family)
                staying.add(model.number)
        return [model.number for model in reversed(ranked) if model.number not in staying]
