"""The rules of docs/ARCHITECTURE.md, held against the source: layers, homes, sizes, safety."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "automl"
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))

# A module, or a package with everything in it, and its layer. Imports point to a lower number, or to the same
# one without a cycle. A new module at the top of automl/ gets its line here: where it stands is a decision.
LAYERS = {
    "": 12,
    "__main__": 12,
    "cli": 11,
    "controller": 10,
    "delivery": 10,
    "doctor": 10,
    "outcome": 10,
    "examples": 10,
    "history": 10,
    "leaderboard": 10,
    "leaderboard_frame": 10,
    "loop": 10,
    "public": 10,
    "following": 10,
    "notebook": 10,
    "report": 10,
    "upkeep": 10,
    "allocator": 9,
    "budget": 9,
    "capacity": 9,
    "choose": 9,
    "ensemble": 9,
    "executors": 9,
    "image_source": 9,
    "optimizer": 9,
    "preparation": 9,
    "readiness": 9,
    "outset": 9,
    "search_folder": 9,
    "smaller": 9,
    "settings": 9,
    "tracker": 9,
    "unlearned": 9,
    "evaluate": 8,
    "member": 8,
    "predictor": 8,
    "image_input": 7,
    "image_numbers": 7,
    "families": 7,
    "families.*": 6,
    "boosting": 5,
    "forest": 5,
    "known_rows": 5,
    "solvers": 5,
    "preprocess": 5,
    "training": 5,
    "families.base": 4,
    "cache": 3,
    "decision": 3,
    "fields": 3,
    "intervals": 3,
    "log_target": 3,
    "problem": 3,
    "search_space": 3,
    "spaces": 3,
    "split_plan": 9,
    "splits": 3,
    "store": 3,
    "trial": 3,
    "tasks": 2,
    "data": 1,
    "metrics": 1,
    "imports": 1,
    "pace": 1,
    "wording": 1,
    "durable": 1,
    "peak_memory": 1,
    "errors": 0,
}
HOMES = {
    "optuna": {"optimizer"},
    "mlflow": {"tracker"},
    "click": {"cli"},
    "rich": {"cli"},
    "ray": {"executors.ray"},
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve"}
UNSAFE_CALLS = {("joblib", "load"), ("torch", "load")}
MODULE_LINES = 450
FUNCTION_LINES = 60
POSITIONAL_ARGUMENTS = 7


def layer_of(name: str) -> int:
    """That of a module's first name, except in families; what is not listed stands at the top."""
    first, _, rest = name.partition(".")
    if first == "families" and rest:
        return LAYERS["families.base"] if rest == "base" else LAYERS["families.*"]
    return LAYERS.get(first, LAYERS[""])


@dataclass(frozen=True)
class Import:
    """``target`` as written (``automl.data.table``); ``checking``: for the type checker only."""

    target: str
    line: int
    checking: bool


@dataclass(frozen=True)
class Module:
    path: Path

    @property
    def name(self) -> str:
        """Dotted, below the package: ``families.linear``; the package itself is ``""``."""
        return (
            ".".join(self.path.relative_to(PACKAGE).with_suffix("").parts)
            .removesuffix("__init__")
            .rstrip(".")
        )

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def layer(self) -> int:
        return layer_of(self.name)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(_imports(self.tree, checking=False))

    def place(self, line: int) -> str:
        return f"automl/{self.path.relative_to(PACKAGE)}:{line}"


def _imports(node: ast.AST, *, checking: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, checking)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            for alias in child.names:
                inside = PACKAGE.parent.joinpath(*base.split("."), alias.name)
                is_module = inside.with_suffix(".py").is_file() or inside.is_dir() or base == "automl"
                yield Import(f"{base}.{alias.name}" if is_module else base, child.lineno, checking)
        else:
            guarded = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
            yield from _imports(child, checking=checking or guarded)


MODULES = {module.name: module for module in map(Module, sorted(PACKAGE.rglob("*.py")))}
# testing.py is the public contract checks: it may use anything, and nothing uses it.
LAYERED = {name: module for name, module in MODULES.items() if not name.split(".")[0].startswith("testing")}


def _edges() -> Iterator[tuple[Module, Import, str]]:
    """Imports of our own modules: who imports, what, and its name below the package."""
    for module in LAYERED.values():
        for imported in module.imports:
            if imported.target == "automl" or imported.target.startswith("automl."):
                yield module, imported, imported.target.removeprefix("automl").lstrip(".")


def _takes_the_version_only(module: Module, imported: Import) -> bool:
    """The package's own name stands above all, but its ``__version__`` is free to use."""
    used = {
        node.attr
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "automl"
    }
    return imported.target == "automl.__version__" or (
        imported.target == "automl" and used == {"__version__"}
    )


def _functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (
        node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_module_has_a_layer() -> None:
    unknown = sorted({name.split(".")[0] for name in LAYERED} - set(LAYERS))
    assert not unknown, f"give these modules a line in LAYERS of {Path(__file__).name}: {unknown}"


def test_the_architecture_page_shows_these_layers() -> None:
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    shown: dict[str, int] = {}
    layer = -1
    for number, name in re.findall(r"^ *(\d+)? {2,}([\w/.*]+) {2,}", page.split("```")[3], re.MULTILINE):
        layer = int(number) if number else layer
        shown[name.removesuffix(".py").rstrip("/").replace("/", ".")] = layer
    shown[""] = shown.pop("__init__")
    assert shown == LAYERS


def test_imports_point_down() -> None:
    upward = {
        f"{module.place(imported.line)}, layer {module.layer}, imports {name}, layer {layer_of(name)}"
        for module, imported, name in _edges()
        if layer_of(name) > module.layer and not _takes_the_version_only(module, imported)
    }
    assert not upward, "\n".join(sorted(upward))


def test_families_never_import_one_another() -> None:
    wrong = [
        module.place(imported.line)
        for module, imported, name in _edges()
        # A family in a folder of its own may be several modules.
        if module.layer == layer_of(name) == LAYERS["families.*"]
        and module.name.split(".")[1] != name.split(".")[1]
    ]
    assert not wrong, wrong


def test_modules_of_one_layer_form_no_cycle() -> None:
    after: dict[str, set[str]] = {name: set() for name in LAYERED}
    for module, imported, name in _edges():
        if not imported.checking and name != module.name:
            after[module.name].add(name)
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' → '.join((*trail[trail.index(name) :], name))}"
        if name not in done:
            for following in sorted(after.get(name, set()) - {""}):  # "" imports its public names lazily
                visit(following, (*trail, name))
            done.add(name)

    for name in sorted(after):
        visit(name, ())


def test_nothing_imports_the_contract_checks() -> None:
    users = [module.place(imported.line) for module, imported, name in _edges() if name.startswith("testing")]
    assert not users, users


@pytest.mark.parametrize("library", sorted(HOMES))
def test_each_integration_has_one_home(library: str) -> None:
    strangers = [
        module.place(imported.line)
        for module in LAYERED.values()
        for imported in module.imports
        if imported.target.split(".")[0] == library
        and not any(module.name == home or module.name.startswith(f"{home}.") for home in HOMES[library])
    ]
    assert not strangers, f"{library} is imported outside of {sorted(HOMES[library])}: {strangers}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_module_is_short_and_says_its_job_first(name: str) -> None:
    module = MODULES[name]
    assert module.text.startswith('"""'), f"{module.place(1)}: the first line says what the module is for"
    lines = module.text.count("\n")
    assert lines <= MODULE_LINES, f"{module.place(1)} has {lines} lines, {MODULE_LINES} are allowed: split it"
    assert not FORBIDDEN_NAMES & set(re.split(r"[._]", name)), f"{name} says nothing about its job"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_functions_are_short_and_take_few_arguments(name: str) -> None:
    module = MODULES[name]
    for function in _functions(module):
        first = function.body[1:2] if ast.get_docstring(function) else function.body[:1]
        # A docstring is documentation, not length.
        lines = (function.end_lineno or 0) - first[0].lineno + 1 if first else 0
        where = f"{module.place(function.lineno)} {function.name}"
        assert lines <= FUNCTION_LINES, f"{where} has {lines} lines, {FUNCTION_LINES} are allowed"
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        assert count <= POSITIONAL_ARGUMENTS, (
            f"{where} takes {count} arguments: make a dataclass, or keyword-only"
        )


def test_one_broad_except_in_the_package() -> None:
    broad = []
    for module in MODULES.values():
        for handler in (node for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler)):
            caught = {
                node.id for node in ast.walk(handler.type or ast.Constant(0)) if isinstance(node, ast.Name)
            }
            last = handler.body[-1]
            cleans_up = isinstance(last, ast.Raise) and last.exc is None
            if (handler.type is None or caught & {"Exception", "BaseException"}) and not cleans_up:
                broad.append((module.name, handler.lineno))
    assert {name for name, _ in broad} <= {"evaluate"}, broad
    assert len(broad) <= 1, broad


def test_nothing_is_unpickled() -> None:
    unsafe = []
    for module in MODULES.values():
        unsafe += [module.place(i.line) for i in module.imports if i.target.split(".")[0] in UNSAFE_MODULES]
        for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
            function = call.func
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
                pickled = (function.value.id, function.attr) in UNSAFE_CALLS
            else:
                pickled = False
            allowed = any(
                keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
                for keyword in call.keywords
            )
            # torch's published weights are pickles; with this, torch.load builds tensors and nothing else
            plain = any(
                keyword.arg == "weights_only" and ast.unparse(keyword.value) == "True"
                for keyword in call.keywords
            )
            if (pickled and not plain) or allowed:
                unsafe.append(module.place(call.lineno))
    assert not unsafe, unsafe


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_every_searched_parameter_is_explained(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("#"), f"{path.name}: the first line says what the file is for"
    section = ""
    for number, line in enumerate(lines, start=1):
        section = line.split(":")[0] if re.match(r"\w", line) else section
        if section == "params" and re.match(r"  \w+:", line):
            explained = "#" in line or lines[number - 2].lstrip().startswith("#")
            assert explained, (
                f"{path.name}:{number}: say in a comment what the parameter does and whose range it is"
            )


def test_every_family_has_its_space_and_every_space_its_family() -> None:
    families = {name.split(".")[1] for name in MODULES if name.startswith("families.")} - {"base"}
    assert {path.stem for path in SPACES} == families
