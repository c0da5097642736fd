"""Pictures of two kinds, for tests that need a class to be seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def photo(kind: int, generator: np.random.Generator) -> Image.Image:
    """Round and red, or square and green."""
    down, across = np.mgrid[-24:24, -32:32]
    inside = (down**2 + across**2 < 300) if kind else (np.maximum(abs(down), abs(across)) < 16)
    pixels = generator.normal(110, 25, (48, 64, 3))
    pixels[inside, 0 if kind else 1] += 80
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def lay(root: Path, *places: str) -> Path:
    """Make these files below ``root``; a place that ends in a slash is a folder of two pictures."""
    generator = np.random.default_rng(len(places))
    for place in places:
        for path in (
            (root / place / "1.png", root / place / "2.png") if place.endswith("/") else (root / place,)
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".png":
                Image.fromarray(generator.integers(0, 255, (8, 8, 3)).astype(np.uint8)).save(path)
            else:
                path.write_bytes(b"x")
    return root
