"""sentence-transformers' ``encode``: ``TEXTS.json OUT.npy WEIGHTS THREADS``; prints texts per second."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

TOKENS = 256


def main() -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    texts, out, weights, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    model = SentenceTransformer(weights, device="cpu")
    model.max_seq_length = TOKENS
    given = json.loads(Path(texts).read_text(encoding="utf-8"))
    model.encode(given[:64])
    began = time.perf_counter()
    vectors = model.encode(given, show_progress_bar=False)
    print(len(given) / (time.perf_counter() - began))
    np.save(out, np.asarray(vectors, dtype=np.float32))


if __name__ == "__main__":
    main()
