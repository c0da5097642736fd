"""Plans of training encoders of texts, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TextTraining:
    """The training of an encoder and its head.

    Attributes
    ----------
    encoder, tokens, long:
        The published encoder, and what it is shown of a text.
    pooling:
        ``mean`` of the last layer's tokens, or its ``first`` token.
    c:
        Inverse L2 penalty of the linear head that is solved on frozen features to begin with.
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

    encoder: str
    tokens: int
    long: str
    pooling: str
    c: float
    learning_rate: float
    decay: float
    head: float
    frozen: float
    gradual: bool
    epochs: int
    batch_size: int
    weight_decay: float
    dropout: float
    smoothing: float

    def first_layer(self, layers: int) -> int:
        """The first of so many layers that learns."""
        return min(round(layers * self.frozen), layers - 1)
