"""Heads on frozen features as files: their tensors, and facts as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.families.nets.outputs import OutputScale

if TYPE_CHECKING:
    from automl.families.nets.heads import Head

_WEIGHTS = "head.safetensors"


@dataclass(frozen=True, kw_only=True)
class HeadFiles:
    """A head with what predictions need besides it.

    Attributes
    ----------
    reading:
        The features that the head reads, as plain data.
    frozen_ms:
        Milliseconds of the frozen net per row, by what is computed.
    """

    reading: Mapping[str, Any]
    head: Head
    scale: OutputScale
    frozen_ms: dict[str, float]

    def save(self, folder: Path, facts: str) -> None:
        """Write the head as safetensors, and all else into the JSON file ``facts``."""
        from safetensors.torch import save_file

        state = {name: value.contiguous() for name, value in self.head.state_dict().items()}
        save_file(state, folder / _WEIGHTS)
        body = {
            "reading": dict(self.reading),
            "scale": asdict(self.scale),
            "hidden": 0 if self.head.hidden is None else self.head.hidden.out_features,
            "features": len(self.head.centre),
            "frozen_ms": self.frozen_ms,
        }
        (folder / facts).write_text(json.dumps(body), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, facts: str) -> HeadFiles:
        """The head that :meth:`save` wrote."""
        from safetensors.torch import load_file

        from automl.families.nets.heads import Head

        body = json.loads((folder / facts).read_text(encoding="utf-8"))
        scale = OutputScale.from_json(body["scale"])
        head = Head(int(body["features"]), scale.outputs, hidden=int(body["hidden"]))
        head.load_state_dict(load_file(folder / _WEIGHTS))
        times = {str(name): float(value) for name, value in body.get("frozen_ms", {}).items()}
        return cls(reading=body["reading"], head=head.eval(), scale=scale, frozen_ms=times)
