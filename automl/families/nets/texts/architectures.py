"""Architectures of published encoders: names of their configuration's keys and of their tensors.

All are transformers with a norm after each sum (Vaswani et al. 2017; Devlin et al. 2019, "BERT"); what
differs are names, positions and kinds of segments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from automl.core.errors import UsageError

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu")
_BERT_LAYER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
    "out_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "down_norm": "output.LayerNorm",
}
_DISTILBERT_LAYER = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "out": "attention.out_lin",
    "out_norm": "sa_layer_norm",
    "up": "ffn.lin1",
    "down": "ffn.lin2",
    "down_norm": "output_layer_norm",
}
_BERT_KEYS = {
    "layers": "num_hidden_layers",
    "width": "hidden_size",
    "heads": "num_attention_heads",
    "inner": "intermediate_size",
    "activation": "hidden_act",
}
_DISTILBERT_KEYS = {
    "layers": "n_layers",
    "width": "dim",
    "heads": "n_heads",
    "inner": "hidden_dim",
    "activation": "activation",
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Names of one architecture.

    Attributes
    ----------
    keys:
        Names in ``config.json``.
    layers:
        Beginning of the names of a layer's tensors, before its number.
    layer:
        A layer's modules.
    counts_from_padding:
        Whether the first position is the one after the padding's number.
    segments:
        Whether there are embeddings of kinds of segments; texts are of the first.
    """

    keys: Mapping[str, str] = field(default_factory=lambda: _BERT_KEYS)
    layers: str = "encoder.layer."
    layer: Mapping[str, str] = field(default_factory=lambda: _BERT_LAYER)
    counts_from_padding: bool = False
    segments: bool = True


_ROBERTA = Architecture(counts_from_padding=True)
ARCHITECTURES: dict[str, Architecture] = {
    "bert": Architecture(),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "distilbert": Architecture(
        keys=_DISTILBERT_KEYS, layers="transformer.layer.", layer=_DISTILBERT_LAYER, segments=False
    ),
}


@dataclass(frozen=True, kw_only=True)
class EncoderShape:
    """An encoder as plain data.

    Attributes
    ----------
    width, inner:
        Of the hidden states, and inside each layer's second half.
    words, positions:
        Rows of the embeddings.
    first_position:
        Number of the first token's position.
    padding:
        Number of the token that fills short texts.
    segments:
        Kinds of segments; 0 for an architecture without.
    """

    architecture: str
    layers: int
    width: int
    heads: int
    inner: int
    words: int
    positions: int
    first_position: int = 0
    padding: int = 0
    segments: int = 0
    activation: str = "gelu"
    epsilon: float = 1e-12

    @property
    def longest(self) -> int:
        """Tokens of the longest input, those that mark its ends included."""
        return self.positions - self.first_position

    @property
    def layer_weights(self) -> int:
        """Weights of the layers, which each token is multiplied by."""
        return self.layers * (4 * self.width**2 + 2 * self.width * self.inner)

    @classmethod
    def of(cls, body: Mapping[str, Any], where: str) -> EncoderShape:
        """The shape that a ``config.json`` states.

        Raises
        ------
        UsageError
            For a value that is missing or not supported; ``where`` names the file.
        """
        name = str(body.get("model_type"))
        architecture = ARCHITECTURES[name]
        try:
            stated = {key: body[own] for key, own in architecture.keys.items()}
            unstated = int(architecture.counts_from_padding)  # as in the code that published them
            padding = unstated if body.get("pad_token_id") is None else int(body["pad_token_id"])
            shape = cls(
                architecture=name,
                **{key: int(stated[key]) for key in ("layers", "width", "heads", "inner")},
                words=int(body["vocab_size"]),
                positions=int(body["max_position_embeddings"]),
                first_position=padding + 1 if architecture.counts_from_padding else 0,
                padding=padding,
                segments=int(body.get("type_vocab_size", 2)) if architecture.segments else 0,
                activation=str(stated["activation"]),
                epsilon=float(body.get("layer_norm_eps", 1e-12)),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"{where} does not state {error}. Next: get the file again.") from error
        refused = {
            "position_embedding_type": body.get("position_embedding_type", "absolute") != "absolute",
            "is_decoder": bool(body.get("is_decoder")),
            architecture.keys["activation"]: shape.activation not in ACTIVATIONS,
            architecture.keys["heads"]: shape.heads < 1 or shape.width % shape.heads != 0,
        }
        for key, wrong in refused.items():
            if wrong:
                raise UsageError(
                    f"{where}: {key} {body.get(key)!r} is not supported. Next: name another language model."
                )
        return shape
