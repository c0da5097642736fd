"""Saving of fitted transformations: their fields as arrays and JSON in one npz file, never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Self, get_args, get_type_hints

import numpy as np
import numpy.typing as npt

State = dict[str, npt.NDArray[Any]]
_PLAIN = "plain.json"
_LIKE = "like"


def like(name: str) -> Mapping[str, str]:
    """The metadata of a field that equals the array ``name`` in files of earlier versions, which lack it."""
    return {_LIKE: name}


class Saved:
    """A dataclass whose fields are arrays, other ``Saved`` values (or tuples of them), or plain JSON values.

    Subclasses are final frozen dataclasses; they inherit saving and loading and add nothing to them.
    """

    def state(self) -> State:
        """All fields as named arrays; nested values under ``field/``, plain ones together as JSON."""
        arrays: State = {}
        plain: dict[str, Any] = {}
        for name in _field_names(type(self)):
            value = getattr(self, name)
            if isinstance(value, np.ndarray):
                arrays[name] = value
            elif isinstance(value, Saved):
                arrays |= {f"{name}/{key}": array for key, array in value.state().items()}
            elif isinstance(value, tuple) and value and isinstance(value[0], Saved):
                plain[name] = len(value)
                for i, item in enumerate(value):
                    arrays |= {f"{name}/{i}/{key}": array for key, array in item.state().items()}
            else:
                plain[name] = value
        arrays[_PLAIN] = np.frombuffer(json.dumps(plain).encode(), dtype=np.uint8)
        return arrays

    @classmethod
    def from_state(cls, state: State) -> Self:
        """The value with this :meth:`state`."""
        plain = {**_defaults(cls), **json.loads(state[_PLAIN].tobytes())}
        hints = get_type_hints(cls)
        likenesses = _likenesses(cls)
        values: dict[str, Any] = {}
        for name in _field_names(cls):
            nested = _nested_type(hints[name])
            if nested is not None and isinstance(plain.get(name), int):
                values[name] = tuple(
                    nested.from_state(_part(state, f"{name}/{i}/")) for i in range(plain[name])
                )
            elif name not in plain and nested is not None:
                values[name] = nested.from_state(_part(state, f"{name}/"))
            elif name not in plain:
                values[name] = state[name if name in state else likenesses.get(name, name)]
            else:
                values[name] = _frozen(plain[name])
        return cls(**values)

    def save(self, folder: Path, name: str | None = None) -> None:
        """Write ``<name>.npz`` (by default the class's name) into ``folder``."""
        with (folder / f"{name or type(self).__name__.lower()}.npz").open("wb") as file:
            np.savez(file, allow_pickle=False, **self.state())

    @classmethod
    def load(cls, folder: Path, name: str | None = None) -> Self:
        """The value that :meth:`save` wrote."""
        path = folder / f"{name or cls.__name__.lower()}.npz"
        # np.load leaves the file open if it cannot read it (numpy 2.4)
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return cls.from_state({key: arrays[key] for key in arrays.files})


def _field_names(cls: type[Any]) -> list[str]:
    return [field.name for field in fields(cls)]


def _defaults(cls: type[Any]) -> dict[str, Any]:
    """Plain values of fields that an earlier version did not write."""
    return {
        field.name: field.default for field in fields(cls) if isinstance(field.default, str | int | float)
    }


def _likenesses(cls: type[Any]) -> dict[str, str]:
    """Arrays that an earlier version did not write, with those that they equal then."""
    return {item.name: item.metadata[_LIKE] for item in fields(cls) if _LIKE in item.metadata}


def _part(state: State, prefix: str) -> State:
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def _nested_type(hint: Any) -> type[Saved] | None:
    """The ``Saved`` class within a field's annotation: itself, ``X | None`` or ``tuple[X, ...]``."""
    for candidate in (hint, *get_args(hint)):
        if isinstance(candidate, type) and issubclass(candidate, Saved):
            return candidate
    return None


def _frozen(value: Any) -> Any:
    """Lists as tuples again, at any depth."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value
