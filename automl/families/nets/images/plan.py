"""Plans of training nets for images, as plain data: all that the families of such nets differ in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NetTraining:
    """The training of a net for images.

    Attributes
    ----------
    backbone:
        Its name; empty for a small net of ``width``, trained from scratch.
    trained:
        Stages that learn, counted from the end; 0 for all but the share ``frozen``.
    from_maps:
        Learn from kept maps of the last frozen stage instead of pixels.
    views:
        Kept views of each image to learn from (2: mirrored too, 6: the corners too).
    c:
        Of the linear head that is solved on frozen features to begin with; 0 for a random one.
    learning_rate:
        The last stage's highest; a ninth of it at the first that learns.
    head:
        The head's, in shares of that: it begins where it is best, and each of its many inputs adds to what
        a step changes.
    norms:
        ``eval``: norms stay as published; ``train``: they follow the batches.
    smallest, strength, flip:
        Of :class:`automl.families.nets.images.views.Augmenter`.
    mix:
        ``none``, ``mixup`` or ``cutmix``, with a Beta distribution of ``mix_alpha``.
    progressive:
        Begin with smaller pictures.
    cycles:
        Complete cycles that the epochs are cut into; the weights at their ends are averaged.
    """

    backbone: str
    px: int
    view: str
    learning_rate: float
    epochs: int
    trained: int = 0
    frozen: float = 0.0
    from_maps: bool = False
    views: int = 2
    c: float = 0.1
    pooling: str = "avg"
    head: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.0
    norms: str = "eval"
    batch_size: int = 32
    smallest: float = 0.35
    strength: float = 0.0
    flip: bool = True
    mix: str = "none"
    mix_alpha: float = 0.4
    smoothing: float = 0.0
    progressive: bool = False
    width: int = 0
    ema: float = 0.0
    schedule: str = "body"
    cycles: int = 1

    def first_stage(self, stages: int) -> int:
        """The first of so many stages that learns."""
        if self.trained:
            return max(0, stages - self.trained)
        return min(round(stages * self.frozen), stages - 1)
