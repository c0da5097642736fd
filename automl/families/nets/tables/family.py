"""Nets on tables as families: one fits, fits all folds together and loads like the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.core.family import Family, FitContext, Fitted
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.families.nets.texts.columns import reads_embeddings

if TYPE_CHECKING:
    from automl.families.nets.tables.fit import NetPlan


def net_family(
    *,
    name: str,
    summary: str,
    params: type[Any],
    plan: Callable[[Any], NetPlan],
    build: Callable[..., Any],
    fits_folds_together: Callable[[Any, int], bool],
    layers: Callable[[dict[str, Any]], tuple[str, ...]] | None = None,
    opening: tuple[int, ...] = (),
) -> Family:
    """The family of a net that is trained as ``plan(params)`` says.

    Parameters
    ----------
    plan:
        Parameters → :class:`automl.families.nets.tables.fit.NetPlan`. Called in a worker, where torch is.
    build:
        The plan's ``build``; loading calls it with what was saved.
    layers:
        Kinds of the layers of an architecture, by which :func:`automl.families.nets.tables.forward.forward`
        computes what the built net would; None for a net that only torch can compute.
    opening:
        As in :class:`automl.core.family.Family`.
    """

    def fit(params: Any, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Fitted:
        from automl.families.nets.tables.fit import fit_net

        return fit_net(plan(params), inputs, target, task, context)

    def fit_folds(
        params: Any, folds: Sequence[tuple[Table, Encoded]], task: Task, contexts: Sequence[FitContext]
    ) -> Sequence[Fitted]:
        from automl.families.nets.tables.fit import fit_nets

        return fit_nets(plan(params), folds, task, contexts)

    def load(folder: Path) -> Fitted:
        from automl.families.nets.tables.net import load_net

        return load_net(folder, layers=layers, build=partial(build, nets=1))

    return reads_embeddings(
        Family(
            name=name,
            summary=summary,
            libraries=("torch",),
            params=params,
            fit=fit,
            load=load,
            fit_folds=fit_folds,
            fits_folds_together=fits_folds_together,
            opening=opening,
            sample_weights=True,
        )
    )
