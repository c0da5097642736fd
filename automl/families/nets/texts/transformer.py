"""Encoders of texts as torch modules: embeddings and layers, read from published tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from automl.core.errors import UsageError
from automl.families.nets import runtime
from automl.families.nets.texts.architectures import ARCHITECTURES, EncoderShape
from automl.families.nets.texts.encoders import CONFIG, configuration, weight_files

_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "gelu": functional.gelu,
    "gelu_new": lambda values: functional.gelu(values, approximate="tanh"),
    "gelu_pytorch_tanh": lambda values: functional.gelu(values, approximate="tanh"),
    "relu": functional.relu,
    "silu": functional.silu,
}
_PREFIXES = ("", "bert.", "roberta.", "distilbert.", "model.", "encoder.model.")


class Embeddings(nn.Module):
    """Tokens, their positions and the kind of segment → the first hidden states."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.words = nn.Embedding(shape.words, shape.width)
        self.positions = nn.Embedding(shape.positions, shape.width)
        self.segments = nn.Embedding(shape.segments, shape.width) if shape.segments else None
        self.norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.dropout = nn.Dropout(0.0)
        self._first = shape.first_position

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """``(texts, tokens)`` numbers → ``(texts, tokens, width)``."""
        places = slice(self._first, self._first + tokens.shape[1])
        added = self.positions.weight[places]
        if self.segments is not None:
            added = added + self.segments.weight[0]
        states: torch.Tensor = self.dropout(self.norm(self.words(tokens) + added))
        return states


class Layer(nn.Module):
    """Attention and two dense layers, each added to its input and followed by a norm."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.attended = nn.Linear(shape.width, 3 * shape.width)
        self.out = nn.Linear(shape.width, shape.width)
        self.out_norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.up = nn.Linear(shape.width, shape.inner)
        self.down = nn.Linear(shape.inner, shape.width)
        self.down_norm = nn.LayerNorm(shape.width, eps=shape.epsilon)
        self.dropout = nn.Dropout(0.0)
        self._activation = _ACTIVATIONS[shape.activation]

    def forward(self, states: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
        """``(texts, tokens, width)`` → the same; ``seen`` ``(texts, 1, 1, tokens)`` hides padding."""
        texts, tokens, width = states.shape
        parts = self.attended(states).view(texts, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        mixed = _attention(query, key, value, seen)
        mixed = self.out(mixed.transpose(1, 2).reshape(texts, tokens, width))
        states = self.out_norm(states + self.dropout(mixed))
        inner = self.down(self._activation(self.up(states)))
        normed: torch.Tensor = self.down_norm(states + self.dropout(inner))
        return normed


def _attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, seen: torch.Tensor | None
) -> torch.Tensor:
    """Values ``(texts, heads, tokens, size)`` mixed by the products of queries and keys.

    Written out where a CPU learns: the way back through torch's fused kernel took 42 % of a step there
    (torch 2.15, 32 texts of 24 tokens, bfloat16), and written out 3 %.
    """
    if query.device.type != "cpu" or not torch.is_grad_enabled():
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=seen)
    products = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    if seen is not None:
        products = products.masked_fill(~seen, float("-inf"))
    mixed: torch.Tensor = products.softmax(dim=-1).to(value.dtype) @ value
    return mixed


class TextEncoder(nn.Module):
    """A transformer that reads texts; new ones have random weights."""

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = Embeddings(shape)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))

    def set_dropout(self, share: float) -> None:
        """Drop this share of the values after the embeddings and after each half of a layer."""
        for module in self.modules():
            if isinstance(module, nn.Dropout):
                module.p = share

    def states(self, tokens: torch.Tensor, seen: torch.Tensor | None) -> Iterator[torch.Tensor]:
        """The hidden states ``(texts, tokens, width)`` after the embeddings and after each layer.

        Parameters
        ----------
        tokens:
            ``(texts, tokens)`` numbers, filled up with the shape's padding.
        seen:
            ``(texts, tokens)`` True where a token is not padding; None where there is none.
        """
        mask = None if seen is None else seen[:, None, None, :]
        states = self.embeddings(tokens)
        yield states
        for layer in self.layers:
            states = layer(states, mask)
            yield states

    def forward(self, tokens: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
        """The last hidden states, ``(texts, tokens, width)``."""
        *_, last = self.states(tokens, seen)
        return last


def averaged(states: torch.Tensor, seen: torch.Tensor | None) -> torch.Tensor:
    """``(texts, width)`` float32 means over the tokens that are not padding."""
    if seen is None:
        return states.float().mean(dim=1)
    weights = seen.to(torch.float32)
    return torch.einsum("btw,bt->bw", states.float(), weights) / weights.sum(dim=1, keepdim=True)


def empty_encoder(shape: EncoderShape) -> TextEncoder:
    """An encoder with random weights, for weights that are loaded afterwards."""
    with runtime.seeded(0):
        return TextEncoder(shape)


def load_encoder(place: Path) -> TextEncoder:
    """The encoder at a place (see :func:`automl.families.nets.texts.encoders.written`), in float32.

    Raises
    ------
    UsageError
        When configuration and weights cannot be read, or do not fit each other.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    shape = EncoderShape.of(configuration(place), f"{CONFIG} of {place}")
    state: dict[str, torch.Tensor] = {}
    for path in weight_files(place) if place.is_dir() else [place]:
        try:
            state |= load_file(path)
        except (SafetensorError, OSError) as error:
            raise UsageError(f"{path} cannot be read: {error}. Next: get the file again.") from error
    encoder = empty_encoder(shape)  # on the device "meta", its embeddings would import torch's compiler
    if place.is_dir():
        state = published_state(shape, state, place)
    encoder.load_state_dict(state, assign=True)
    return encoder.float().eval()


def published_state(
    shape: EncoderShape, state: Mapping[str, torch.Tensor], folder: Path
) -> dict[str, torch.Tensor]:
    """Published tensors under the names of :class:`TextEncoder`, of the right shapes.

    Raises
    ------
    UsageError
        When a tensor is missing or of another shape.
    """
    tensors = {_renamed(name): value for name, value in state.items()}
    prefix = next((one for one in _PREFIXES if f"{one}embeddings.word_embeddings.weight" in tensors), "")

    def tensor(name: str, *wanted: int) -> torch.Tensor:
        value = tensors.get(prefix + name)
        if value is None or tuple(value.shape) != wanted:
            fault = "it is missing" if value is None else f"its shape is {tuple(value.shape)}"
            raise UsageError(
                f"The weights in {folder} do not fit its {CONFIG}: {prefix}{name} should be of shape "
                f"{wanted}, but {fault}. Next: get both files again."
            )
        return value

    names, width, inner = ARCHITECTURES[shape.architecture], shape.width, shape.inner
    made = {
        "embeddings.words.weight": tensor("embeddings.word_embeddings.weight", shape.words, width),
        "embeddings.positions.weight": tensor(
            "embeddings.position_embeddings.weight", shape.positions, width
        ),
        **{f"embeddings.norm.{part}": tensor(f"embeddings.LayerNorm.{part}", width) for part in _PARTS},
    }
    if shape.segments:
        name = "embeddings.token_type_embeddings.weight"
        made["embeddings.segments.weight"] = tensor(name, shape.segments, width)
    sizes = {"out": (width, width), "up": (inner, width), "down": (width, inner)}
    for place in range(shape.layers):
        own, theirs = f"layers.{place}.", f"{names.layers}{place}."
        three = [theirs + names.layer[part] for part in ("query", "key", "value")]
        made[f"{own}attended.weight"] = torch.cat([tensor(f"{one}.weight", width, width) for one in three])
        made[f"{own}attended.bias"] = torch.cat([tensor(f"{one}.bias", width) for one in three])
        for part, size in sizes.items():
            made[f"{own}{part}.weight"] = tensor(f"{theirs}{names.layer[part]}.weight", *size)
            made[f"{own}{part}.bias"] = tensor(f"{theirs}{names.layer[part]}.bias", size[0])
        for part in ("out_norm", "down_norm"):
            for what in _PARTS:
                made[f"{own}{part}.{what}"] = tensor(f"{theirs}{names.layer[part]}.{what}", width)
    return made


_PARTS = ("weight", "bias")


def _renamed(name: str) -> str:
    """Today's name of a tensor: norms had others in BERT's first publications."""
    for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def as_device(encoder: TextEncoder, device: str, dtype: Any) -> TextEncoder:
    """The frozen encoder on a device, in a number format."""
    moved: TextEncoder = encoder.requires_grad_(False).to(device, dtype).eval()
    return moved
