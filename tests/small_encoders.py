"""Tiny encoders with random weights, in the hub's layout: read by the same code as published ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

WIDTH, HEADS, INNER, LAYERS, POSITIONS = 16, 2, 32, 3, 40
MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS = ("red", "green", "blue", "stone", "river", "cloud", "good", "bad", "film", "##s", "a", ".", "é")
_DISTILBERT = {
    "encoder.layer.": "transformer.layer.",
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


def config(kind: str = "bert") -> dict[str, Any]:
    """What ``config.json`` of such an encoder says."""
    vocabulary = len(MARKS) + len(WORDS)
    if kind == "distilbert":
        own = {"n_layers": LAYERS, "dim": WIDTH, "n_heads": HEADS, "hidden_dim": INNER, "activation": "gelu"}
    else:
        own = {
            "num_hidden_layers": LAYERS,
            "hidden_size": WIDTH,
            "num_attention_heads": HEADS,
            "intermediate_size": INNER,
            "hidden_act": "gelu",
            "type_vocab_size": 1 if kind == "roberta" else 2,
            "layer_norm_eps": 1e-12,
        }
    positions = POSITIONS + 1 if kind == "roberta" else POSITIONS
    return {
        "model_type": kind,
        "vocab_size": vocabulary,
        "max_position_embeddings": positions,
        "pad_token_id": 0,
        **own,
    }


def tensors(kind: str = "bert", seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights under their published names."""
    body = config(kind)
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * (1.0 / shape[-1] ** 0.5)

    made = {
        "embeddings.word_embeddings.weight": 3 * random(body["vocab_size"], WIDTH),
        "embeddings.position_embeddings.weight": random(body["max_position_embeddings"], WIDTH),
        "embeddings.LayerNorm.weight": torch.ones(WIDTH),
        "embeddings.LayerNorm.bias": torch.zeros(WIDTH),
    }
    if kind != "distilbert":
        made["embeddings.token_type_embeddings.weight"] = random(body["type_vocab_size"], WIDTH)
    sizes = {
        "attention.self.query": (WIDTH, WIDTH),
        "attention.self.key": (WIDTH, WIDTH),
        "attention.self.value": (WIDTH, WIDTH),
        "attention.output.dense": (WIDTH, WIDTH),
        "intermediate.dense": (INNER, WIDTH),
        "output.dense": (WIDTH, INNER),
    }
    for layer in range(LAYERS):
        start = f"encoder.layer.{layer}."
        for name, size in sizes.items():
            made[f"{start}{name}.weight"], made[f"{start}{name}.bias"] = random(*size), 0.1 * random(size[0])
        for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
            made[f"{start}{norm}.weight"], made[f"{start}{norm}.bias"] = torch.ones(WIDTH), torch.zeros(WIDTH)
    if kind != "distilbert":
        return made
    return {_distilbert(name): value for name, value in made.items()}


def write_encoder(folder: Path, kind: str = "bert", seed: int = 0, **changes: Any) -> Path:
    """Write an encoder into a new folder; ``changes`` replace entries of its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**config(kind), **changes}), encoding="utf-8")
    (folder / "tokenizer.json").write_text(tokenizer(), encoding="utf-8")
    save_file(tensors(kind, seed), folder / "model.safetensors")
    return folder


def tokenizer(words: Mapping[str, int] | None = None) -> str:
    """``tokenizer.json`` of a small vocabulary of whole words and one suffix."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    vocabulary = words or {word: place for place, word in enumerate((*MARKS, *WORDS))}
    made = Tokenizer(models.WordPiece(vocab=dict(vocabulary), unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    text: str = made.to_str()
    return text


def _distilbert(name: str) -> str:
    for old, new in _DISTILBERT.items():
        name = name.replace(old, new)
    return name
