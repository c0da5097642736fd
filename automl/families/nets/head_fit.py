"""Heads on frozen features, fitted: solved exactly, or trained in one cycle."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.family import FitContext, TrialStopped
from automl.core.trial import Curve
from automl.core.weights import Weights
from automl.families.nets.outputs import output_losses, relative_weights

if TYPE_CHECKING:
    import torch

    from automl.families.nets.batches import Batch
    from automl.families.nets.heads import Head

_TESTED = 60  # steps of a range test
Rows = tuple[npt.NDArray[np.float32], npt.NDArray[Any], Weights | None]
"""Features ``(rows, features)``, the encoded target and the weights of rows."""


@dataclass(frozen=True, kw_only=True)
class HeadPlan:
    """The making of a head.

    Attributes
    ----------
    c:
        Inverse L2 penalty of a linear head that is solved; 0 trains the head in the loop instead.
    hidden:
        Units of a hidden layer; 0 for none.
    """

    c: float
    hidden: int = 0
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    dropout: float = 0.0
    smoothing: float = 0.0
    epochs: int = 30


def fit_head(
    plan: HeadPlan,
    rows: Rows,
    shape: tuple[int, str],
    context: FitContext,
) -> Head:
    """A head that minimises a loss.

    Parameters
    ----------
    shape:
        Number of outputs, and the loss's name.

    Raises
    ------
    TrialStopped
        When there was no time for a single epoch of a trained one.
    """
    from automl.families.nets.heads import Head, solve_linear

    (features, target, weights), (outputs, loss) = rows, shape
    head = Head(features.shape[1], outputs, hidden=plan.hidden, dropout=plan.dropout)
    if plan.c:
        solve_linear(head, features, target, loss, plan.c, context.should_stop, weights=weights)
        return head.eval()
    return _trained(head, plan, rows, loss, context)


def _trained(
    head: Head,
    plan: HeadPlan,
    rows: Rows,
    loss: str,
    context: FitContext,
) -> Head:
    import torch

    from automl.families.nets.batches import TensorBatches, batch_size_for
    from automl.families.nets.loop import Trainer, TrainingControl, TrainingSettings
    from automl.families.nets.lr_finder import lr_range_test, range_curves

    features, target, weights = rows
    head.set_scale(features)
    tensors = [torch.from_numpy(features)[None], torch.from_numpy(target)[None]]
    relative = relative_weights(weights)
    if relative is not None:
        tensors.append(torch.from_numpy(relative)[None])
    generator = torch.Generator().manual_seed(context.seed)
    source = TensorBatches(
        [tensor.to(context.device) for tensor in tensors], batch_size_for(len(target)), generator
    )
    settings = TrainingSettings(
        epochs=max(2, plan.epochs),
        learning_rate=plan.learning_rate,
        weight_decay=plan.weight_decay,
        # Without held-out rows, so that the fold's score is not that of the epoch which suited it best.
        device=context.device,
    )
    control = TrainingControl(context.should_stop, lambda: context.seconds_left, context.report)
    objective = _HeadObjective(head.to(context.device), plan.smoothing, loss)
    if context.fold == 0:  # for people to look at; it leaves no trace
        tested = lr_range_test(objective, source, settings, steps=_TESTED, should_stop=context.should_stop)
        context.curves.extend(range_curves(tested))
    outcome = Trainer(objective, source, settings, control).run()
    if not math.isfinite(outcome.best_losses[0] if outcome.best_losses else math.nan):
        raise TrialStopped("the time ran out before the first epoch")
    steps = tuple(math.ceil(epoch) for epoch in outcome.history.epochs)
    context.curves.append(Curve("train_loss", steps, tuple(outcome.history.train)))
    context.facts |= {"epochs": outcome.epochs, "learning_rate": plan.learning_rate}
    return head.eval().cpu()


class _HeadObjective:
    """A head on rows of features."""

    def __init__(self, head: Head, smoothing: float, loss: str) -> None:
        self.model = head
        self._loss = loss
        self._smoothing = smoothing

    def losses(self, batch: Batch) -> torch.Tensor:
        """The mean of a batch, ``(1,)``."""
        outputs, target = self.model(batch[0][0]), batch[1][0]
        losses = output_losses(self._loss, outputs, target, smoothing=self._smoothing)
        if len(batch) > 2:
            losses = losses * batch[2][0]
        return losses.mean()[None]

    def evaluate(self) -> None:
        """Nothing is held out."""
        return None
