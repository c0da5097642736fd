"""What frozen nets see in images, computed once per image, net and view, and kept between searches."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.data.images_pixels import Pictures
from automl.families.base import TrialStopped
from automl.training import runtime
from automl.training.backbones import backbone_named, weights_digest, weights_of
from automl.training.feature_shelf import Found, NoRoom, Shelf, ShelfGone
from automl.training.feature_shelf import Halves as Halves
from automl.training.image_views import normalised, show, still_boxes
from automl.training.image_weights import frozen_trunk

if TYPE_CHECKING:
    import torch
    from torch import nn

_log = logging.getLogger(__name__)
_BATCH = 32
_SAVE_SECONDS = 20.0
_MEMORY_BYTES = 256 << 20
_TRIES = 3  # of reading outputs that other processes may remove for theirs


@dataclass(frozen=True)
class View:
    """What a frozen net is shown, and where its output is taken.

    Attributes
    ----------
    weights:
        Digest of the net's file of weights.
    view:
        See :func:`automl.training.image_views.still_boxes`.
    cut:
        Stages before the cut, for maps; 0 for the summaries of all stages.
    side:
        Of the stored images: smaller ones give other pixels.
    """

    backbone: str
    weights: str
    px: int
    side: int
    view: str = "whole"
    flip: bool = False
    cut: int = 0

    @property
    def name(self) -> str:
        """As a folder's name."""
        net = self.backbone.replace("/", "_")
        mirrored = "-flip" if self.flip else ""
        cut = f"-cut{self.cut}" if self.cut else ""
        return f"{net}-{self.weights}-{self.px}of{self.side}-{self.view}{mirrored}{cut}"


@dataclass(frozen=True)
class Surroundings:
    """Where and how long a net may run, and whom to tell when the GPU's memory is too small."""

    threads: int | None = None
    device: str = "cpu"
    should_stop: Callable[[], bool] = lambda: False
    say: Callable[[str], None] = _log.warning


def view_of(
    backbone: str, px: int, side: int, view: str = "whole", *, flip: bool = False, cut: int = 0
) -> View:
    """A view by the net whose weights are on this machine.

    Raises
    ------
    MissingDependencyError
        When they are not.
    """
    return View(backbone, weights_digest(weights_of(backbone)), px, side, view, flip, cut)


def frozen_outputs(pictures: Pictures, view: View, around: Surroundings) -> Halves:
    """``(rows, …)`` float16 outputs, from the cache as far as it has them.

    Raises
    ------
    TrialStopped
        When asked to stop before all were computed; what was computed is kept.
    """
    if pictures.cache is None:
        return _remembered(pictures, view, around)
    shelf = Shelf(pictures.cache, view.name)
    with suppress(NoRoom):
        for _ in range(_TRIES):
            with suppress(ShelfGone):
                return shelf.take(_shelved(shelf, pictures, view, around))
    return _remembered(pictures, view, around)  # the cache's bound is too low to keep them


def keep_outputs(pictures: Pictures, view: View, around: Surroundings) -> None:
    """See that the cache, where there is one with room for them, has the outputs of these images."""
    if pictures.cache is not None:
        with suppress(NoRoom):
            _shelved(Shelf(pictures.cache, view.name), pictures, view, around)


def _shelved(shelf: Shelf, pictures: Pictures, view: View, around: Surroundings) -> Found:
    """Where the outputs of these images are, computing those that are not there."""
    found = shelf.find(pictures.hashes)
    if (found.places < 0).any():
        with shelf.locked(around.should_stop):
            found = shelf.find(pictures.hashes)
            wanted = np.unique(np.where(found.places < 0, pictures.rows, -1))
            wanted = wanted[wanted >= 0]
            if len(wanted):
                _fill(shelf, pictures, wanted, (view, around))
                found = shelf.find(pictures.hashes)
    if (found.places < 0).any():
        raise ShelfGone(view.name)
    return found


def milliseconds(pictures: Pictures, view: View) -> float:
    """Milliseconds and core that one image takes through the net, as measured when the cache was filled."""
    return 0.0 if pictures.cache is None else Shelf(pictures.cache, view.name).milliseconds()


def _fill(
    shelf: Shelf, pictures: Pictures, wanted: npt.NDArray[np.int64], what: tuple[View, Surroundings]
) -> None:
    """Compute the outputs of these rows of the pixels and put them on the shelf."""
    view, around = what
    hash_of = dict(zip(pictures.rows.tolist(), pictures.hashes.tolist(), strict=True))
    done: list[Halves] = []
    began, saved = time.process_time(), time.monotonic()

    def keep(start: int) -> int:
        end = start + sum(len(part) for part in done)
        if end > start:
            keys = [hash_of[int(row)] for row in wanted[start:end]]
            ms = 1000 * (time.process_time() - began) / end
            shelf.add(keys, np.concatenate(done), ms=ms)
            done.clear()
        return end

    kept = 0
    room = runtime.Room(_BATCH, around.device, around.say)
    for start in range(0, len(wanted), _BATCH):
        if around.should_stop():
            keep(kept)
            raise TrialStopped(f"stopped after the features of {start:,} of {len(wanted):,} images")
        rows = wanted[start : start + _BATCH]
        images = (np.asarray(pictures.pixels[rows]), pictures.aspects[rows])
        done.append(_outputs(images, view, around.threads, room))
        if start == 0:  # before all are computed for nothing
            shelf.make_room(done[0].nbytes // len(rows) * len(wanted))
        if time.monotonic() - saved > _SAVE_SECONDS:
            kept, saved = keep(kept), time.monotonic()
    keep(kept)


def _outputs(
    images: tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]],
    view: View,
    threads: int | None,
    room: runtime.Room,
) -> Halves:
    """Of ``(pixels, aspects)``, in as many batches as the device's memory asks for."""
    pixels, aspects = images

    def step(batch: int, device: str) -> Halves:
        starts = range(0, len(pixels), batch)
        found = [_run(pixels[i : i + batch], aspects[i : i + batch], view, device) for i in starts]
        return found[0] if len(found) == 1 else np.concatenate(found)

    with runtime.threads(threads):
        return room.run(step)


def _run(pixels: npt.NDArray[np.uint8], aspects: npt.NDArray[np.float32], view: View, device: str) -> Halves:
    import torch

    net, dtype = _frozen(view.backbone, view.weights, device)
    backbone = backbone_named(view.backbone)
    with torch.inference_mode():
        shown = show(pixels, still_boxes(aspects, view.view), view.px, flip=view.flip).to(device)
        images = normalised(shown, backbone.mean, backbone.deviation, dtype)
        trunk: Any = net
        if view.cut:
            maps = trunk.run(images, end=view.cut)
            return _as_halves(maps.permute(0, 2, 3, 1))
        return _as_halves(torch.cat([part.float() for part in trunk.summaries(images)], dim=1))


def _as_halves(values: torch.Tensor) -> Halves:
    """Kept inside what half precision can hold."""
    import torch

    halves = values.float().clamp(-60_000, 60_000).to(torch.float16)
    return np.asarray(halves.contiguous().cpu().numpy())


@lru_cache(maxsize=3)
def _frozen(backbone: str, weights: str, device: str) -> tuple[nn.Module, torch.dtype]:
    """The net ready to run."""
    import torch

    runtime.keep_large_blocks()

    dtype = frozen_type(device)
    net = frozen_trunk(backbone, weights).eval().requires_grad_(False)
    net = net.to(device, dtype).to(memory_format=torch.channels_last)
    return net, dtype


def frozen_type(device: str) -> torch.dtype:
    """bfloat16 where it is quicker: on GPUs, and on CPUs with instructions for it (3-5 times as fast)."""
    import torch

    if device != "cpu":
        return torch.bfloat16 if runtime.computes_bfloat16() else torch.float16
    return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32


_memory: OrderedDict[tuple[View, str], Halves] = OrderedDict()
_memory_lock = Lock()


def _remembered(pictures: Pictures, view: View, around: Surroundings) -> Halves:
    """Outputs for images that were just passed in; a bag of models asks for the same ones several times."""
    key = (view, hash_of_all(pictures))
    with _memory_lock:
        if key in _memory:
            _memory.move_to_end(key)
            return _memory[key]
        parts = []
        room = runtime.Room(_BATCH, around.device, around.say)
        for start in range(0, len(pictures), _BATCH):
            if around.should_stop():
                raise TrialStopped(f"stopped after the features of {start:,} of {len(pictures):,} images")
            parts.append(_outputs(pictures.take(slice(start, start + _BATCH)), view, around.threads, room))
        values = np.concatenate(parts)
        if values.nbytes <= _MEMORY_BYTES:
            _memory[key] = values
            while sum(kept.nbytes for kept in _memory.values()) > _MEMORY_BYTES:
                _memory.popitem(last=False)
        return values


def hash_of_all(pictures: Pictures) -> str:
    """A digest of a batch of images."""
    import hashlib

    return hashlib.sha256("".join(map(str, pictures.hashes)).encode()).hexdigest()
