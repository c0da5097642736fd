"""Means of our frozen encoder: ``TEXTS.json OUT.npy WEIGHTS THREADS``; prints texts per second."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

TOKENS = 256


def main() -> None:
    from automl.families.nets.surroundings import Surroundings
    from automl.families.nets.texts.encoders import PACKAGED
    from automl.families.nets.texts.features import frozen_outputs
    from automl.families.nets.texts.needs import view_of

    texts, out, _, threads = sys.argv[1:]
    given = np.array(json.loads(Path(texts).read_text(encoding="utf-8")), dtype=object)
    view, around = view_of(PACKAGED, TOKENS, "head"), Surroundings(threads=int(threads))
    frozen_outputs(np.array([f"{text} again" for text in given[:64]], dtype=object), view, around)
    began = time.perf_counter()
    vectors = frozen_outputs(given, view, around)[:, 0]
    print(len(given) / (time.perf_counter() - began))
    np.save(out, vectors.astype(np.float32))


if __name__ == "__main__":
    main()
