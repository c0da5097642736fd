"""Heads on frozen features of texts: seconds per trial, since the features of every text are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import ModelFileError
from automl.core.family import FitContext, TrialStopped
from automl.core.predictions import Predictions
from automl.core.table import Strings, Table
from automl.core.tasks import Encoded, Task
from automl.families.nets import runtime
from automl.families.nets.feature_shelf import Kinds
from automl.families.nets.head_files import HeadFiles
from automl.families.nets.head_fit import HeadPlan, fit_head
from automl.families.nets.outputs import OutputScale, linked
from automl.families.nets.surroundings import Surroundings
from automl.families.nets.texts.encoders import origin_of
from automl.families.nets.texts.features import TextView, frozen_outputs
from automl.families.nets.texts.needs import row_milliseconds, view_of
from automl.families.nets.texts.tokens import Cut
from automl.families.nets.texts.weights import check_encoder, read_origin, share_encoder

if TYPE_CHECKING:
    from automl.families.nets.heads import Head

_FACTS = "text_probe.json"
# Kinds of outputs by the pooling: the last layer's mean is the first, its first token and its largest values
# are the last two, the means of earlier layers stand between.
KINDS: dict[str, Kinds] = {
    "mean": (slice(0, 1),),
    "first": (slice(-2, -1),),
    "both": (slice(0, 1), slice(-2, None)),
    "layers": (slice(0, -2),),
    "all": (slice(0, None),),
}


@dataclass(frozen=True, kw_only=True)
class TextProbePlan(HeadPlan):
    """The making of a head on features of texts.

    Attributes
    ----------
    encoder, tokens, long:
        The frozen encoder, and what it is shown of a text.
    pooling:
        ``mean`` of the last layer, its ``first`` token, ``both`` with its largest values, means of several
        ``layers``, or ``all`` of these.
    """

    encoder: str
    tokens: int
    long: str
    pooling: str


@dataclass(frozen=True)
class TextReading:
    """The features that are read off a text: plain data, kept with the model."""

    view: TextView
    pooling: str

    def to_json(self) -> dict[str, Any]:
        """Plain data for :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> TextReading:
        """The reading that :meth:`to_json` gave."""
        view = dict(body["view"])
        return cls(TextView(**{**view, "cut": Cut(**view["cut"])}), str(body["pooling"]))

    def features(self, texts: Sequence[Strings], around: Surroundings) -> npt.NDArray[np.float32]:
        """``(rows, features)`` of all text columns, side by side."""
        outputs = [frozen_outputs(column, self.view, around, KINDS[self.pooling]) for column in texts]
        return np.concatenate([part.reshape(len(part), -1) for part in outputs], axis=1, dtype=np.float32)


def fit_probe(
    plan: TextProbePlan, inputs: Table, target: Encoded, task: Task, context: FitContext
) -> TextProbeModel:
    """Fit one fold's head.

    Raises
    ------
    TrialStopped
        When asked to stop before there was one.
    """
    reading = TextReading(view_of(plan.encoder, plan.tokens, plan.long), plan.pooling)
    around = Surroundings(context.threads, context.device, context.should_stop, context.notes.append)
    scale = OutputScale.fit(task, target, context.weights)
    features = reading.features(inputs.texts, around)
    if context.should_stop():
        raise TrialStopped("the time ran out while the features were computed")
    with runtime.threads(context.threads), runtime.seeded(context.seed, context.device):
        rows = (features, scale.encode(target), context.weights)
        head = fit_head(plan, rows, (scale.outputs, task.loss), context)
    model = TextProbeModel(reading, head, scale, context.threads, context.device)
    model.origin = origin_of(plan.encoder).to_json()
    model.frozen_ms = row_milliseconds(inputs.texts, reading.view, context.device)
    return model


class TextProbeModel:
    """A frozen encoder's features and a head; implements :class:`automl.core.family.Fitted`.

    Attributes
    ----------
    origin:
        Name, licence and source of the frozen encoder's weights.
    frozen_ms:
        Milliseconds that the frozen encoder takes for a row that the cache does not have, by what is
        computed: models that read the same share them.
    """

    def __init__(
        self,
        reading: TextReading,
        head: Head,
        scale: OutputScale,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.reading = reading
        self.origin: dict[str, str] = {}
        self.head = head
        self.scale = scale
        self.frozen_ms: dict[str, float] = {}
        self._around = Surroundings(threads, device)

    def predict(self, inputs: Table) -> Predictions:
        """Probabilities per class, or values."""
        import torch

        features = self.reading.features(inputs.texts, self._around)
        with runtime.threads(self._around.threads), torch.inference_mode():
            return self.scale.decode(linked(self.scale.link, self.head(torch.from_numpy(features))))

    def save(self, folder: Path) -> None:
        """The head as safetensors, the rest as JSON; the frozen encoder once for all folds, or not at all."""
        view = self.reading.view
        files = HeadFiles(
            reading=self.reading.to_json(), head=self.head, scale=self.scale, frozen_ms=self.frozen_ms
        )
        files.save(folder, _FACTS)
        share_encoder(view.encoder, view.weights, folder, self.origin)


def load_probe(folder: Path) -> TextProbeModel:
    """The model that :meth:`TextProbeModel.save` wrote.

    Raises
    ------
    ModelFileError
        When the model is damaged, or the frozen encoder is not here or another one than at training.
    """
    files = HeadFiles.load(folder, _FACTS)
    reading = TextReading.from_json(files.reading)
    if reading.pooling not in KINDS:
        raise ModelFileError(f"{folder} names the pooling {reading.pooling!r}: the model is damaged.")
    check_encoder(reading.view.encoder, reading.view.weights, folder)
    model = TextProbeModel(reading, files.head, files.scale)
    model.origin = read_origin(folder)
    model.frozen_ms = files.frozen_ms
    return model
