"""Outputs of frozen nets that trials need: computed once and kept, and foreseen from measurements."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from automl.core.family import FitContext, Outlook, Scope
from automl.core.table import Strings, Table
from automl.data.images.pixels import Pictures, pictures_of, stored_side, usable_threads
from automl.families.nets.feature_shelf import Shelf
from automl.families.nets.images.features import (
    FeatureView,
    keep_outputs,
    time_net,
    view_of,
)
from automl.families.nets.images.picture_times import MEASURED_AT, Costs, NetCost
from automl.families.nets.surroundings import Surroundings, all_cores

if TYPE_CHECKING:
    from automl.families.nets.images.plan import NetTraining

_CORNERS = tuple(f"corner{number}" for number in range(4))
_MEASURING_SECONDS = 4.0
_TIMED_IMAGES = 4
_LEAST_EPOCHS = 3
# A step of a whole net, and of each last stage on kept maps, by a pass through the net: Lite0 at 224 px in
# float32, 14 images a second and core (and 100 with five stages) against 45.
_STEP, _STAGE_STEP = 3.3, 0.09
_HALVES_GAIN = 2.0  # a frozen pass may use bfloat16, training does not


@dataclass(frozen=True)
class Needs:
    """Views of frozen nets.

    Attributes
    ----------
    learnt:
        Of all rows.
    shown:
        Of rows that are only predicted.
    """

    learnt: tuple[FeatureView, ...]
    shown: tuple[FeatureView, ...]


def probe_needs(backbone: str, px: int, view: str, views: int, side: int) -> Needs:
    """Of a head on frozen features that learns from 1, 2 or 6 views."""
    plain = view_of(backbone, px, side, view)
    learnt = views_of(plain, views)
    return Needs(learnt, learnt[:2])


def net_needs(plan: NetTraining, stages: int, side: int) -> Needs:
    """Of a net that is trained; ``stages`` are those of its backbone."""
    plain = view_of(plan.backbone, plan.px, side, plan.view)
    start = views_of(plain, 2 if plan.flip else 1) if plan.c else ()
    if not plan.from_maps:
        return Needs(start, ())
    maps = replace(plain, cut=max(1, plan.first_stage(stages)))
    # Rows that are only predicted need the maps of the views they are predicted by.
    return Needs((*start, *views_of(maps, plan.views)), views_of(maps, min(plan.views, 2)))


def views_of(view: FeatureView, count: int) -> tuple[FeatureView, ...]:
    """A view alone, mirrored too (2), with the four corners too (6)."""
    if count == 1:
        return (view,)
    corners = [replace(view, view=corner, flip=bool(i % 2)) for i, corner in enumerate(_CORNERS)]
    return (view, replace(view, flip=True), *(corners if count > 2 else ()))


def prepare_needs(needs: Needs, tables: Sequence[Table], context: FitContext) -> None:
    """Compute and keep what is needed of these tables, the first of which is learnt from.

    Raises
    ------
    TrialStopped
        When the time was too short; what was computed is kept for the next trial.
    """
    jobs = _jobs(needs, tables)
    around = Surroundings(context.threads, context.device, context.should_stop, context.notes.append)
    open_jobs = [(pictures, view) for pictures, view in jobs if _missing(pictures, view)]
    _measure(jobs[0][0], context)
    for number, (pictures, view) in enumerate(open_jobs):
        reporting = replace(around, report=partial(_report, context, number, len(open_jobs)))
        keep_outputs(pictures, view, reporting)


def outlook(needs: Needs, tables: Sequence[Table], scope: Scope) -> Outlook | None:
    """Seconds of what is not kept yet, on all cores; None while a net's speed is not known."""
    seconds = 0.0
    for pictures, view in _jobs(needs, tables):
        missing = _missing(pictures, view)
        if not missing:
            continue
        assert pictures.cache is not None
        cost = Costs(pictures.cache, scope.device).of(view.net)
        if cost is None:
            return None
        seconds += missing * cost.seconds(view.px)
    return Outlook(seconds)


def net_outlook(plan: NetTraining, tables: Sequence[Table], scope: Scope) -> Outlook | None:
    """The same of a net that is trained, with the seconds of the three epochs that are the least."""
    side = stored_side(tables[0].images[0])
    pictures = _pictures(tables[0].images[0], side)
    plain = view_of(plan.backbone, plan.px, side, plan.view)
    cost = None if pictures.cache is None else Costs(pictures.cache, scope.device).of(plain.net)
    if cost is None:
        return None
    frozen = outlook(net_needs(plan, cost.stages, side), tables, scope)
    if frozen is None:
        return None
    learning = cost.stages - plan.first_stage(cost.stages)
    step = _STAGE_STEP * learning if plan.from_maps else _STEP
    images = _LEAST_EPOCHS * scope.rows * scope.folds
    gain = 1.0 if scope.device != "cpu" else _HALVES_GAIN
    return replace(frozen, fit=images * cost.seconds(plan.px) * step * gain * scope.workers)


def _jobs(needs: Needs, tables: Sequence[Table]) -> list[tuple[Pictures, FeatureView]]:
    side = stored_side(tables[0].images[0])
    return [
        (_pictures(column, side), view)
        for table in tables
        for view in (needs.learnt if table is tables[0] else needs.shown)
        for column in table.images
    ]


_looked_up: dict[int, tuple[weakref.ref[Strings], Pictures]] = {}


def _pictures(column: Strings, side: int) -> Pictures:
    """As :func:`pictures_of`; the process that foresees trials asks for the same columns again and again."""
    reference, pictures = _looked_up.get(id(column), (None, None))
    if reference is None or pictures is None or reference() is not column or pictures.side != side:
        pictures = pictures_of(column, side)
        for key in [key for key, (seen, _) in _looked_up.items() if seen() is None]:
            del _looked_up[key]
        _looked_up[id(column)] = weakref.ref(column), pictures
    return pictures


def _missing(pictures: Pictures, view: FeatureView) -> int:
    """Number of images that the cache has no output of; 0 without a cache."""
    if pictures.cache is None:
        return 0
    files = Shelf(pictures.cache, view.name).files()
    return _counted(pictures.cache, view.name, files, _Hashes(pictures.hashes))


@dataclass(frozen=True)
class _Hashes:
    """Hashes as the key of a cache: two are equal where their digests are."""

    values: np.ndarray

    def __hash__(self) -> int:
        return hash((len(self.values), str(self.values[0]) if len(self.values) else ""))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Hashes):
            return False
        return self.values is other.values or np.array_equal(self.values, other.values)


@lru_cache(maxsize=256)
def _counted(cache: Path, name: str, files: tuple[str, ...], hashes: _Hashes) -> int:
    entries = Shelf(cache, name).find(hashes.values)
    return len(set(hashes.values[entries.places < 0].tolist()))


def _measure(pictures: Pictures, context: FitContext) -> None:
    """Time the search's nets that were not measured yet, on a few images."""
    if pictures.cache is None or not len(pictures) or not context.nets:
        return
    rows = np.resize(pictures.rows, _TIMED_IMAGES * usable_threads())
    some = replace(pictures, rows=rows)
    around = Surroundings(None, context.device, context.should_stop)

    def timed(view: FeatureView) -> NetCost:
        context.report(0.0, f"measuring {view.backbone}")
        return time_net(some, view, MEASURED_AT, around)

    views = [view_of(net, MEASURED_AT[0], pictures.side, "whole") for net in context.nets]
    nets: list[tuple[str, Callable[[], NetCost]]] = [(view.net, partial(timed, view)) for view in views]
    left = max(0.0, context.deadline - time.monotonic())
    with all_cores(pictures.cache) as mine:
        if mine:
            Costs(pictures.cache, context.device).measure(nets, seconds=min(_MEASURING_SECONDS, 0.1 * left))


def _report(context: FitContext, number: int, jobs: int, done: int, images: int) -> None:
    which = f", view {number + 1} of {jobs}" if jobs > 1 else ""
    context.report((number + done / images) / jobs, f"features {done:,} of {images:,}{which}")
