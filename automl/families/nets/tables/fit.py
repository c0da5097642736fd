"""Training nets on the folds of a table: one after another, or all in one go where that is faster."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.family import FitContext, TrialStopped
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.trial import Curve
from automl.families.nets import runtime
from automl.families.nets.batches import TensorBatches, batch_size_for
from automl.families.nets.loop import Trainer, TrainingControl, TrainingOutcome, TrainingSettings
from automl.families.nets.lr_finder import lr_range_test, range_curves
from automl.families.nets.outputs import (
    OutputScale,
    averaged,
    output_losses,
    prediction_losses,
    relative_weights,
)
from automl.families.nets.tables.net import InputShape, TableNet, tensors_of
from automl.families.preprocess.net_matrix import NetInput, NetMatrix, QuantileBins, align, embedding_size

if TYPE_CHECKING:
    import torch
    from torch import nn

    from automl.families.nets.batches import Batch

_CHUNK = 1024
_CURVE_POINTS = 100
_LARGEST_EMBEDDING = 64
# The valley of the range test is a rate to train at; the peak of a cycle lies higher. On seven tables the
# best peaks were 5-10 times the valley (.0003-.003) for plain nets, and 5-20 times for TabM.
_PEAK_OVER_VALLEY = 8.0
_HIGHEST_RATE = 0.05
# Evaluating may take this share of the training time; a row costs a third of what it costs in training.
_EVALUATION_SHARE = 0.15
_UNWEIGHTED = 4  # tensors of a batch: numbers, dense, codes, target; then the weights of the rows, if any


@dataclass(frozen=True, kw_only=True)
class NetPlan:
    """The net of a family and its training.

    Attributes
    ----------
    architecture:
        Plain data from which ``build`` makes the net, also after loading.
    build:
        ``build(architecture, input shape, outputs, nets)`` → a module that maps ``(numbers, dense, codes)``,
        each ``(nets, rows, …)``, to ``(nets, rows, members, outputs)``.
    learning_rate:
        The highest one; 0 takes 8 times the suggestion of a learning rate range test.
    epochs:
        Up to 10,000 rows; fewer beyond (:func:`epochs_for`).
    batch_size:
        0 takes the rule by rows (:func:`automl.families.nets.batches.batch_size_for`).
    bins, number_size:
        Of the piecewise-linear embedding of numbers; 0 bins for plain numbers.
    scaling:
        Of numbers: ``squash`` or ``quantile``.
    """

    architecture: dict[str, Any]
    build: Callable[[dict[str, Any], InputShape, int, int], nn.Module]
    learning_rate: float
    epochs: int
    batch_size: int = 0
    weight_decay: float = 0.01
    bins: int = 0
    number_size: int = 8
    scaling: str = "squash"
    schedule: str = "one_cycle"
    # Log loss .5-1 % better on three tables of 6,000-9,000 rows, nothing lost on the others (.98 the same).
    ema: float = 0.95


def epochs_for(rows: int, most: int) -> int:
    """``most`` up to 10,000 rows, then fewer by the root of the rows: it is steps that teach."""
    return max(2, round(most * min(1.0, math.sqrt(10_000 / max(rows, 1)))))


def fit_net(plan: NetPlan, inputs: Table, target: Encoded, task: Task, context: FitContext) -> TableNet:
    """Train one net; see :func:`fit_nets`."""
    return fit_nets(plan, [(inputs, target)], task, [context])[0]


def fit_nets(
    plan: NetPlan,
    folds: Sequence[tuple[Table, Encoded]],
    task: Task,
    contexts: Sequence[FitContext],
) -> list[TableNet]:
    """Train the nets of all folds together, or one by one where their shapes differ.

    Raises
    ------
    TrialStopped
        When asked to stop before the first epoch was judged.
    FloatingPointError
        When the loss was not finite from the start.
    """
    prepared = [
        _prepare(plan, inputs, target, task, context)
        for (inputs, target), context in zip(folds, contexts, strict=True)
    ]
    matrices = align([fold.matrix for fold in prepared]) if _similar(folds) else None
    if len(folds) > 1 and matrices is None:
        return [
            fit_net(plan, inputs, target, task, context)
            for (inputs, target), context in zip(folds, contexts, strict=True)
        ]
    if len(folds) > 1 and matrices is not None:
        prepared = [
            _with_matrix(fold, matrix, inputs, context)
            for fold, matrix, (inputs, _), context in zip(prepared, matrices, folds, contexts, strict=True)
        ]
    with runtime.threads(contexts[0].threads), runtime.seeded(contexts[0].seed, contexts[0].device):
        return _train(plan, prepared, task, contexts)


@dataclass(frozen=True, kw_only=True)
class _Fold:
    """One fold's arrays."""

    matrix: NetMatrix
    text_scores: npt.NDArray[np.float32] | None
    train: NetInput
    target: npt.NDArray[Any]
    scale: OutputScale
    valid: NetInput | None
    valid_target: npt.NDArray[Any] | None
    weights: npt.NDArray[np.float32] | None
    valid_weights: npt.NDArray[np.float32] | None


def _similar(folds: Sequence[tuple[Table, Encoded]]) -> bool:
    """Tell whether no fold would wait long for another (folds forward in time grow)."""
    rows = [table.rows for table, _ in folds]
    return max(rows) <= 1.1 * min(rows)


def _prepare(plan: NetPlan, inputs: Table, target: Encoded, task: Task, context: FitContext) -> _Fold:
    def build() -> tuple[NetMatrix, npt.NDArray[np.float32] | None, NetInput, NetInput | None]:
        matrix, scores = NetMatrix.fit(inputs, target, task, scaling=plan.scaling, weights=context.weights)
        valid = matrix.transform(context.valid[0]) if context.valid is not None else None
        return matrix, scores, matrix.transform(inputs, scores), valid

    # Text scores depend on the target, and that on whether the trial learns its logarithm.
    digest = zlib.crc32(np.ascontiguousarray(target).tobytes())
    key = ("net_matrix", plan.scaling, inputs.rows, digest, context.valid is None)
    matrix, scores, train, valid = context.cached(key, build)
    scale = OutputScale.fit(task, target, context.weights)
    valid_target = scale.encode(context.valid[1]) if context.valid is not None else None
    return _Fold(
        matrix=matrix,
        text_scores=scores,
        train=train,
        target=scale.encode(target),
        scale=scale,
        valid=valid,
        valid_target=valid_target,
        weights=relative_weights(context.weights),
        valid_weights=relative_weights(context.valid_weights),
    )


def _with_matrix(fold: _Fold, matrix: NetMatrix, inputs: Table, context: FitContext) -> _Fold:
    """The fold in the layout that all folds share."""
    unchanged = matrix.levels == fold.matrix.levels and np.array_equal(
        matrix.impute.flagged, fold.matrix.impute.flagged
    )
    if unchanged:
        return fold
    valid = matrix.transform(context.valid[0]) if context.valid is not None else None
    train = matrix.transform(inputs, fold.text_scores)
    return replace(fold, matrix=matrix, train=train, valid=valid)


def _train(
    plan: NetPlan, folds: Sequence[_Fold], task: Task, contexts: Sequence[FitContext]
) -> list[TableNet]:
    import torch

    context, rows = contexts[0], [len(fold.target) for fold in folds]
    shape = _shape(plan, folds[0])
    model = plan.build(plan.architecture, shape, folds[0].scale.outputs, len(folds))
    _set_bins(model, plan, folds, contexts)
    model.to(context.device)
    objective = _TableObjective(model, folds, task.loss)
    parts = [
        (*tensors_of(fold.train), torch.from_numpy(fold.target), *_row_weights(fold.weights))
        for fold in folds
    ]
    tensors = [_stack(part).to(context.device) for part in zip(*parts, strict=True)]
    batch_size = plan.batch_size or batch_size_for(max(rows))
    order = torch.Generator().manual_seed(context.seed)
    source = TensorBatches(tensors, batch_size, order, rows)
    settings = TrainingSettings(
        epochs=epochs_for(max(rows), plan.epochs),
        learning_rate=plan.learning_rate,
        schedule=plan.schedule,
        weight_decay=plan.weight_decay,
        ema=plan.ema,
        evaluate_every=_evaluate_every(folds),
        device=context.device,
    )
    if not plan.learning_rate:
        tested = lr_range_test(objective, source, settings, should_stop=context.should_stop)
        context.curves.extend(range_curves(tested))
        settings = replace(settings, learning_rate=min(_PEAK_OVER_VALLEY * tested.suggestion, _HIGHEST_RATE))
    control = TrainingControl(context.should_stop, lambda: context.seconds_left, context.report)
    outcome = Trainer(objective, source, settings, control).run()
    if not outcome.best_losses:
        raise TrialStopped("the time ran out before the first epoch was judged")
    for net, own in enumerate(contexts):
        _record(own, outcome, settings, net)
    return _separate(plan, model, shape, folds, contexts)


def _shape(plan: NetPlan, fold: _Fold) -> InputShape:
    levels = fold.matrix.embedded_levels
    return InputShape(
        numbers=fold.train.numbers.shape[1],
        bins=plan.bins,
        number_size=plan.number_size,
        dense_sizes=fold.matrix.dense_sizes,
        levels=levels,
        embedding_sizes=tuple(embedding_size(count, largest=_LARGEST_EMBEDDING) for count in levels),
    )


def _set_bins(
    model: nn.Module, plan: NetPlan, folds: Sequence[_Fold], contexts: Sequence[FitContext]
) -> None:
    import torch

    from automl.families.nets.tables.layers import PiecewiseLinear

    for layer in model.modules():
        if isinstance(layer, PiecewiseLinear):
            for net, (fold, context) in enumerate(zip(folds, contexts, strict=True)):
                numbers = fold.train.numbers
                key = ("net_pieces", plan.scaling, plan.bins, len(numbers))
                pieces = context.cached(key, partial(QuantileBins.fit, numbers, plan.bins))
                layer.set_bins(net, torch.from_numpy(pieces.left), torch.from_numpy(pieces.inverse_width))


def _evaluate_every(folds: Sequence[_Fold]) -> int:
    """Epochs between evaluations, by rows and not by the clock: the same seed gives the same net."""
    held_out = sum(0 if fold.valid_target is None else len(fold.valid_target) for fold in folds)
    trained = sum(len(fold.target) for fold in folds)
    return max(1, math.ceil(held_out / 3 / (_EVALUATION_SHARE * max(trained, 1)) - 0.5))


def _stack(arrays: Sequence[torch.Tensor]) -> torch.Tensor:
    """``(nets, rows, …)``; shorter ones end in rows of 0."""
    import torch

    longest = max(len(array) for array in arrays)
    if all(len(array) == longest for array in arrays):
        return torch.stack(list(arrays))
    stacked = arrays[0].new_zeros((len(arrays), longest, *arrays[0].shape[1:]))
    for net, array in enumerate(arrays):
        stacked[net, : len(array)] = array
    return stacked


def _row_weights(weights: npt.NDArray[np.float32] | None) -> tuple[torch.Tensor, ...]:
    """The weights of the rows as one more tensor of a batch; nothing where each counts once."""
    import torch

    return () if weights is None else (torch.from_numpy(weights),)


def _valid_weights(folds: Sequence[_Fold]) -> list[torch.Tensor]:
    """Of every fold's held-out rows; :func:`_stack` fills up with rows of weight 0."""
    import torch

    return [
        torch.ones(0 if fold.valid_target is None else len(fold.valid_target))
        if fold.valid_weights is None
        else torch.from_numpy(fold.valid_weights)
        for fold in folds
    ]


class _TableObjective:
    """A net on a table, its loss on a batch, and its loss on each fold's held-out rows."""

    def __init__(self, model: nn.Module, folds: Sequence[_Fold], loss: str) -> None:
        import torch

        self.model = model
        self._link, self._loss = folds[0].scale.link, loss
        self._valid: list[torch.Tensor] = []
        valid = [fold.valid for fold in folds if fold.valid is not None]
        targets = [fold.valid_target for fold in folds if fold.valid_target is not None]
        if len(valid) == len(folds) and len(targets) == len(folds):
            device = next(model.parameters()).device
            parts = [
                (*tensors_of(arrays), torch.from_numpy(target), weight)
                for arrays, target, weight in zip(valid, targets, _valid_weights(folds), strict=True)
            ]
            self._valid = [_stack(part).to(device) for part in zip(*parts, strict=True)]

    def losses(self, batch: Batch) -> torch.Tensor:
        """The mean over rows and members: members learn each for itself, not for their average."""
        outputs, target = self.model(batch[:3]).float(), batch[3]
        wide = target[..., None].expand(-1, -1, outputs.shape[2])
        losses = output_losses(self._loss, outputs, wide)
        if len(batch) > _UNWEIGHTED:  # their mean is 1: a heavy row counts in full, whatever its batch holds
            losses = losses * batch[_UNWEIGHTED][..., None]
        return losses.flatten(1).mean(dim=1)

    def evaluate(self) -> list[float] | None:
        """The loss of the members' average on held-out rows."""
        import torch

        if not self._valid:
            return None
        total = torch.zeros(len(self._valid[0]), dtype=torch.float64, device=self._valid[0].device)
        with torch.inference_mode():
            for *batch, target, weight in zip(
                *(torch.split(part, _CHUNK, dim=1) for part in self._valid), strict=True
            ):
                values = averaged(self._link, self.model(tuple(batch)))
                total += (prediction_losses(self._loss, values, target) * weight).sum(dim=1)
        losses: list[float] = (total / self._valid[-1].sum(dim=1)).tolist()
        return losses


def _record(context: FitContext, outcome: TrainingOutcome, settings: TrainingSettings, net: int) -> None:
    history = outcome.history
    stride = max(1, -(-len(history.epochs) // _CURVE_POINTS))
    kept = [*range(stride - 1, len(history.epochs), stride)]
    steps = tuple(math.ceil(history.epochs[i]) for i in kept)
    named = {"train_loss": history.train, "valid_loss": history.valid, "learning_rate": history.rates}
    context.curves += [
        Curve(name, steps, tuple(values[i] for i in kept)) for name, values in named.items() if values
    ]
    context.facts |= {
        "best_epoch": outcome.best_epochs[net],
        "epochs": outcome.epochs,
        "steps": float(outcome.steps),
        "learning_rate": settings.learning_rate,
    }


def _separate(
    plan: NetPlan,
    model: nn.Module,
    shape: InputShape,
    folds: Sequence[_Fold],
    contexts: Sequence[FitContext],
) -> list[TableNet]:
    """Each net as a model of its own."""
    state = model.state_dict()
    fitted = []
    for net, (fold, context) in enumerate(zip(folds, contexts, strict=True)):
        single = model
        if len(folds) > 1:
            single = plan.build(plan.architecture, shape, fold.scale.outputs, 1)
            single.load_state_dict({name: tensor[net : net + 1].clone() for name, tensor in state.items()})
            single.to(context.device)
        fitted.append(TableNet(fold.matrix, single, shape, fold.scale, plan.architecture, context.threads))
    return fitted
