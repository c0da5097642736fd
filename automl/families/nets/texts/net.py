"""A trained encoder of texts with its head: its predictions, and its files without pickle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from automl.core.family import TrialStopped
from automl.core.predictions import Predictions
from automl.core.table import Strings, Table
from automl.families.nets import runtime
from automl.families.nets.heads import Head
from automl.families.nets.outputs import OutputScale, linked
from automl.families.nets.surroundings import Surroundings
from automl.families.nets.texts.features import TextView, Values, stream
from automl.families.nets.texts.tokens import Cut, Numbers
from automl.families.nets.texts.transformer import TextEncoder, averaged, load_encoder
from automl.families.nets.texts.weights import check_encoder, place_of, read_origin, share_encoder

_WEIGHTS, _FACTS = "net.safetensors", "text_net.json"
_LARGEST_HALF = 60_000.0


@dataclass(frozen=True, kw_only=True)
class TextNetShape:
    """A net as plain data.

    Attributes
    ----------
    columns:
        Texts per row; their features stand side by side before the head.
    first_layer:
        The first layer that is the net's own; those before it are as published.
    """

    pooling: str
    columns: int
    outputs: int
    first_layer: int


class TextNet(nn.Module):
    """Encoder, pooling and head."""

    def __init__(self, encoder: TextEncoder, shape: TextNetShape, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        self.encoder = encoder
        self.head = Head(encoder.shape.width * shape.columns, shape.outputs, dropout=dropout)
        encoder.set_dropout(dropout)

    def pooled(self, tokens: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
        """``(texts, tokens)`` → ``(texts, width)`` float32."""
        last = self.encoder(tokens, seen)
        return last[:, 0].float() if self.shape.pooling == "first" else averaged(last, seen)

    def forward(self, tokens: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
        """``(columns · rows, tokens)``, one text column after another → ``(rows, outputs)``."""
        columns, width = self.shape.columns, self.encoder.shape.width
        by_column = self.pooled(tokens, seen).view(columns, len(tokens) // columns, width)
        outputs: torch.Tensor = self.head(by_column.transpose(0, 1).flatten(1))
        return outputs

    def own_state(self) -> dict[str, torch.Tensor]:
        """Tensors that differ from the published encoder: layers that learn, and the head."""
        first = self.shape.first_layer
        kept = [f"encoder.layers.{place}." for place in range(first, self.encoder.shape.layers)]
        return {name: value for name, value in self.state_dict().items() if name.startswith(("head.", *kept))}


class TextNetModel:
    """A trained net; implements :class:`automl.core.family.Fitted`.

    Attributes
    ----------
    origin:
        Name, licence and source of the published weights that training began with.
    """

    def __init__(
        self,
        net: TextNet,
        view: TextView,
        scale: OutputScale,
        *,
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.net = _rounded(net).eval().to(device)
        self.view = view
        self.scale = scale
        self.origin: dict[str, str] = {}
        self._around = Surroundings(threads, device)
        self._runner: TextEncoder | None = None

    def predict(self, inputs: Table) -> Predictions:
        """Probabilities per class, or values."""
        features = np.concatenate([self._features(column) for column in inputs.texts], axis=1)
        with runtime.threads(self._around.threads), torch.inference_mode():
            rows = torch.from_numpy(features).to(self._around.device)
            return self.scale.decode(linked(self.scale.link, self.net.head(rows)))

    def _features(self, texts: Strings) -> npt.NDArray[np.float32]:
        made = np.zeros((len(texts), self.net.encoder.shape.width), dtype=np.float32)
        run = partial(_pooled, self._frozen(), self.net.shape.pooling, self._around.device)
        done = 0
        for part in stream(list(texts), self.view, self._around, self._around.threads, run):
            made[part.rows] = part.values
            done += len(part.rows)
        if done < len(texts):
            raise TrialStopped(f"stopped after the predictions of {done:,} of {len(texts):,} texts")
        return made

    def _frozen(self) -> TextEncoder:
        """The encoder in the number format of frozen nets."""
        if self._runner is None:
            runtime.keep_large_blocks()
            runner = TextEncoder(self.net.encoder.shape)
            runner.load_state_dict(self.net.encoder.state_dict())
            dtype = runtime.frozen_type(self._around.device)
            self._runner = runner.requires_grad_(False).eval().to(self._around.device, dtype)
        return self._runner

    def save(self, folder: Path) -> None:
        """Write what was learnt as safetensors in half precision, and the published encoder once."""
        state = {
            name: (value.half() if _halved(name, value) else value).contiguous().cpu()
            for name, value in self.net.own_state().items()
        }
        save_file(state, folder / _WEIGHTS)
        body = {
            "shape": asdict(self.net.shape),
            "scale": asdict(self.scale),
            "view": asdict(self.view),
        }
        (folder / _FACTS).write_text(json.dumps(body), encoding="utf-8")
        share_encoder(self.view.encoder, self.view.weights, folder, self.origin)


def load_net(folder: Path) -> TextNetModel:
    """The model that :meth:`TextNetModel.save` wrote.

    Raises
    ------
    ModelFileError
        When the published encoder is not here, or another one than at training.
    """
    body = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    view = TextView(**{**body["view"], "cut": Cut(**body["view"]["cut"])})
    check_encoder(view.encoder, view.weights, folder)
    encoder = load_encoder(place_of(view.encoder, view.weights))
    with runtime.seeded(0):
        net = TextNet(encoder, TextNetShape(**body["shape"]))
    own = {name: value.float() for name, value in load_file(folder / _WEIGHTS).items()}
    net.load_state_dict({**net.state_dict(), **own})
    model = TextNetModel(net, view, OutputScale.from_json(body["scale"]))
    model.origin = read_origin(folder)
    return model


def _pooled(encoder: TextEncoder, pooling: str, device: str, ids: Numbers) -> Values:
    """``(texts, width)`` float32 of equally long windows ``(texts, tokens)``."""
    with runtime.threads(1 if device == "cpu" else None), torch.inference_mode():
        last: Any = encoder(torch.from_numpy(ids.astype(np.int64)).to(device), None)
        pooled = last[:, 0].float() if pooling == "first" else last.float().mean(dim=1)
        return np.asarray(pooled.cpu().numpy())


def _rounded(net: TextNet) -> TextNet:
    """The weights as they will be saved, so that the model that was judged is the one that is kept."""
    own = net.own_state()
    rounded = {name: value.half().float() for name, value in own.items() if _halved(name, value)}
    net.load_state_dict({**net.state_dict(), **rounded})
    return net


def _halved(name: str, value: torch.Tensor) -> bool:
    """Tell whether a weight is kept in half precision: those of layers are, unless too large for it."""
    return name.startswith("encoder.") and bool(value.abs().max() < _LARGEST_HALF)
