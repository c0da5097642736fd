"""A fitted net on a table: from rows to predictions, and to files and back without pickle.

Only the modules of :mod:`automl.families.nets.tables` know of tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Predictions
from automl.core.table import Table
from automl.families.nets import runtime
from automl.families.nets.outputs import OutputScale, averaged
from automl.families.nets.tables.forward import ONE_THREAD, forward
from automl.families.preprocess.net_matrix import NetInput, NetMatrix

if TYPE_CHECKING:
    import torch
    from torch import nn

_WEIGHTS = "net.safetensors"
_FACTS = "net.json"
_CHUNK = 1024
_MOST_ROWS_BY_NUMPY = 100_000


@dataclass(frozen=True, kw_only=True)
class InputShape:
    """The inputs of a net's first layer, as plain data.

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
            numbers=data["numbers"],
            bins=data["bins"],
            number_size=data["number_size"],
            dense_sizes=tuple(data["dense_sizes"]),
            levels=tuple(data["levels"]),
            embedding_sizes=tuple(data["embedding_sizes"]),
        )


def tensors_of(arrays: NetInput) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The input tensors of a net on a table: numbers, dense and codes."""
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
                    averaged(self.scale.link, self.model(chunk))[0]
                    for chunk in zip(*(torch.split(tensor, _CHUNK, dim=1) for tensor in tensors), strict=True)
                ]
                parts.append(self.scale.decode(torch.cat(outputs)))
        return np.concatenate(parts) if parts else np.zeros((0, self.scale.n_outputs))

    def save(self, folder: Path) -> None:
        """Weights as safetensors, facts as JSON, the matrix as arrays."""
        state = {name: tensor.detach().cpu().numpy() for name, tensor in self.model.state_dict().items()}
        _save(folder, state, self.matrix, self.shape, self.scale, self.architecture)


@dataclass(frozen=True, kw_only=True)
class SavedNet:
    """A net that was loaded; implements :class:`automl.core.family.Fitted`.

    It predicts with numpy, without torch, unless the rows are so many that torch pays.

    Attributes
    ----------
    state:
        Parameters and buffers by torch's names.
    layers:
        Kinds of its layers, see :func:`automl.families.nets.tables.forward.forward`; empty for a net that
        only torch can compute.
    build:
        ``build(architecture, shape, outputs)`` makes the net in torch.
    """

    matrix: NetMatrix
    state: dict[str, npt.NDArray[np.float32]]
    shape: InputShape
    scale: OutputScale
    architecture: dict[str, Any]
    layers: tuple[str, ...]
    build: Callable[[dict[str, Any], InputShape, int], nn.Module]

    def predict(self, inputs: Table) -> Predictions:
        """Probabilities per class, or values."""
        if not self.layers or inputs.rows > _MOST_ROWS_BY_NUMPY:
            return self._in_torch.predict(inputs)
        parts = []
        with ONE_THREAD:
            for start in range(0, inputs.rows, _CHUNK):
                arrays = self.matrix.transform(inputs.take(slice(start, start + _CHUNK)))
                parts.append(forward(self.layers, self.state, self.scale.link, arrays))
        outputs = np.concatenate(parts) if parts else np.zeros((0, self.scale.outputs))
        return self.scale.decode_values(outputs.astype(np.float64))

    def save(self, folder: Path) -> None:
        """Write what was loaded."""
        _save(folder, self.state, self.matrix, self.shape, self.scale, self.architecture)

    @cached_property
    def _in_torch(self) -> TableNet:
        import torch

        with runtime.seeded(0):
            model = self.build(self.architecture, self.shape, self.scale.outputs)
        model.load_state_dict({name: torch.from_numpy(value) for name, value in self.state.items()})
        return TableNet(self.matrix, model, self.shape, self.scale, self.architecture)


def load_net(
    folder: Path,
    *,
    build: Callable[[dict[str, Any], InputShape, int], nn.Module],
    layers: Callable[[dict[str, Any]], tuple[str, ...]] | None = None,
) -> SavedNet:
    """The net that :meth:`TableNet.save` wrote; ``layers(architecture)`` names its layers' kinds."""
    from safetensors.numpy import load_file

    body = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    architecture = body["architecture"]
    return SavedNet(
        matrix=NetMatrix.load(folder),
        state=load_file(folder / _WEIGHTS),
        shape=InputShape.from_json(body["shape"]),
        scale=OutputScale.from_json(body["scale"]),
        architecture=architecture,
        layers=layers(architecture) if layers else (),
        build=build,
    )


def _save(
    folder: Path,
    state: dict[str, npt.NDArray[np.float32]],
    matrix: NetMatrix,
    shape: InputShape,
    scale: OutputScale,
    architecture: dict[str, Any],
) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(value) for name, value in state.items()}, folder / _WEIGHTS)
    body = {"shape": asdict(shape), "scale": asdict(scale), "architecture": architecture}
    (folder / _FACTS).write_text(json.dumps(body), encoding="utf-8")
    matrix.save(folder)
