"""Forward passes of saved nets on tables with numpy: importing torch takes longer than most predictions.

The same sums as the layers of ``batched``, ``layers`` and ``member_layers``, for one net that does not learn;
``tests/families/nets/test_forward.py`` compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.predictions import Link

if TYPE_CHECKING:
    from automl.families.preprocess.net_matrix import NetInput

Values = npt.NDArray[Any]
"""float32."""
State = Mapping[str, Values]
"""Parameters and buffers by torch's names, ``LAYER.NAME``, each with a leading dimension of one net."""

_NORM_EPSILON = 1e-5  # torch's, of batch normalisation


def forward(layers: Sequence[str], state: State, link: Link, inputs: NetInput) -> Values:
    """Mean probabilities (of class 1 alone of two classes) or standardised values ``(rows, outputs)``.

    Parameters
    ----------
    layers:
        Kinds of the net's layers in the order of its ``torch.nn.Sequential``, beginning with its input.
    """
    own: list[dict[str, Values]] = [{} for _ in layers]
    for name, value in state.items():
        number, _, rest = name.partition(".")
        own[int(number)][rest] = value[0]
    values = _input(inputs, own[0])
    for kind, parameters in zip(layers[1:], own[1:], strict=True):
        values = _LAYERS[kind](values, parameters)
    mean: Values = _LINKED[link](values).mean(axis=-2, dtype=np.float32)
    return mean


class _OneThread:
    """A block in which BLAS computes with one thread; several threads may be inside.

    On busy cores, threads that share a small product wait for each other longer than one of them computes.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._blas: Any = None
        self._limiter: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if self._blas is None:
                from threadpoolctl import ThreadpoolController

                self._blas = ThreadpoolController().select(user_api="blas")
            if not self._inside:
                self._limiter = self._blas.limit(limits=1)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limiter.restore_original_limits()


ONE_THREAD = _OneThread()


def _input(inputs: NetInput, own: State) -> Values:
    parts = [inputs.numbers, inputs.dense]
    if "pieces.weight" in own:
        numbers = inputs.numbers.T[..., None]
        pieces = np.clip((numbers - own["pieces.left"][:, None]) * own["pieces.inverse_width"][:, None], 0, 1)
        encoded = np.concatenate([pieces, numbers, np.ones_like(numbers)], axis=-1)
        vectors = encoded @ own["pieces.weight"]
        parts[0] = vectors.transpose(1, 0, 2).reshape(len(inputs.numbers), -1)
    for column, codes in enumerate(inputs.codes.T):
        parts.append(own[f"embedding.weights.{column}"][codes])
    return np.concatenate(parts, axis=1)


def _linear(values: Values, own: State) -> Values:
    return values @ own["weight"] + own["bias"]


def _norm(values: Values, own: State) -> Values:
    scale = own["weight"] / np.sqrt(own["running_variance"] + np.float32(_NORM_EPSILON))
    return (values - own["running_mean"]) * scale + own["bias"]


def _member_start(values: Values, own: State) -> Values:
    """``(rows, inputs)`` → ``(rows, members, outputs)``."""
    products = (values[:, None] * own["inner"]) @ own["weight"]
    return products * own.get("outer", np.float32(1)) + own["bias"]


def _member_linear(values: Values, own: State) -> Values:
    products = (values * own.get("inner", np.float32(1))) @ own["weight"]
    return products * own.get("outer", np.float32(1)) + own["bias"]


def _member_heads(values: Values, own: State) -> Values:
    return (values.transpose(1, 0, 2) @ own["weight"]).transpose(1, 0, 2) + own["bias"]


def _sigmoid(values: Values) -> Values:
    half = np.float32(0.5)
    return half * np.tanh(half * values) + half


def _softmax(values: Values) -> Values:
    powers: Values = np.exp(values - values.max(axis=-1, keepdims=True))
    shares: Values = powers / powers.sum(axis=-1, keepdims=True)
    return shares


_LAYERS: dict[str, Callable[[Values, State], Values]] = {
    "linear": _linear,
    "norm": _norm,
    "dropout": lambda values, own: values,
    "relu": lambda values, own: np.maximum(values, np.float32(0)),
    "silu": lambda values, own: values * _sigmoid(values),
    "mish": lambda values, own: values * np.tanh(np.logaddexp(np.float32(0), values)),
    "one_member": lambda values, own: values[:, None],
    "member_start": _member_start,
    "member_linear": _member_linear,
    "member_heads": _member_heads,
}
_LINKED: dict[Link, Callable[[Values], Values]] = {
    Link.IDENTITY: lambda outputs: outputs,
    Link.LOGISTIC: _sigmoid,
    Link.SOFTMAX: _softmax,
}
