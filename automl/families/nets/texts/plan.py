"""Plans of training encoders of texts, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class TextTraining:
    """The training of an encoder and its head: the parameters of the family of such nets.

    Attributes
    ----------
    encoder:
        The published encoder: the installed ``all-MiniLM-L6-v2``, or ``own``, that of ``--weights-dir``.
    tokens:
        Tokens of a text that are read.
    long:
        What is read of longer texts: ``head``, the beginning; ``ends``, beginning and end.
    pooling:
        ``mean`` of the last layer's tokens, or its ``first`` token.
    c:
        Inverse L2 penalty of the linear head that training begins with.
    learning_rate:
        The highest of the cycle, at the last layer.
    decay:
        Each lower layer's rate, in shares of the one above.
    head:
        The head's rate, in shares of the last layer's.
    frozen:
        Share of the layers, from the first on, that stay as published; the embeddings always do.
    gradual:
        Whether the upper half of what learns goes first, for one epoch.
    dropout:
        After each half of a layer, and before the head.
    """

    encoder: str = "all-MiniLM-L6-v2"
    tokens: int = 128
    long: Literal["head", "ends"] = "head"
    pooling: Literal["mean", "first"] = "mean"
    c: float = 0.01
    learning_rate: float = 2e-4
    decay: float = 0.85
    head: float = 1.0
    frozen: float = 0.0
    gradual: bool = False
    epochs: int = 3
    batch_size: int = 32
    weight_decay: float = 0.01
    dropout: float = 0.1
    smoothing: float = 0.0

    def first_layer(self, layers: int) -> int:
        """The first of so many layers that learns."""
        return min(round(layers * self.frozen), layers - 1)
