"""Texts per second of our encoder beside sentence-transformers' ``encode``: same weights, cores, texts.

    pip install sentence-transformers
    python benchmarks/text_speed.py reviews.csv --column text

Prints a row per contestant, and the least and the mean cosine between the two embeddings of a text.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def main() -> None:
    """Read the texts, time both, print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="a table")
    parser.add_argument("--column", required=True, help="its column of texts")
    parser.add_argument("--rows", type=int, default=2000, help="texts at most")
    parser.add_argument("--tokens", type=int, default=256, help="of a text that are read")
    parser.add_argument("--rounds", type=int, default=3, help="of which the fastest counts")
    given = parser.parse_args()

    import pandas as pd

    texts = pd.read_csv(given.data)[given.column].fillna("").astype(str).to_numpy(dtype=object)[: given.rows]
    seconds, embeddings = {}, {}
    for name, encode in (("automl", ours), ("sentence-transformers", theirs)):
        encode(texts[:50], given.tokens)
        times = []
        for _ in range(given.rounds):
            began = time.perf_counter()
            embeddings[name] = encode(texts, given.tokens)
            times.append(time.perf_counter() - began)
        seconds[name] = min(times)
        print(f"{name:<22} {len(texts) / seconds[name]:8.0f} texts/s", flush=True)
    first, second = (made / np.linalg.norm(made, axis=1, keepdims=True) for made in embeddings.values())
    cosines = (first * second).sum(axis=1)
    ratio = seconds["sentence-transformers"] / seconds["automl"]
    print(f"{ratio:.2f} times as fast; cosine at least {cosines.min():.5f}, on average {cosines.mean():.5f}")


def ours(texts: npt.NDArray[np.object_], tokens: int) -> Floats:
    """Means of the last layer as the families of texts get them."""
    from automl.families.nets.surroundings import Surroundings
    from automl.families.nets.texts import features
    from automl.families.nets.texts.needs import view_of
    from automl.families.nets.texts.tokens import splitter_of

    features._memory.clear()  # what was just computed is remembered
    splitter_of.cache_clear()
    view = view_of("all-MiniLM-L6-v2", tokens, "head")
    outputs = features.frozen_outputs(texts, view, Surroundings())
    return outputs[:, 0].astype(np.float32)


def theirs(texts: npt.NDArray[np.object_], tokens: int) -> Floats:
    """The library's own way, with its defaults."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from sentence_transformers import SentenceTransformer

    from automl.families.nets.texts.encoders import folder_of

    model = _models.get(tokens)
    if model is None:
        model = _models[tokens] = SentenceTransformer(str(folder_of("all-MiniLM-L6-v2")), device="cpu")
        model.max_seq_length = tokens
    made: Floats = model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False)
    return made


_models: dict[int, object] = {}

if __name__ == "__main__":
    main()
