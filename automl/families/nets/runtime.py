"""Surroundings of a training: threads, random states, number format of a device."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from automl.core.machine import GIBIBYTE

if TYPE_CHECKING:
    import torch

T = TypeVar("T")
_BFLOAT16_ISAS = ("BF16", "FP16", "AMX", "AVX10")  # in oneDNN's names of instruction sets
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's mallopt


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Let torch use ``count`` threads inside the block; None leaves it as it is."""
    import torch

    before = torch.get_num_threads()
    wanted = before if count is None else max(1, count)
    # Setting it, even to the same number, costs a synchronisation of the thread pool.
    if wanted != before:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)


@contextmanager
def seeded(seed: int, device: str = "cpu") -> Iterator[None]:
    """A block in which torch's own random state starts at ``seed``; outside nothing changes."""
    import torch

    with torch.random.fork_rng(devices=[] if device == "cpu" else [torch.device(device)]):
        torch.default_generator.manual_seed(seed)
        if device != "cpu":
            torch.cuda.manual_seed(seed)
        yield


def random_states(device: str) -> dict[str, Any]:
    """torch's random states as tensors of bytes, by name."""
    import torch

    states = {"cpu": torch.get_rng_state()}
    if device != "cpu":
        states["device"] = torch.cuda.get_rng_state(device)
    return states


def restore_random_states(states: dict[str, Any], device: str) -> None:
    """Continue from what :func:`random_states` gave."""
    import torch

    torch.set_rng_state(states["cpu"])
    if device != "cpu" and "device" in states:
        torch.cuda.set_rng_state(states["device"], device)


def autocast(device: str) -> AbstractContextManager[Any]:
    """bfloat16 where the device gains by it: on GPUs; CPUs train in float32.

    On a CPU with avx512_bf16 bfloat16 was 1.3 to 1.45 times as fast for TabM on five tables, but scored up to
    1 % worse on four of them; the time is better spent on a few more members.
    """
    import torch

    if device == "cpu" or not computes_bfloat16():
        return nullcontext()
    return torch.autocast(torch.device(device).type, dtype=torch.bfloat16)


@cache
def computes_bfloat16() -> bool:
    """Tell whether the GPU has instructions for bfloat16; those before Ampere only emulate it, slowly."""
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


@cache
def cpu_computes_bfloat16() -> bool:
    """Tell whether the CPU has instructions for bfloat16 and oneDNN may use them.

    ``ONEDNN_MAX_CPU_ISA`` (AVX2, AVX512_CORE …) takes them away; emulated, bfloat16 is slower than float32.
    """
    import torch

    allowed = os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper()
    has_them = allowed in ("", "ALL", "DEFAULT") or any(word in allowed for word in _BFLOAT16_ISAS)
    return has_them and bool(torch.cpu._is_avx512_bf16_supported())


def frozen_type(device: str) -> torch.dtype:
    """bfloat16 where it is quicker: on GPUs, and on CPUs with instructions for it (3-5 times as fast)."""
    import torch

    if device != "cpu":
        return torch.bfloat16 if computes_bfloat16() else torch.float16
    return torch.bfloat16 if cpu_computes_bfloat16() else torch.float32


@cache
def keep_large_blocks() -> None:
    """Let glibc keep the memory of large arrays for the next ones instead of giving it back each time.

    Maps of images are tens of megabytes: paging them in anew took 27 % to 50 % of the CPU time of
    EfficientNet-Lite0's forward passes (batches of 4 to 64 at 224 × 224), and 0 to 9 % with this.
    """
    import ctypes
    import sys

    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return
    # Above 32 MiB some versions refuse the threshold; its default there is 128 KiB.
    if not mallopt(_MMAP_THRESHOLD, 1 << 29):
        mallopt(_MMAP_THRESHOLD, 1 << 25)
    mallopt(_TRIM_THRESHOLD, GIBIBYTE)


@dataclass
class Room:
    """The batch size that fits the GPU's memory: halved whenever that runs out; the CPU at last.

    Attributes
    ----------
    batch, device:
        What is tried next; what was too large once is not tried again.
    say:
        Is told of every change, for the person who searches.
    smallest:
        Of a batch that is no longer halved.
    unit:
        What a batch is counted in.
    """

    batch: int
    device: str
    say: Callable[[str], None]
    smallest: int = 8
    unit: str = "images"

    def run(self, step: Callable[[int, str], T]) -> T:
        """``step(batch, device)``, repeated until there is room for it."""
        import torch

        while True:
            try:
                return step(self.batch, self.device)
            except torch.cuda.OutOfMemoryError:
                if self.device == "cpu":
                    raise
            # Not before the error is dropped: it holds the net and all that the failed step had on the GPU.
            torch.cuda.empty_cache()
            if self.batch > self.smallest:
                self.batch = max(self.smallest, self.batch // 2)
                self.say(f"The GPU's memory is too small: batches of {self.batch} {self.unit} from here on.")
            else:
                self.device = "cpu"
                self.say("The GPU's memory is too small for any batch: the CPU computes from here on.")
