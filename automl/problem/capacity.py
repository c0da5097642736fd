"""Resources of a search: workers, libraries, the time that loading them may take."""

from __future__ import annotations

from collections.abc import Sequence

from automl.families import families as known_families
from automl.problem.settings import Settings, is_folder

_LOADING_SHARE = 1 / 3
_LEAST_SHARE = 0.5


def workers_at(share: float, workers: int, processors: int) -> int:
    """Number of workers to use where each gets this share of a processor.

    Fewer where they would starve each other: each should get half a processor, as far as that is for this
    search to decide. What others run is estimated as on a fair scheduler; where that is the larger part,
    fewer workers would only leave the processors to it.
    """
    others = processors / share - workers
    while workers > 1 and others < workers and processors / (others + workers) < _LEAST_SHARE:
        workers -= 1
    return workers


def patience(settings: Settings, families: Sequence[str]) -> float | None:
    """Seconds that loading libraries may take, a third of the budget; None for as long as need be.

    Where nothing but the baseline could be tried without them, they are waited for.
    """
    by_name = known_families()
    light = [name for name in families if name != "dummy" and not by_name[name].libraries]
    if settings.seconds is None or is_folder(settings.source) or not light:
        return None
    return _LOADING_SHARE * settings.seconds


def libraries(families: Sequence[str]) -> tuple[str, ...]:
    """Modules that the fits of these families import."""
    by_name = known_families()
    return tuple({library: None for name in families for library in by_name[name].libraries})
