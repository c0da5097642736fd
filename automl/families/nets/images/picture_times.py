"""Costs of a picture per frozen net and size, measured on this machine and kept beside the features.

The file is read by the process that decides what to start and written by the workers that compute.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

MEASURED_AT = (96, 192)
"""Heights and widths that a net is timed at; what lies between and beyond is linear in the pixels."""
_FRESH_SECONDS = 600.0  # how busy a machine is changes
_PACE = (0.2, 20.0)
_FILE = "costs-{}.json"


@dataclass(frozen=True)
class NetCost:
    """The time of a net on all cores.

    Attributes
    ----------
    stages:
        Of the net, see :class:`automl.families.nets.images.trunk.Trunk`.
    small, large:
        Seconds per image at :data:`MEASURED_AT`.
    pace:
        Of whole passes by what these seconds promise.
    at:
        When that was measured, seconds since 1970.
    """

    stages: int
    small: float
    large: float
    pace: float = 1.0
    at: float = 0.0

    def seconds(self, px: int) -> float:
        """Per image of ``px`` × ``px``."""
        low, high = (side * side for side in MEASURED_AT)
        slope = max(0.0, (self.large - self.small) / (high - low))
        return max(self.small + slope * (px * px - low), 0.1 * self.small) * self.pace

    @property
    def fresh(self) -> bool:
        """True if it was measured recently."""
        return time.time() - self.at < _FRESH_SECONDS


class Costs:
    """The costs on a device, in the folder of the features."""

    def __init__(self, cache: Path, device: str = "cpu") -> None:
        self._path = cache / _FILE.format(device)

    def of(self, net: str) -> NetCost | None:
        """The measured cost of a net (its name and its weights' digest), or None."""
        return self._read().get(net)

    def measure(self, nets: Sequence[tuple[str, Callable[[], NetCost]]], *, seconds: float) -> None:
        """Time the nets that are not known, one after the other, until ``seconds`` have passed."""
        costs, until = self._read(), time.monotonic() + seconds
        for name, timed in nets:
            if name in costs and costs[name].fresh:
                continue
            if time.monotonic() > until:
                return
            self._keep(name, replace(timed(), at=time.time()))

    def learn(self, net: str, px: int, images: int, seconds: float) -> None:
        """Note the time of a whole pass: predictions for the net move half of the way towards it."""
        cost = self.of(net)
        if cost is not None and images:
            ratio = seconds / max(images * cost.seconds(px), 1e-9)
            pace = min(max(cost.pace * ratio**0.5, _PACE[0]), _PACE[1])
            self._keep(net, replace(cost, pace=pace, at=time.time()))

    def _keep(self, name: str, cost: NetCost) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        body = {key: asdict(value) for key, value in {**self._read(), name: cost}.items()}
        partial = self._path.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(body), encoding="utf-8")
        os.replace(partial, self._path)

    def _read(self) -> dict[str, NetCost]:
        try:
            body = json.loads(self._path.read_text(encoding="utf-8"))
            return {str(name): NetCost(**cost) for name, cost in body.items()}
        except (OSError, ValueError, TypeError, AttributeError):  # not there, or of another version
            return {}
