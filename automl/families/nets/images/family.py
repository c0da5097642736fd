"""Nets on images as families: one prepares, fits and loads like the other; when one is too slow to try."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from automl.core.family import Family, FitContext, Fitted, Outlook, Scope
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task
from automl.core.typed_values import Value
from automl.families.nets.images.plan import NetTraining

_LEAST_EPOCHS = 3
# What decides of a frozen net's outputs; the stages are those of tails.
SHARED_PARAMS = ("backbone", "px", "view", "views", "stages")


def image_family(
    *,
    name: str,
    summary: str,
    params: type[Any],
    plan: Callable[[Any], NetTraining],
    unsuited: Callable[[Scope], str],
    pretrained: bool = True,
    opening: tuple[int, ...] = (),
) -> Family:
    """The family of a net that is trained on images as ``plan(params)`` says.

    Parameters
    ----------
    plan:
        Parameters → :class:`automl.families.nets.images.plan.NetTraining`.
    unsuited, opening:
        As in :class:`automl.core.family.Family`.
    pretrained:
        Whether it begins with published weights, and computes what frozen stages see for all folds at once.
    """

    def fit(params: Any, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Fitted:
        from automl.families.nets.images.fit import fit_image_net

        return fit_image_net(plan(params), inputs, target, task, context)

    def prepare(params: Any, tables: Sequence[Table], context: FitContext) -> None:
        from automl.families.nets.images.fit import prepare_net

        prepare_net(plan(params), tables, context)

    def outlook(params: Any, tables: Sequence[Table], scope: Scope) -> Outlook | None:
        from automl.families.nets.images.needs import net_outlook

        return net_outlook(plan(params), tables, scope)

    def load(folder: Path) -> Fitted:
        from automl.families.nets.images.net import load_net

        return load_net(folder)

    return Family(
        name=name,
        summary=summary,
        libraries=("torch",),
        params=params,
        fit=fit,
        load=load,
        kinds=frozenset({Kind.IMAGE}),
        missing_weights=missing_backbones if pretrained else nothing_missing,
        prepare=prepare if pretrained else None,
        outlook=outlook if pretrained else None,
        shared_params=SHARED_PARAMS if pretrained else (),
        unsuited=unsuited,
        opening=opening,
        pretrained=pretrained,
        sample_weights=True,
    )


def missing_backbones(parameter: str, values: Sequence[Value]) -> Mapping[Value, str]:
    """Backbones whose weights are not on this machine, with the files' names."""
    from automl.families.nets.images.backbones import missing_weights

    return missing_weights(values) if parameter == "backbone" else {}


def nothing_missing(parameter: str, values: Sequence[Value]) -> Mapping[Value, str]:
    """For nets that begin with random weights."""
    return {}


def too_slow(scope: Scope, per_second: float) -> str:
    """The reason to leave out a net that trains on ``per_second`` images a second, or ``""``.

    One that could not see every image three times is.
    """
    needed = _LEAST_EPOCHS * scope.rows * scope.folds / per_second
    if needed <= scope.trial_seconds:
        return ""
    return f"three epochs take about {needed:.0f} s here, and a trial has {scope.trial_seconds:.0f} s"
