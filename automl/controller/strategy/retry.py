"""Second tries: of a trial that ran out of memory, with a smaller model; of one that computed for others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from automl.controller.strategy.search_space import SearchSpace
from automl.core.trial import Candidate, ParamValue, Status, Trial

ORIGIN = "retry"


@dataclass
class Retries:
    """Candidates that are tried once more, the first that failed first.

    Attributes
    ----------
    spaces:
        The search spaces by family, which bound how small a model can become.
    """

    spaces: Mapping[str, SearchSpace]
    _waiting: list[Candidate] = field(default_factory=list)

    @property
    def first(self) -> Candidate | None:
        """The next one, which stays in the queue; None where nothing waits."""
        return self._waiting[0] if self._waiting else None

    def pop(self) -> Candidate:
        """Take the next one out."""
        return self._waiting.pop(0)

    def consider(self, trial: Trial, *, computed: bool = False) -> None:
        """Queue a second try of an ended trial, where one is worth it; there is no third.

        Parameters
        ----------
        computed:
            Whether it computed what others share, which is kept: where its time was used up, it goes on.
        """
        if trial.result is None or trial.candidate.origin == ORIGIN:
            return
        if trial.result.status is Status.TIMEOUT and computed:
            self._waiting.append(replace(trial.candidate, origin=ORIGIN))
        if trial.result.status is not Status.OOM:
            return
        space = self.spaces.get(trial.candidate.family)
        candidate = None if space is None else smaller(trial.candidate, space)
        if candidate is not None:
            self._waiting.append(candidate)

    def restore(self, trials: Iterable[Trial]) -> None:
        """Queue what an earlier process had queued, and did not begin, after these trials."""
        kept = list(trials)
        retried = {trial.candidate.seed for trial in kept if trial.candidate.origin == ORIGIN}
        for trial in kept:
            if trial.candidate.seed not in retried:
                self.consider(trial)


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
