"""A fitted net on a table: from rows to predictions, and to files and back without pickle.

Only the ``table_`` modules of this package know of tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.families.nets import runtime
from automl.families.preprocess.net_matrix import NetInput, NetMatrix

if TYPE_CHECKING:
    import torch
    from torch import nn

Predictions = npt.NDArray[np.floating]
_WEIGHTS = "net.safetensors"
_FACTS = "net.json"
_CHUNK = 1024


@dataclass(frozen=True)
class InputShape:
    """What the input layer of a net reads, as plain data.

    Attributes
    ----------
    numbers:
        Number columns.
    bins, number_size:
        Bins and vector size of the piecewise-linear embedding of each number; 0 bins for plain numbers.
    dense_sizes:
        Width of each feature of the dense part.
    levels, embedding_sizes:
        Per embedded category.
    """

    numbers: int
    bins: int
    number_size: int
    dense_sizes: tuple[int, ...]
    levels: tuple[int, ...]
    embedding_sizes: tuple[int, ...]

    @property
    def feature_sizes(self) -> list[int]:
        """Width of each feature in the order in which the input layer puts them side by side."""
        number = self.number_size if self.bins else 1
        return [*[number] * self.numbers, *self.dense_sizes, *self.embedding_sizes]

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> InputShape:
        """The shape that ``dataclasses.asdict`` turned into plain data."""
        return cls(
            data["numbers"],
            data["bins"],
            data["number_size"],
            tuple(data["dense_sizes"]),
            tuple(data["levels"]),
            tuple(data["embedding_sizes"]),
        )


@dataclass(frozen=True)
class OutputScale:
    """How a net's outputs become predictions.

    Attributes
    ----------
    kind:
        ``binary`` (one logit), ``multiclass`` (one per class) or ``regression``.
    outputs:
        Columns of the net.
    mean, deviation:
        Of the training target in a regression.
    low, high:
        Bounds of a regression's predictions: half the training range beyond its ends.
    """

    kind: str
    outputs: int
    mean: float = 0.0
    deviation: float = 1.0
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def fit(cls, task: Task, target: Encoded) -> OutputScale:
        """Learn from training rows."""
        if task.n_outputs > 1:
            return cls(task.name, 1 if task.n_outputs == 2 else task.n_outputs)
        values = np.asarray(target, dtype=np.float64)
        low, high = float(values.min()), float(values.max())
        spread = (high - low) / 2
        return cls(
            "regression",
            1,
            float(values.mean()),
            float(values.std()) or 1.0,
            low - spread,
            high + spread,
        )

    def encode(self, target: Encoded) -> npt.NDArray[Any]:
        """The target as the loss reads it: int64 classes, or standardised float32."""
        if self.kind == "multiclass":
            return np.asarray(target, dtype=np.int64)
        if self.kind == "binary":
            return np.asarray(target, dtype=np.float32)
        return ((np.asarray(target, dtype=np.float64) - self.mean) / self.deviation).astype(np.float32)

    def decode(self, outputs: torch.Tensor) -> Predictions:
        """Predictions ``(rows, n_outputs)`` of :func:`averaged` outputs ``(rows, outputs)``."""
        values = outputs.double().cpu().numpy()
        if self.kind == "binary":
            return np.concatenate([1.0 - values, values], axis=1)
        if self.kind == "multiclass":
            return np.asarray(values / values.sum(axis=1, keepdims=True))
        return np.clip(values * self.deviation + self.mean, self.low, self.high)


def averaged(kind: str, outputs: torch.Tensor) -> torch.Tensor:
    """Members' outputs ``(..., members, outputs)`` as their mean probability or value ``(..., outputs)``."""
    if kind == "binary":
        outputs = outputs.float().sigmoid()
    elif kind == "multiclass":
        outputs = outputs.float().softmax(dim=-1)
    return outputs.float().mean(dim=-2)


def tensors_of(arrays: NetInput) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a net on a table takes: numbers, dense and codes."""
    import torch

    numbers, dense, codes = arrays.numbers, arrays.dense, arrays.codes
    return torch.from_numpy(numbers), torch.from_numpy(dense), torch.from_numpy(codes)


class TableNet:
    """A fitted net of one fold; implements :class:`automl.core.family.Fitted`."""

    def __init__(
        self,
        matrix: NetMatrix,
        model: nn.Module,
        shape: InputShape,
        scale: OutputScale,
        architecture: dict[str, Any],
        threads: int | None = None,
    ) -> None:
        self.matrix = matrix
        self.model = model.eval()
        self.shape = shape
        self.scale = scale
        self.architecture = architecture
        self._threads = threads

    def predict(self, inputs: Table) -> Predictions:
        """Probabilities per class, or values."""
        import torch

        device = next(self.model.parameters()).device
        parts = []
        with runtime.threads(self._threads), torch.inference_mode():
            for start in range(0, inputs.rows, 8 * _CHUNK):
                arrays = self.matrix.transform(inputs.take(slice(start, start + 8 * _CHUNK)))
                tensors = [tensor[None].to(device) for tensor in tensors_of(arrays)]
                outputs = [
                    averaged(self.scale.kind, self.model(chunk))[0]
                    for chunk in zip(*(torch.split(tensor, _CHUNK, dim=1) for tensor in tensors), strict=True)
                ]
                parts.append(self.scale.decode(torch.cat(outputs)))
        return np.concatenate(parts) if parts else np.zeros((0, 2 if self.scale.kind == "binary" else 1))

    def save(self, folder: Path) -> None:
        """Weights as safetensors, facts as JSON, the matrix as arrays."""
        from safetensors.torch import save_file

        state = {name: tensor.contiguous().cpu() for name, tensor in self.model.state_dict().items()}
        save_file(state, folder / _WEIGHTS)
        body = {
            "shape": asdict(self.shape),
            "scale": asdict(self.scale),
            "architecture": self.architecture,
        }
        (folder / _FACTS).write_text(json.dumps(body), encoding="utf-8")
        self.matrix.save(folder)


def load_net(folder: Path, build: Callable[[dict[str, Any], InputShape, int], nn.Module]) -> TableNet:
    """What :meth:`TableNet.save` wrote; ``build(architecture, shape, outputs)`` makes an untrained net."""
    from safetensors.torch import load_file

    body = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    shape, scale = InputShape.from_json(body["shape"]), OutputScale(**body["scale"])
    with runtime.seeded(0):
        model = build(body["architecture"], shape, scale.outputs)
    model.load_state_dict(load_file(folder / _WEIGHTS))
    return TableNet(NetMatrix.load(folder), model, shape, scale, body["architecture"])
