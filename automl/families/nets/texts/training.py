"""Training whole encoders: a solved head first, then upper layers, then all, the best epoch kept."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from automl.core.family import FitContext, TrialStopped
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.trial import Curve
from automl.core.weights import Weights
from automl.families.nets import runtime
from automl.families.nets.groups import ParameterGroup, parameter_groups
from automl.families.nets.heads import solve_linear
from automl.families.nets.loop import Trainer, TrainingControl, TrainingOutcome, TrainingSettings
from automl.families.nets.outputs import (
    OutputScale,
    linked,
    output_losses,
    prediction_losses,
    relative_weights,
)
from automl.families.nets.surroundings import Surroundings
from automl.families.nets.texts.batches import LengthBatches
from automl.families.nets.texts.encoders import origin_of
from automl.families.nets.texts.needs import Spent, learn_training, view_of
from automl.families.nets.texts.net import TextNet, TextNetModel, TextNetShape
from automl.families.nets.texts.plan import TextTraining
from automl.families.nets.texts.probe import TextReading
from automl.families.nets.texts.tokens import Numbers, splitter_of
from automl.families.nets.texts.transformer import load_encoder
from automl.families.nets.texts.weights import place_of

if TYPE_CHECKING:
    from automl.families.nets.batches import Batch

_JUDGED_ROWS = 1000
"""Held-out rows that judge an epoch at most."""
_JUDGED_TOKENS = 8192


def fit_text_net(
    plan: TextTraining, inputs: Table, target: Encoded, task: Task, context: FitContext
) -> TextNetModel:
    """Train one fold's net.

    Raises
    ------
    TrialStopped
        When there was no time for a single epoch.
    """
    runtime.keep_large_blocks()
    room = runtime.Room(plan.batch_size, context.device, context.notes.append, smallest=4, unit="texts")
    return room.run(
        lambda batch, device: _fit(replace(plan, batch_size=batch), inputs, target, task, context, device)
    )


def _fit(
    plan: TextTraining, inputs: Table, target: Encoded, task: Task, context: FitContext, device: str
) -> TextNetModel:
    view = view_of(plan.encoder, plan.tokens, plan.long)
    scale = OutputScale.fit(task, target, context.weights)
    around = Surroundings(context.threads, device, context.should_stop, context.notes.append)
    with runtime.threads(context.threads), runtime.seeded(context.seed, device):
        encoder = load_encoder(place_of(view.encoder, view.weights))
        first = plan.first_layer(encoder.shape.layers)
        shape = TextNetShape(
            pooling=plan.pooling, columns=len(inputs.texts), outputs=scale.outputs, first_layer=first
        )
        net = TextNet(encoder, shape, dropout=plan.dropout)
        features = TextReading(view, plan.pooling).features(inputs.texts, around)
        encoded = scale.encode(target)
        solve_linear(
            net.head, features, encoded, task.loss, plan.c, context.should_stop, weights=context.weights
        )
        net.to(device)
        rows = _Rows.of(inputs, encoded, context.weights, view)
        judged = None
        if context.valid is not None:
            table, truth = context.valid
            judged = _Rows.of(table, scale.encode(truth), context.valid_weights, view).some(context.seed)
        objective = TextObjective(net, rows, judged, (task.loss, scale), plan.smoothing)
        began, processor = time.monotonic(), time.process_time()
        _train(objective, plan, context, device)
        spent = Spent(
            tokens=objective.tokens,
            seconds=time.monotonic() - began,
            processor_seconds=time.process_time() - processor,
        )
        learn_training(view, plan, spent, device)
    model = TextNetModel(net, view, scale, threads=context.threads, device=device)
    model.origin = origin_of(plan.encoder).to_json()
    return model


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Rows as tokens.

    Attributes
    ----------
    texts:
        Per text column the tokens of each row.
    target, weights:
        As losses read them; weights with a mean of 1, or None.
    """

    texts: tuple[list[Numbers], ...]
    target: npt.NDArray[Any]
    weights: npt.NDArray[np.float32] | None

    @classmethod
    def of(cls, table: Table, target: npt.NDArray[Any], weights: Weights | None, view: Any) -> _Rows:
        """The rows of a table; of long texts one window."""
        splitter = splitter_of(str(place_of(view.encoder, view.weights)), view.weights)
        texts = tuple(
            [windows[0] for windows in splitter.windows(list(column), view.cut)] for column in table.texts
        )
        return cls(texts=texts, target=target, weights=relative_weights(weights))

    def some(self, seed: int) -> _Rows:
        """At most so many of them as judge an epoch."""
        count = len(self.target)
        if count <= _JUDGED_ROWS:
            return self
        kept = np.sort(np.random.default_rng(seed).choice(count, _JUDGED_ROWS, replace=False))
        return _Rows(
            texts=tuple([column[row] for row in kept] for column in self.texts),
            target=self.target[kept],
            weights=None if self.weights is None else self.weights[kept],
        )

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each row's longest text."""
        lengths = np.array([[len(ids) for ids in column] for column in self.texts], dtype=np.int64)
        return np.asarray(lengths.max(axis=0))

    def tokens(self, places: Sequence[int], padding: int) -> tuple[torch.Tensor, torch.Tensor | None]:
        """``(columns · rows, tokens)`` of these rows, and where a token is not padding (None: everywhere)."""
        chosen = [column[place] for column in self.texts for place in places]
        longest = max(len(ids) for ids in chosen)
        filled = np.full((len(chosen), longest), padding, dtype=np.int64)
        seen = np.zeros((len(chosen), longest), dtype=bool)
        for row, ids in enumerate(chosen):
            filled[row, : len(ids)] = ids
            seen[row, : len(ids)] = True
        return torch.from_numpy(filled), None if seen.all() else torch.from_numpy(seen)


class TextObjective:
    """A net on tokens of texts; implements :class:`automl.families.nets.loop.Objective`.

    Parameters
    ----------
    judged:
        Held-out rows that judge the epochs, or None.
    meaning:
        The task's loss, and the scale of the outputs.

    Attributes
    ----------
    tokens:
        Number of those that were trained on so far.
    """

    def __init__(
        self,
        net: TextNet,
        rows: _Rows,
        judged: _Rows | None,
        meaning: tuple[str, OutputScale],
        smoothing: float,
    ) -> None:
        self.model = net
        self.rows = rows
        self._judged = judged
        self._loss, self._scale = meaning
        self._smoothing = smoothing
        self.tokens = 0

    def losses(self, batch: Batch) -> torch.Tensor:
        """The mean of a batch, ``(1,)``."""
        places = batch[0][0].tolist()
        self.tokens += sum(len(column[place]) for column in self.rows.texts for place in places)
        outputs, target = self._outputs(self.rows, places)
        losses = output_losses(self._loss, outputs, target, smoothing=self._smoothing)
        if self.rows.weights is not None:
            losses = losses * torch.from_numpy(self.rows.weights[places]).to(losses.device)
        return losses.mean()[None]

    def evaluate(self) -> list[float] | None:
        """The mean loss of the held-out rows, or None without any."""
        judged = self._judged
        if judged is None:
            return None
        order = np.argsort(judged.lengths, kind="stable")
        longest = int(judged.lengths.max())
        size = max(1, _JUDGED_TOKENS // longest)
        total = weight = 0.0
        with torch.inference_mode():
            for start in range(0, len(order), size):
                places = order[start : start + size].tolist()
                with _number_format(next(self.model.parameters()).device.type):
                    outputs, target = self._outputs(judged, places)
                values = linked(self._scale.link, outputs)
                losses = prediction_losses(self._loss, values, target).double().cpu().numpy()
                shares = np.ones(len(places)) if judged.weights is None else judged.weights[places]
                total, weight = total + float(losses @ shares), weight + float(shares.sum())
        return [total / weight]

    def _outputs(self, rows: _Rows, places: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        device = next(self.model.parameters()).device
        tokens, seen = rows.tokens(places, self.model.encoder.shape.padding)
        with _number_format(device.type):
            outputs = self.model(tokens.to(device), None if seen is None else seen.to(device))
        return outputs.float(), torch.from_numpy(rows.target[places]).to(device)


def _number_format(device: str) -> Any:
    """bfloat16 on a CPU that has instructions for it; the loop sees to that of a GPU."""
    from contextlib import nullcontext

    if device == "cpu" and runtime.cpu_computes_bfloat16():
        return torch.autocast("cpu", dtype=torch.bfloat16)
    return nullcontext()


def _train(objective: TextObjective, plan: TextTraining, context: FitContext, device: str) -> None:
    """The upper half of what learns for an epoch, where that is wanted, then all of it in one cycle."""
    generator = torch.Generator().manual_seed(context.seed)
    source = LengthBatches(objective.rows.lengths, plan.batch_size, generator)
    settings = TrainingSettings(
        epochs=max(1, plan.epochs),
        learning_rate=plan.learning_rate,
        schedule="one_cycle",
        weight_decay=plan.weight_decay,
        device=device,
    )
    outcomes: list[TrainingOutcome] = []
    layers = objective.model.encoder.shape.layers
    first = plan.first_layer(layers)
    steps = [(first, plan.epochs)]
    if plan.gradual and plan.epochs > 1 and layers - first > 1:
        steps = [((first + layers + 1) // 2, 1), (first, plan.epochs - 1)]
    best: dict[str, torch.Tensor] = {}
    for place, (start, epochs) in enumerate(steps):
        share = epochs / sum(count for _, count in steps[place:])
        left = context.seconds_left
        control = TrainingControl(
            context.should_stop,
            lambda left=left, share=share: min(context.seconds_left, share * left),  # type: ignore[misc]
            context.report,
        )
        groups = layer_groups(objective.model, plan, start)
        outcome = Trainer(objective, source, replace(settings, epochs=epochs), control, groups=groups).run()
        better = bool(outcome.best_losses)
        if better and outcomes and outcome.history.valid:
            better = outcome.best_losses[0] <= outcomes[-1].best_losses[0]
        if better:
            outcomes.append(outcome)
            best = {name: value.clone() for name, value in objective.model.own_state().items()}
        if outcome.stopped:
            break
    if not outcomes:
        raise TrialStopped("the time ran out before the first epoch")
    objective.model.load_state_dict({**objective.model.state_dict(), **best})
    _record(outcomes, plan, context)


def layer_groups(net: TextNet, plan: TextTraining, first: int) -> list[ParameterGroup]:
    """Layers from ``first`` on with falling rates towards the input, and the head; the rest stands still."""
    layers = list(net.encoder.layers)
    for layer in layers[first:]:
        layer.requires_grad_(True)
    last = len(layers) - 1
    shares = [0.0 if place < first else plan.decay ** (last - place) for place in range(len(layers))]
    modules = [net.encoder.embeddings, *layers, net.head]
    return parameter_groups(modules, weight_decay=plan.weight_decay, shares=[0.0, *shares, plan.head])


def _record(outcomes: Sequence[TrainingOutcome], plan: TextTraining, context: FitContext) -> None:
    """Curves and facts of all steps, one after another."""
    epochs: list[float] = []
    columns: dict[str, list[float]] = {"train_loss": [], "valid_loss": [], "learning_rate": []}
    for outcome in outcomes:
        before = epochs[-1] if epochs else 0.0
        epochs += [before + epoch for epoch in outcome.history.epochs]
        columns["train_loss"] += outcome.history.train
        columns["valid_loss"] += outcome.history.valid
        columns["learning_rate"] += outcome.history.rates
    steps = tuple(math.ceil(epoch) for epoch in epochs)
    context.curves += [Curve(name, steps, tuple(values)) for name, values in columns.items() if values]
    context.facts |= {
        "epochs": sum(outcome.epochs for outcome in outcomes),
        "best_epoch": epochs[-1] - outcomes[-1].epochs + outcomes[-1].best_epochs[0],
        "steps": float(sum(outcome.steps for outcome in outcomes)),
        "batch_size": float(plan.batch_size),
        "learning_rate": plan.learning_rate,
    }
