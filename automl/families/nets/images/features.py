"""Outputs of frozen nets for images, computed once per image, net and view, and kept between searches."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.family import TrialStopped
from automl.data.images.pixels import Pictures, usable_threads
from automl.families.nets import runtime
from automl.families.nets.feature_shelf import Found, NoRoom, Shelf, ShelfGone
from automl.families.nets.feature_shelf import Halves as Halves
from automl.families.nets.images.backbones import backbone_named, weights_digest, weights_of
from automl.families.nets.images.fusion import fused
from automl.families.nets.images.picture_times import Costs, NetCost
from automl.families.nets.images.views import normalised, show, still_boxes
from automl.families.nets.images.weights import frozen_trunk
from automl.families.nets.surroundings import Surroundings, all_cores

if TYPE_CHECKING:
    import torch
    from torch import nn

_BATCH = 32
_FIRST_BATCH = 8
_SHORT_SECONDS, _LONG_SECONDS = 0.25, 1.0  # of a batch that may be doubled, and of one that is halved
_SAVE_SECONDS, _SAVE_SHARE = 1.0, 0.1  # between what is put on the shelf; of the time since the first image
_TIMED_ROUNDS = 1
_MEMORY_BYTES = 256 << 20
_TRIES = 3  # of reading outputs that other processes may remove for theirs


@dataclass(frozen=True, kw_only=True)
class FeatureView:
    """The view of images that a frozen net is given, and the stage whose output is taken.

    Attributes
    ----------
    weights:
        Digest of the net's file of weights.
    view:
        See :func:`automl.families.nets.images.views.still_boxes`.
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
    def net(self) -> str:
        """The net with its weights, whatever it is shown."""
        return f"{self.backbone}-{self.weights}"

    @property
    def name(self) -> str:
        """As a folder's name."""
        net = self.backbone.replace("/", "_")
        mirrored = "-flip" if self.flip else ""
        cut = f"-cut{self.cut}" if self.cut else ""
        return f"{net}-{self.weights}-{self.px}of{self.side}-{self.view}{mirrored}{cut}"


def view_of(
    backbone: str, px: int, side: int, view: str = "whole", *, flip: bool = False, cut: int = 0
) -> FeatureView:
    """A view by the net whose weights are on this machine.

    Raises
    ------
    MissingDependencyError
        When they are not.
    """
    return FeatureView(
        backbone=backbone,
        weights=weights_digest(weights_of(backbone)),
        px=px,
        side=side,
        view=view,
        flip=flip,
        cut=cut,
    )


def frozen_outputs(pictures: Pictures, view: FeatureView, around: Surroundings) -> Halves:
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


def keep_outputs(pictures: Pictures, view: FeatureView, around: Surroundings) -> None:
    """See that the cache, where there is one with room for them, has the outputs of these images."""
    if pictures.cache is not None:
        with suppress(NoRoom):
            _shelved(Shelf(pictures.cache, view.name), pictures, view, around)


def _shelved(shelf: Shelf, pictures: Pictures, view: FeatureView, around: Surroundings) -> Found:
    """Places of the outputs of these images; missing ones are computed."""
    entries = shelf.find(pictures.hashes)
    if (entries.places < 0).any():
        with shelf.locked(around.should_stop):
            entries = shelf.find(pictures.hashes)
            wanted = np.unique(np.where(entries.places < 0, pictures.rows, -1))
            wanted = wanted[wanted >= 0]
            if len(wanted):
                _fill(shelf, pictures, wanted, (view, around))
                entries = shelf.find(pictures.hashes)
    if (entries.places < 0).any():
        raise ShelfGone(view.name)
    return entries


def milliseconds(pictures: Pictures, view: FeatureView) -> float:
    """Milliseconds and core that one image takes through the net, as measured when the cache was filled."""
    return 0.0 if pictures.cache is None else Shelf(pictures.cache, view.name).milliseconds()


def _fill(
    shelf: Shelf, pictures: Pictures, wanted: npt.NDArray[np.int64], what: tuple[FeatureView, Surroundings]
) -> None:
    """Compute the outputs of these rows of the pixels and put them on the shelf, a part after the other."""
    assert pictures.cache is not None
    view, around = what
    hash_of = dict(zip(pictures.rows.tolist(), pictures.hashes.tolist(), strict=True))
    done: list[Halves] = []
    cpu, began = time.process_time(), time.monotonic()
    kept, count, saved = 0, 0, began

    def keep() -> None:
        if count > kept:
            keys = [hash_of[int(row)] for row in wanted[kept:count]]
            shelf.add(keys, np.concatenate(done), ms=1000 * (time.process_time() - cpu) / count)
            done.clear()

    with all_cores(pictures.cache) as mine:
        workers = usable_threads() if mine else around.threads
        for part in _stream(replace(pictures, rows=wanted), view, around, workers):
            if not count:  # before all are computed in vain
                shelf.make_room(part.nbytes // len(part) * len(wanted))
            done.append(part)
            count += len(part)
            around.report(count, len(wanted))
            now = time.monotonic()
            # Little is lost with a worker that is killed, and few files come of a long pass.
            if now - saved > max(_SAVE_SECONDS, _SAVE_SHARE * (now - began)):
                keep()
                kept, saved = count, now
    keep()
    if count >= _FIRST_BATCH:
        seconds = time.monotonic() - began
        Costs(pictures.cache, around.device).learn(view.net, view.px, count, seconds)
    if count < len(wanted):
        raise TrialStopped(_stopped(count, len(wanted)))


def _stream(
    pictures: Pictures, view: FeatureView, around: Surroundings, workers: int | None
) -> Iterator[Halves]:
    """The outputs of all pictures in their order, a batch at a time; ends early when asked to stop.

    Several batches are on their way at once, each on a core of its own: threads that share one batch wait for
    each other after every layer, which took a quarter of the speed on two busy cores.
    """
    _frozen(view.backbone, view.weights, around.device)  # not by all threads at once
    room = runtime.Room(_BATCH, around.device, around.say)
    on_cpu = around.device == "cpu"
    count = max(1, workers or usable_threads()) if on_cpu else 1
    size = min(_FIRST_BATCH, max(1, len(pictures) // count)) if on_cpu else _BATCH
    start, running = 0, deque[Future[tuple[Halves, float]]]()
    with ThreadPoolExecutor(count, thread_name_prefix="automl-net") as pool:
        while start < len(pictures) or running:
            stopping = around.should_stop()
            if stopping and not (running and running[0].done()):
                for future in running:
                    future.cancel()
                return
            while not stopping and start < len(pictures) and len(running) <= count:
                place = slice(start, start + size)
                running.append(pool.submit(_timed_outputs, pictures.take(place), view, on_cpu, room))
                start += size
            part, seconds = running.popleft().result()
            size = _next_size(size, seconds) if on_cpu else size
            yield part


def _timed_outputs(
    images: tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]],
    view: FeatureView,
    alone: bool,
    room: runtime.Room,
) -> tuple[Halves, float]:
    """The outputs, computed by one thread where others compute beside it, and the seconds."""
    began = time.monotonic()
    return _outputs(images, view, 1 if alone else None, room), time.monotonic() - began


def _stopped(count: int, total: int) -> str:
    return f"stopped after the features of {count:,} of {total:,} images"


def _next_size(size: int, seconds: float) -> int:
    """Images of the next batch: a part of a second long, so that progress shows and stops are heard."""
    if seconds > _LONG_SECONDS:
        return max(1, size // 2)
    return min(_BATCH, 2 * size) if seconds < _SHORT_SECONDS else size


def time_net(pictures: Pictures, view: FeatureView, sizes: tuple[int, int], around: Surroundings) -> NetCost:
    """Time of a view's net per image, cutting out the views included: the best of a few rounds.

    Parameters
    ----------
    pictures:
        A few for every core.
    """
    net, _ = _frozen(view.backbone, view.weights, around.device)
    times = []
    for px in sizes:
        seconds = []
        for _ in range(1 + _TIMED_ROUNDS):  # the first pass of a size plans its kernels
            began = time.monotonic()
            for _part in _stream(pictures, replace(view, px=px), around, None):
                pass
            seconds.append(time.monotonic() - began)
        times.append(min(seconds[1:]) / len(pictures))
    trunk: Any = net
    return NetCost(len(trunk.stages), times[0], times[1])


def _outputs(
    images: tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]],
    view: FeatureView,
    threads: int | None,
    room: runtime.Room,
) -> Halves:
    """Of ``(pixels, aspects)``, in as many batches as the device's memory asks for."""
    pixels, aspects = images

    def step(batch: int, device: str) -> Halves:
        starts = range(0, len(pixels), batch)
        parts = [_run(pixels[i : i + batch], aspects[i : i + batch], view, device) for i in starts]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    with runtime.threads(threads):
        return room.run(step)


def _run(
    pixels: npt.NDArray[np.uint8], aspects: npt.NDArray[np.float32], view: FeatureView, device: str
) -> Halves:
    import torch

    net, dtype = _frozen(view.backbone, view.weights, device)
    backbone = backbone_named(view.backbone)
    with torch.inference_mode():
        shown = show(pixels, still_boxes(aspects, view.view), view.px, flip=view.flip).to(device)
        images = normalised(shown, backbone.pixels.mean, backbone.pixels.deviation, dtype)
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

    dtype = runtime.frozen_type(device)
    net = fused(frozen_trunk(backbone, weights).requires_grad_(False))
    net = net.to(device, dtype).to(memory_format=torch.channels_last)
    return net, dtype


_memory: OrderedDict[tuple[FeatureView, str], Halves] = OrderedDict()
_memory_lock = Lock()


def _remembered(pictures: Pictures, view: FeatureView, around: Surroundings) -> Halves:
    """Outputs for images that were just passed in; a bag of models asks for the same ones several times."""
    key = (view, hash_of_all(pictures))
    with _memory_lock:
        if key in _memory:
            _memory.move_to_end(key)
            return _memory[key]
        parts = list(_stream(pictures, view, around, around.threads))
        if sum(len(part) for part in parts) < len(pictures):
            raise TrialStopped(_stopped(sum(len(part) for part in parts), len(pictures)))
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
