"""Families of a search: those that were asked for, and that fit the data, the task and the budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl.controller.strategy.search_space import SearchSpace
from automl.controller.strategy.space_files import load_space
from automl.controller.strategy.trial_times import trial_seconds
from automl.core.errors import UsageError, did_you_mean
from automl.core.family import BASELINE, Family, Scope
from automl.core.typed_values import Value
from automl.families import families as known_families
from automl.problem.preparation import Prepared
from automl.problem.settings import Settings


@dataclass(frozen=True)
class FittingFamilies:
    """Search spaces of the families to try, by name, and sentences on what was left out and why."""

    spaces: dict[str, SearchSpace]
    notes: tuple[str, ...] = ()


def chosen_families(settings: Settings) -> tuple[str, ...]:
    """Names of the families that were asked for, the baseline first.

    Raises
    ------
    UsageError
        When there is no such family, or none is left.
    """
    by_name = known_families()
    for name in (*settings.families, *settings.without):
        if name not in by_name:
            raise UsageError(f"There is no family {name!r}. {did_you_mean(name, by_name)}")
    wanted = [name for name in by_name if not settings.families or name in settings.families]
    chosen = [name for name in wanted if name not in settings.without]
    if not chosen:
        raise UsageError("--families and --without leave no family to try.")
    return tuple(dict.fromkeys([BASELINE, *chosen]))


def fitting_families(
    chosen: Sequence[str], prepared: Prepared, settings: Settings, *, device: str
) -> FittingFamilies:
    """Those of the chosen families that can handle the task and a kind of column, and suit the budget.

    Raises
    ------
    UsageError
        When none but the baseline is left, and others were chosen.
    """
    by_name = known_families()
    present = prepared.layout.features.kinds
    spaces: dict[str, SearchSpace] = {}
    absent_weights: dict[Value, str] = {}
    scope = _scope(prepared, settings, device)
    circumstances = prepared.problem.modality.circumstances(prepared.problem.table)
    notes = [*circumstances.notes]
    for name in chosen:
        family = by_name[name]
        if not family.handles(prepared.task) or not (family.kinds & present or name == BASELINE):
            continue
        if settings.weight is not None and not family.sample_weights:
            notes.append(f"{name} is left out: it cannot weigh rows, as --weight asks.")
            continue
        if name not in settings.families and (why := family.unsuited(scope)):
            notes.append(f"{name} is left out: {why} (--families {name} tries it anyway).")
            continue
        at_hand = _with_weights_at_hand(family, load_space(name, family.params, path=settings.spaces))
        # what nobody offered is not missed
        absent_weights |= {value: file for value, file in at_hand.absent.items() if file}
        if at_hand.space is not None:
            space = at_hand.space.for_task(prepared.task.name, len(prepared.problem.target))
            spaces[name] = space.for_kinds(present).where(circumstances.hold)
    if set(spaces) <= {BASELINE} and set(chosen) != {BASELINE}:
        raise UsageError(
            f"None of the families {', '.join(chosen)} can handle {prepared.task.name} on these columns."
        )
    if absent_weights:
        notes.append(absent_nets(absent_weights))
    return FittingFamilies(spaces, tuple(notes))


@dataclass(frozen=True)
class _AtHand:
    """A space without what needs weights that are not on this machine, and those weights' files by value."""

    space: SearchSpace | None
    absent: Mapping[Value, str]


def _with_weights_at_hand(family: Family, space: SearchSpace) -> _AtHand:
    absent: dict[Value, str] = {}
    left: SearchSpace | None = space
    for param in space.params:
        missing = family.missing_weights(param.name, param.choices)
        absent |= missing
        left = left.without(param.name, missing) if left is not None else None
    return _AtHand(left, absent)


def _scope(prepared: Prepared, settings: Settings, device: str) -> Scope:
    folds = prepared.problem.split.folds
    seconds = math.inf
    if settings.seconds is not None:
        seconds = trial_seconds(settings.seconds, prepared.rows, prepared.problem.modality)
    return Scope(len(folds[0].train), len(folds), seconds, device)


def absent_nets(missing: Mapping[Value, str]) -> str:
    """Nets whose weights are not on this machine, in one line."""
    (net, file), count = next(iter(missing.items())), len(missing)
    which = f"{count} nets, such as {net}, are" if count > 1 else f"{net} is"
    return f"{which} left out: no weights file such as {file} was found. Name its folder with --weights-dir."
