"""The training loop: plain torch, one cycle of the learning rate, the best epoch kept, a deadline obeyed."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from automl.core.processor_share import TrialPace
from automl.families.nets.batches import BatchSource, first_batches
from automl.families.nets.groups import ParameterGroup, parameter_groups
from automl.families.nets.runtime import autocast, random_states, restore_random_states
from automl.families.nets.schedules import SCHEDULES

if TYPE_CHECKING:
    import torch
    from torch import nn

    from automl.families.nets.adamw import FusedAdamW
    from automl.families.nets.batches import Batch

# What evaluations and a busy machine may add to the time of the steps alone.
_TIME_MARGIN = 1.3
_TIMED_STEPS = 3


class Objective(Protocol):
    """The goal of a training: a model, its loss on a batch, its loss on held-out rows.

    Several nets of one shape may be trained in one go (:class:`automl.families.nets.batches.TensorBatches`):
    every tensor of the model then has a leading dimension ``nets``, and losses are ``(nets,)``. Nets do not
    see each other: clipping, the best epoch and divergence are judged for each.
    """

    @property
    def model(self) -> nn.Module:
        """The model that is trained; the loop puts it into train and eval mode."""
        ...

    def losses(self, batch: Batch) -> torch.Tensor:
        """Mean training loss of each net, ``(nets,)``."""
        ...

    def evaluate(self) -> Sequence[float] | None:
        """Held-out loss of each net (less is better), or None when nothing is held out."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """The settings of a training.

    Attributes
    ----------
    epochs:
        Wanted passes over the rows; fewer where the time left does not allow them.
    learning_rate:
        The highest one.
    schedule:
        A name in :data:`automl.families.nets.schedules.SCHEDULES`.
    weight_decay:
        Of AdamW; none on biases and norms.
    beta2:
        Of AdamW; .99 as in fastai, since a short training has no use for a long memory.
    clip:
        Largest norm of a net's gradient; 0 for no limit.
    ema:
        Decay of an average of the weights that is evaluated and kept instead of them; 0 for none.
    evaluate_every:
        Epochs between evaluations; the last epoch is always evaluated.
    device:
        ``cpu`` or ``cuda``.
    """

    epochs: int
    learning_rate: float
    schedule: str = "one_cycle"
    weight_decay: float = 0.01
    beta2: float = 0.99
    clip: float = 1.0
    ema: float = 0.0
    evaluate_every: int = 1
    device: str = "cpu"


@dataclass(frozen=True)
class TrainingControl:
    """The training's surroundings: when to stop, the time left, the callback for progress."""

    should_stop: Callable[[], bool] = lambda: False
    seconds_left: Callable[[], float] = lambda: math.inf
    report: Callable[[float, str], None] = lambda fraction, message: None


@dataclass
class LearningCurves:
    """Measurements of a training, one entry per evaluated epoch.

    Attributes
    ----------
    epochs:
        Epochs done by then (a fraction where the time left was short of one epoch).
    train, valid:
        Mean losses over the nets; ``valid`` stays empty when nothing is held out.
    rates:
        Learning rate at that time.
    """

    epochs: list[float] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class TrainingOutcome:
    """The end of a training; the model holds each net's best weights by then.

    Attributes
    ----------
    best_epochs, best_losses:
        Per net; the last epoch and its training loss when nothing was held out.
    steps, planned_steps:
        Batches done, and those of the whole cycle.
    epochs:
        Epochs done.
    """

    best_epochs: tuple[float, ...]
    best_losses: tuple[float, ...]
    steps: int
    planned_steps: int
    epochs: float
    history: LearningCurves

    @property
    def stopped(self) -> bool:
        """True if the cycle was cut short."""
        return self.steps < self.planned_steps


class Trainer:
    """One training.

    Parameters
    ----------
    groups:
        Parameter groups; by default the whole model in one layer group.
    """

    def __init__(
        self,
        objective: Objective,
        source: BatchSource,
        settings: TrainingSettings,
        control: TrainingControl | None = None,
        *,
        groups: Sequence[ParameterGroup] | None = None,
    ) -> None:
        self.objective = objective
        self.source = source
        self.settings = settings
        self.control = control or TrainingControl()
        self.groups = list(groups or parameter_groups([objective.model], weight_decay=settings.weight_decay))
        self.optimizer = make_optimizer(self.groups, settings)
        self.step = 0
        self.planned_steps = 0
        self.history = LearningCurves()
        self.best_losses: list[float] = []
        self.best_epochs: list[float] = []
        self.best: dict[str, torch.Tensor] = {}
        self.average: list[torch.Tensor] = []
        self._diverged = False
        self._parameters = [parameter for group in self.groups for parameter in group.parameters]
        self._schedule = SCHEDULES[settings.schedule]

    def run(self) -> TrainingOutcome:
        """Train to the end of the cycle, or until asked to stop.

        Raises
        ------
        FloatingPointError
            When the loss of a net was not finite before it had any usable weights.
        """
        self.planned_steps = self._affordable_steps()
        if self.settings.ema:
            self.average = [parameter.detach().clone() for parameter in self._parameters]
        while self.step < self.planned_steps and self._epoch():
            pass
        return self._finish()

    def _epoch(self) -> bool:
        """One pass over the rows; False to end the training."""
        model, steps = self.objective.model, self.source.steps
        total: Any = 0.0
        done = 0
        model.train()
        for batch in self.source.epoch():
            if self.control.should_stop():
                return False
            total = total + self._batch(batch)
            done += 1
            if self.step >= self.planned_steps:
                break
        losses = (total / done).tolist()
        self._diverged = not any(math.isfinite(loss) for loss in losses)
        number = math.ceil(self.step / steps)
        last = self.step >= self.planned_steps
        if not self._diverged and (last or number % self.settings.evaluate_every == 0):
            self._judge(losses)
        self.control.report(self.step / self.planned_steps, f"epoch {number}")
        return not self._diverged

    def _batch(self, batch: Batch) -> torch.Tensor:
        """One step of the optimizer; the losses before it, ``(nets,)``."""
        self._set_rates((self.step + 0.5) / self.planned_steps)
        losses = self._gradients(batch)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        if self.average:
            import torch

            # Early on a shorter memory: the first weights are no better than chance.
            decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(self.average, [p.data for p in self._parameters], 1 - decay)
        return losses

    def _gradients(self, batch: Batch) -> torch.Tensor:
        with autocast(self.settings.device):
            losses = self.objective.losses(batch)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        if self.settings.clip:
            clip_gradients(self._parameters, len(losses), self.settings.clip)
        return losses.detach()

    def _set_rates(self, t: float) -> None:
        rate, momentum = self._schedule.rate(t), self._schedule.momentum(t)
        for group, plan in zip(self.optimizer.param_groups, self.groups, strict=True):
            group["lr"] = self.settings.learning_rate * plan.rate_share * rate
            group["betas"] = (momentum, self.settings.beta2)

    def _judge(self, train: list[float]) -> None:
        """Evaluate, and keep the weights of the nets that were never better."""
        self._exchange_average()
        self.objective.model.eval()
        held_out = self.objective.evaluate()
        self.objective.model.train()
        losses = list(train if held_out is None else held_out)
        epoch = self.step / self.source.steps
        if not self.best_losses:
            self.best_losses, self.best_epochs = [math.inf] * len(losses), [0.0] * len(losses)
        better = [
            # With nothing held out, the end of the cycle is the best that is known.
            math.isfinite(loss) and math.isfinite(own) and (held_out is None or loss < best)
            for loss, own, best in zip(losses, train, self.best_losses, strict=True)
        ]
        for net in (net for net, improved in enumerate(better) if improved):
            self.best_losses[net], self.best_epochs[net] = losses[net], epoch
        self._keep(better)
        self._exchange_average()
        self.history.epochs.append(epoch)
        self.history.train.append(_finite_mean(train))
        self.history.rates.append(self.settings.learning_rate * self._schedule.rate(self._progress))
        if held_out is not None:
            self.history.valid.append(_finite_mean(losses))

    @property
    def _progress(self) -> float:
        return self.step / max(self.planned_steps, 1)

    def _keep(self, better: list[bool]) -> None:
        import torch

        state = self.objective.model.state_dict()
        if not self.best:
            self.best = {name: tensor.clone() for name, tensor in state.items()}
        elif all(better):
            for name, tensor in state.items():
                self.best[name].copy_(tensor)
        elif any(better):
            nets = torch.tensor([net for net, improved in enumerate(better) if improved])
            for name, tensor in state.items():
                chosen = nets.to(tensor.device)
                self.best[name].index_copy_(0, chosen, tensor.index_select(0, chosen))

    def _exchange_average(self) -> None:
        """Put the averaged weights into the model, or back out of it."""
        for parameter, average in zip(self._parameters, self.average, strict=bool(self.average)):
            kept = parameter.data.clone()
            parameter.data.copy_(average)
            average.copy_(kept)

    def _finish(self) -> TrainingOutcome:
        if self.best_losses and not all(math.isfinite(loss) for loss in self.best_losses):
            raise FloatingPointError(
                f"the loss was not finite at learning rate {self.settings.learning_rate:g} before any epoch "
                "had given usable weights; a lower learning_rate would train"
            )
        if self.best:
            self.objective.model.load_state_dict(self.best)
        elif self._diverged:
            raise FloatingPointError(
                f"the loss was not finite from the start at learning rate {self.settings.learning_rate:g}"
            )
        self.objective.model.eval()
        return TrainingOutcome(
            best_epochs=tuple(self.best_epochs),
            best_losses=tuple(self.best_losses),
            steps=self.step,
            planned_steps=self.planned_steps,
            epochs=self.step / self.source.steps,
            history=self.history,
        )

    def _affordable_steps(self) -> int:
        """Steps of a cycle that fits into the time left, whole epochs if it holds at least two."""
        wanted = max(1, self.settings.epochs * self.source.steps)
        left = self.control.seconds_left()
        if not math.isfinite(left):
            return wanted
        # The best of a few steps is what one takes without waiting; this process waits for the rest.
        seconds = self._seconds_per_step() * _TIME_MARGIN / TrialPace.since_start().share()
        fitting = int(self.control.seconds_left() / max(seconds, 1e-9))
        if fitting >= wanted:
            return wanted
        epochs = fitting // self.source.steps
        return max(1, epochs * self.source.steps if epochs >= 2 else fitting)

    def _seconds_per_step(self) -> float:
        """Time a few steps at rate 0, and leave no trace of them: a late deadline changes no result."""
        import torch

        model, device = self.objective.model, self.settings.device
        buffers = [buffer.clone() for buffer in model.buffers()]
        states, order = random_states(device), self.source.generator.get_state()
        still = make_optimizer(self.groups, self.settings, rate=0.0)
        model.train()
        times = []
        # Of further epochs where one has fewer: the first step also pays for what is set up once.
        for batch in first_batches(self.source, _TIMED_STEPS):
            started = time.perf_counter()
            self._gradients(batch)
            still.step()
            still.zero_grad()
            if device != "cpu":
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - started)
        restore_random_states(states, device)
        self.source.generator.set_state(order)
        for buffer, kept in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(kept)
        return min(times)


def make_optimizer(
    groups: Sequence[ParameterGroup], settings: TrainingSettings, *, rate: float | None = None
) -> FusedAdamW:
    """Fused AdamW over ``groups``; ``rate`` replaces the settings' learning rate."""
    from automl.families.nets.adamw import FusedAdamW

    highest = settings.learning_rate if rate is None else rate
    return FusedAdamW(groups, rate=highest, betas=(0.9, settings.beta2))


def clip_gradients(parameters: Sequence[nn.Parameter], nets: int, limit: float) -> None:
    """Scale the gradient of each net down to norm ``limit`` where it is longer."""
    import torch

    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if nets == 1:
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        torch._foreach_mul_(gradients, (limit / (norm + 1e-6)).clamp(max=1.0))
        return
    squares = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0)
    shares = (limit / (squares.sqrt() + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(shares.view(-1, *[1] * (gradient.ndim - 1)))


def _finite_mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else math.nan
