"""The setup of a search as plain data: enough to continue it in another process."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from automl.controller.strategy.search_space import SearchSpace
from automl.core.credentials import without_password
from automl.core.errors import StorageError, UsageError
from automl.core.version import library_versions
from automl.problem.options import options_of
from automl.problem.settings import Settings

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Outset:
    """The content of ``search.json``.

    Attributes
    ----------
    key:
        Names this search among all others, also in its MLflow run.
    settings:
        From :func:`plain_settings`.
    data_digest, problem_digest, test_digest:
        Of the table, of the table with its folds, and of the rows that are scored once.
    slots, threads, device:
        Trials at once and threads of each: more threads can change a sum's last digit.
    tracking_uri:
        Where the record is, without a password; None for the database beside this folder, even if it was
        moved.
    created:
        Seconds since 1970.
    spaces:
        Digests of the search spaces by family; empty in a file of an earlier version.
    """

    name: str
    settings: Mapping[str, Any]
    data_digest: str
    problem_digest: str
    test_digest: str
    slots: int
    threads: int
    device: str
    tracking_uri: str | None
    created: float
    key: str = field(default_factory=lambda: uuid.uuid4().hex)
    versions: Mapping[str, str] = field(default_factory=lambda: library_versions("optuna", "tabm"))
    spaces: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of the file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)

    @classmethod
    def from_json(cls, text: str, place: Path) -> Outset:
        """Read what :meth:`to_json` wrote.

        Raises
        ------
        StorageError
            When the file is damaged or of another version.
        """
        try:
            body = json.loads(text)
            stated = body.pop("format")
            if stated == FORMAT:
                return cls(**body)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StorageError(f"{place} is damaged ({error}). Start the search again.") from error
        raise StorageError(
            f"{place} has format {stated}; this version of automl reads {FORMAT}. Install the version that "
            "began the search, or start it again."
        )

    def same_command(self, settings: Settings) -> bool:
        """Return whether these settings ask for the same search; frames and functions are never the same.

        Where no name was chosen, the search may have got another one than the file's.
        """
        chosen = settings.name_given or self.settings.get("name_given", True)
        if chosen and self.name != settings.name:
            return False
        now = plain_settings(settings)
        if any(isinstance(value, dict) and "python" in value for value in now.values()):
            return False
        unset = plain_settings(type(settings)(source=None))
        before = {**unset, **self.settings}  # a file of an earlier version lacks later options
        incidental = {name for name, option in options_of(type(settings)).items() if option.incidental}
        return all(before.get(name) == now[name] for name in now.keys() - incidental - {"name_given"})


def plain_settings(settings: Settings) -> dict[str, Any]:
    """The settings as JSON data; what only exists in Python is named, to be given again."""
    plain = {item.name: _plain(getattr(settings, item.name)) for item in fields(settings)}
    if settings.tracking_uri is not None:
        plain["tracking_uri"] = without_password(settings.tracking_uri)
    paths = {name: plain[name] for name in ("source", "test") if isinstance(plain[name], str)}
    return plain | {name: {"path": os.path.abspath(place)} for name, place in paths.items()}


def given_settings(plain: Mapping[str, Any], **again: Any) -> Settings:
    """The settings that :func:`plain_settings` wrote, with ``again`` in place of what could not be.

    Raises
    ------
    UsageError
        When something that only exists in Python was not given again.
    """
    values = {item.name: _back(plain[item.name]) for item in fields(Settings) if item.name in plain}
    values |= {name: value for name, value in again.items() if value is not None}
    for name, value in values.items():
        if isinstance(value, _Missing):
            raise UsageError(
                f"The search was started from Python with {value.what} as `{_keyword(name)}`, which is not "
                f"on disk. Continue it from Python: automl.resume(NAME, {_keyword(name)}=…)."
            )
    return Settings(**values)


def space_digests(spaces: Mapping[str, SearchSpace]) -> dict[str, str]:
    """SHA-256 of each family's ranges, conditions and settings to try first; comments do not count."""
    return {
        name: hashlib.sha256(repr((space.params, space.portfolio)).encode()).hexdigest()
        for name, space in spaces.items()
    }


@dataclass(frozen=True)
class _Missing:
    what: str


def _plain(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return {"path": os.path.abspath(value)}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {"map": {str(key): _plain(item) for key, item in value.items()}}
    return {"python": getattr(value, "__name__", None) or type(value).__name__}


def _back(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_back(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "path" in value:
        return Path(value["path"])
    if "map" in value:
        return {key: _back(item) for key, item in value["map"].items()}
    return _Missing(f"a {value.get('python', 'value')}")


def _keyword(name: str) -> str:
    """The keyword of ``resume()`` that gives a field again."""
    return "data" if name == "source" else options_of(Settings)[name].keyword
