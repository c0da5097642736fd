"""Pictures of two kinds, for tests that need a class to be seen."""

from __future__ import annotations

import numpy as np
from PIL import Image


def photo(kind: int, generator: np.random.Generator) -> Image.Image:
    """Round and red, or square and green."""
    down, across = np.mgrid[-24:24, -32:32]
    inside = (down**2 + across**2 < 300) if kind else (np.maximum(abs(down), abs(across)) < 16)
    pixels = generator.normal(110, 25, (48, 64, 3))
    pixels[inside, 0 if kind else 1] += 80
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
