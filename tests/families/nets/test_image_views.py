"""What a net sees of stored images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from automl.families.nets.images.views import show, still_boxes

VIEWS = ("whole", "square", "crop", "corner0", "corner1", "corner2", "corner3")


@pytest.mark.parametrize("aspect", [1000.0, 500.0, 0.001])
@pytest.mark.parametrize("flip", [False, True])
def test_very_long_pictures_are_seen_alone_as_beside_others(aspect: float, flip: bool) -> None:
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    aspects = np.array([aspect, 1.0], dtype=np.float32)
    for view in VIEWS:
        both = show(pixels, still_boxes(aspects, view), 16, flip=flip)
        alone = show(pixels[:1], still_boxes(aspects[:1], view), 16, flip=flip)
        assert both.shape == (2, 3, 16, 16)
        assert torch.equal(alone, both[:1])
