"""Search-space files: YAML that people read, copy and override, bound to a family's parameters.

A file gives each parameter its range and lists the settings to try first::

    family: xgboost
    params:
      learning_rate: {float: [0.005, 0.3], log: true, default: 0.1}
      max_leaves: {int: [8, 1500], log: true, when: {grow_policy: lossguide}}
    portfolio:
      - {name: X1, learning_rate: 0.1, max_depth: 6}

Keys of a parameter are one of ``float``, ``int`` and ``choice``, then ``log``, ``step``, ``default``,
``tasks``, ``when`` and ``kinds`` (of columns without which it changes nothing); keys of an entry are
``name``, ``tasks``, ``log_target``, ``rows`` (lowest and highest number of rows), ``elongated`` (for pictures
most of which are tall or wide) and names of parameters. A file is looked up at the given path, then in
``./search_spaces``, then among the shipped ones, then beside the module of a plug-in.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from automl.controller.strategy.search_space import Param, PortfolioEntry, SearchSpace
from automl.core.errors import SpaceError, StorageError, UsageError, did_you_mean
from automl.core.family import FAMILY_GROUP
from automl.core.table import TABLE_KINDS
from automl.core.task_choice import TASKS, task_classes
from automl.core.typed_values import Value, field_defaults, field_types
from automl.data.modalities import modalities

__all__ = [
    "Param",
    "PortfolioEntry",
    "SearchSpace",
    "SpaceFile",
    "Value",
    "copy_space",
    "list_spaces",
    "load_space",
    "read_space_text",
]

_KINDS = ("float", "int", "choice")
_PARAM_KEYS = (*_KINDS, "log", "step", "default", "tasks", "when", "kinds")
_ENTRY_KEYS = ("name", "tasks", "log_target", "rows", "elongated")
_LOCAL = Path("search_spaces")
_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class SpaceFile:
    """A family's space file; ``shipped`` unless it stands in ``./search_spaces``."""

    family: str
    path: Path
    shipped: bool


def list_spaces() -> list[SpaceFile]:
    """The space files that a search would use, one per family, by name."""
    shipped = _shipped_folder()
    files = {file.family: file for file in _plug_in_files()}
    files |= {path.stem: SpaceFile(path.stem, path, True) for path in shipped.glob("*.yaml")}
    if _LOCAL.resolve() != shipped.resolve():
        files |= {path.stem: SpaceFile(path.stem, path, False) for path in _LOCAL.glob("*.yaml")}
    return [files[name] for name in sorted(files)]


def read_space_text(name: str) -> str:
    """The text of a family's space file, comments included."""
    spaces = {file.family: file for file in list_spaces()}
    if name not in spaces:
        raise UsageError(f"There is no search space {name!r}. {did_you_mean(name, spaces)}")
    return spaces[name].path.read_text(encoding="utf-8")


def copy_space(name: str, folder: Path = _LOCAL, *, force: bool = False) -> Path:
    """Copy a family's space file into ``folder``, where it can be edited; returns its new path."""
    text = read_space_text(name)
    target = folder / f"{name}.yaml"
    if target.exists() and not force:
        raise UsageError(f"{target} exists already. Pass --force to replace it.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{target} cannot be written: {error.strerror or error}. Next: name another folder with -o."
        ) from error
    return target


def load_space(family: str, params_type: type[Any], *, path: Path | None = None) -> SearchSpace:
    """The search space of ``family``, bound to its dataclass of parameters.

    Parameters
    ----------
    path:
        A space file, or a folder of files named ``<family>.yaml``. Families that are not found there use
        the usual files.

    Raises
    ------
    SpaceError
        Naming file, line and key.
    """
    return _Reader.of(_find(family, params_type, path)).read(family, params_type)


def _find(family: str, params_type: type[Any], path: Path | None) -> Path:
    candidates = [_LOCAL / f"{family}.yaml", _shipped_folder() / f"{family}.yaml"]
    module = sys.modules.get(params_type.__module__)
    if module is not None and module.__file__:  # a plug-in brings its file beside its module
        candidates.append(Path(module.__file__).parent / f"{family}.yaml")
    if path is not None and path.is_dir():
        candidates.insert(0, path / f"{family}.yaml")
    elif path is not None:
        reader = _Reader.of(path)
        stated = reader.stated_family()
        names = sorted({file.family for file in list_spaces()} | {family})
        if stated == family:
            return path
        if stated not in names:
            raise reader.error(f"there is no family {stated!r}. {did_you_mean(stated, names)}", "family")
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = ", ".join(str(candidate) for candidate in candidates)
    raise SpaceError(f"There is no search space for the family {family!r}; looked for {looked}.")


def _plug_in_files() -> Iterator[SpaceFile]:
    """The files that stand beside the modules of installed plug-ins, none of which is imported."""
    for point in entry_points(group=FAMILY_GROUP):
        package, *inner = point.module.split(".")
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for place in (inner, inner[:-1]):  # a package within it, or a module
            path = Path(spec.origin).parent.joinpath(*place, f"{point.name}.yaml")
            if path.is_file():
                yield SpaceFile(point.name, path, True)
                break


def _shipped_folder() -> Path:
    """Inside the installed package, or, in an editable install, at the top of the checkout."""
    package = Path(__file__).resolve().parents[2]
    inside = package / "search_spaces"
    return inside if inside.is_dir() else package.parent / "search_spaces"


@dataclass(frozen=True)
class _Reader:
    """One file's content with the line of every key, so that each error can name the place."""

    path: Path
    body: Mapping[str, Any]
    lines: Mapping[tuple[str | int, ...], int]

    @classmethod
    def of(cls, path: Path) -> _Reader:
        try:
            loader = _Loader(path.read_text(encoding="utf-8"))
            node = loader.get_single_node()
            lines = dict(_lines(node, ()))
            body = loader.construct_document(node) if node is not None else None
        except FileNotFoundError as error:
            raise SpaceError(f"{path} does not exist.") from error
        except OSError as error:
            raise SpaceError(f"{path} cannot be read: {error.strerror or error}.") from error
        except (yaml.YAMLError, ValueError) as error:  # a repeated key, an impossible date or character
            raise SpaceError(f"{path} is not valid YAML: {error}") from error
        if not isinstance(body, dict):
            raise SpaceError(f"{path} must hold the keys family, params and portfolio.")
        return cls(path, body, lines)

    def error(self, message: str, *key: str | int) -> SpaceError:
        """An error about ``key``, with the nearest line number."""
        return SpaceError(f"{self.where(*key)}: {message}")

    def where(self, *key: str | int) -> str:
        line = next((self.lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in self.lines), None)
        names = ".".join(str(part) for part in key)
        return f"{self.path}{'' if line is None else f', line {line}'}{', ' if names else ''}{names}"

    def stated_family(self) -> str:
        stated = self.body.get("family")
        if not isinstance(stated, str):
            raise self.error("a space file must name its family, as in 'family: xgboost'", "family")
        return stated

    def read(self, family: str, params_type: type[Any]) -> SearchSpace:
        """The whole file as a search space."""
        self._known(self.body, ("family", "params", "portfolio"))
        if self.stated_family() != family:
            raise self.error(f"the file is for {self.stated_family()!r}, not for {family!r}", "family")
        params: list[Param] = []
        for name in self._mapping(self.body.get("params") or {}, "params"):
            params.append(self._param(name, params_type, params))
        space = SearchSpace(family, str(self.path), params_type, tuple(params), ())
        rows = self.body.get("portfolio") or []
        if not isinstance(rows, list):
            raise self.error("must be a list of entries", "portfolio")
        entries = tuple(self._entry(index, space) for index in range(len(rows)))
        return SearchSpace(family, str(self.path), params_type, tuple(params), entries)

    def _param(self, name: str, params_type: type[Any], before: Sequence[Param]) -> Param:
        key = ("params", name)
        types = field_types(params_type)
        if name not in types:
            family = self.stated_family()
            raise self.error(f"{family} has no parameter {name!r}. {did_you_mean(name, types)}", *key)
        body = self._mapping(self.body["params"][name], *key)
        self._known(body, _PARAM_KEYS, *key)
        kinds = [kind for kind in _KINDS if kind in body]
        if len(kinds) != 1:
            raise self.error("state one of float: [low, high], int: [low, high], choice: [values]", *key)
        field_type = types[name]
        low, high = self._range(body, kinds[0], *key)
        param = Param(
            name=name,
            kind=cast(Literal["float", "int", "choice"], kinds[0]),
            low=low,
            high=high,
            log=self._flag(body, "log", *key),
            step=None if body.get("step") is None else self._numbers([body["step"]], 1, *key, "step")[0],
            choices=tuple(
                field_type.coerce(value, self.where(*key)) for value in self._choices(body, kinds[0], *key)
            ),
            default=field_type.coerce(
                body.get("default", field_defaults(params_type)[name]), self.where(*key, "default")
            ),
            tasks=self._tasks(body, *key),
            when=self._conditions(body, before, *key),
            kinds=self._some_of(body, "kinds", (*sorted(TABLE_KINDS), *modalities()), *key),
        )
        self._check(param)
        return param

    def _check(self, param: Param) -> None:
        key = ("params", param.name)
        if param.kind != "choice" and not param.low < param.high:
            raise self.error(f"the range {param.low:g} … {param.high:g} is empty", *key)
        if param.log and (param.kind == "choice" or param.low <= 0):
            raise self.error("log: true needs a range of numbers above 0", *key)
        if param.step is not None and (param.log or param.kind == "choice" or param.step <= 0):
            raise self.error("step needs a range of numbers without log, and must be above 0", *key)
        if param.step is not None and param.kind == "int" and not param.step.is_integer():
            raise self.error(f"the step of whole numbers must be one, not {param.step:g}", *key)
        if problem := param.problem_with(param.default):
            raise self.error(f"{problem}. State a default within the range.", *key, "default")

    def _range(self, body: Mapping[str, Any], kind: str, *key: str) -> tuple[float, float]:
        if kind == "choice":
            return 0.0, 0.0
        low, high = self._numbers(body[kind], 2, *key, kind)
        if kind == "int" and not (low.is_integer() and high.is_integer()):
            raise self.error("both ends must be whole numbers", *key, kind)
        return low, high

    def _choices(self, body: Mapping[str, Any], kind: str, *key: str) -> list[Any]:
        if kind != "choice":
            return []
        if not isinstance(body[kind], list) or not body[kind]:
            raise self.error("must be a list of values", *key, kind)
        return list(body[kind])

    def _conditions(
        self, body: Mapping[str, Any], before: Sequence[Param], *key: str
    ) -> dict[str, tuple[Value, ...]]:
        conditions: dict[str, tuple[Value, ...]] = {}
        above = {param.name: param for param in before}
        for name, value in self._mapping(body.get("when") or {}, *key, "when").items():
            if name not in above:
                raise self.error(f"{name!r} must be a parameter stated above this one", *key, "when")
            values = tuple(value) if isinstance(value, list) else (value,)
            for item in values:
                if problem := above[name].problem_with(item):
                    raise self.error(problem, *key, "when")
            conditions[name] = values
        return conditions

    def _entry(self, index: int, space: SearchSpace) -> PortfolioEntry:
        key = ("portfolio", index)
        body = self._mapping(self.body["portfolio"][index], *key)
        types = field_types(space.params_type)
        self._known(body, (*_ENTRY_KEYS, *types), *key)
        if not isinstance(body.get("name"), str):
            raise self.error("an entry needs a name", *key)
        values = {name: value for name, value in body.items() if name in types}
        return PortfolioEntry(
            name=body["name"],
            params=space.complete(values, where=self.where(*key)),
            stated=frozenset(values),
            tasks=self._tasks(body, *key),
            log_target=self._flag(body, "log_target", *key),
            rows=self._rows(body, *key),
            elongated=self._flag(body, "elongated", *key),
        )

    def _rows(self, body: Mapping[str, Any], *key: str | int) -> tuple[float, float]:
        stated = body.get("rows")
        if stated is None:
            return 0.0, math.inf
        if isinstance(stated, list) and len(stated) == 2 and stated[1] is None:
            return self._numbers(stated[:1], 1, *key, "rows")[0], math.inf
        low, high = self._numbers(stated, 2, *key, "rows")
        return low, high

    def _tasks(self, body: Mapping[str, Any], *key: str | int) -> tuple[str, ...]:
        return self._some_of(body, "tasks", tuple(task_classes()), *key) or tuple(TASKS)

    def _some_of(
        self, body: Mapping[str, Any], name: str, allowed: Sequence[str], *key: str | int
    ) -> tuple[str, ...]:
        """The list under ``name``, of some of the allowed words; empty where it is absent."""
        if name not in body:
            return ()
        stated = body[name]
        if not isinstance(stated, list) or not stated:
            raise self.error(f"must be a list of {', '.join(allowed)}", *key, name)
        for word in stated:
            if word not in allowed:
                hint = did_you_mean(str(word), allowed)
                raise self.error(f"there is no {name[:-1]} {word!r}. {hint}", *key, name)
        return tuple(stated)

    def _flag(self, body: Mapping[str, Any], name: str, *key: str | int) -> bool:
        value = body.get(name, False)
        if not isinstance(value, bool):
            raise self.error(f"must be true or false, not {value!r}", *key, name)
        return value

    def _numbers(self, values: Any, count: int, *key: str | int) -> list[float]:
        try:
            numbers = [float(value) for value in values]
        except (TypeError, ValueError, OverflowError) as error:
            raise self.error(
                f"{values!r} should be {'[low, high]' if count == 2 else 'a number'}", *key
            ) from error
        if len(numbers) != count or not all(map(math.isfinite, numbers)):
            raise self.error(f"{values!r} should be {'[low, high]' if count == 2 else 'a number'}", *key)
        return numbers

    def _mapping(self, value: Any, *key: str | int) -> Mapping[str, Any]:
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.error(f"should hold names and values, not {value!r}", *key)
        return value

    def _known(self, body: Mapping[str, Any], allowed: Sequence[str], *key: str | int) -> None:
        for name in body:
            if name not in allowed:
                raise self.error(f"unknown key {name!r}. {did_you_mean(str(name), allowed)}", *key, str(name))


class _DuplicateKey(ValueError):
    """A key stands twice in one mapping; PyYAML would silently keep the last."""


def _lines(node: Any, key: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """The line of every key in a YAML document."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for name, value in node.value:
            line = name.start_mark.line + 1
            if str(name.value) in seen:
                raise _DuplicateKey(f"the key {name.value!r} stands twice, again in line {line}")
            seen.add(str(name.value))
            yield (*key, str(name.value)), line
            yield from _lines(value, (*key, str(name.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*key, index), value.start_mark.line + 1
            yield from _lines(value, (*key, index))
