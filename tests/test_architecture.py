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

# The rooms, from the ground up: each imports those before it and itself, nothing else.
ROOMS = (
    "core",
    "data",
    "families",
    "model",
    "problem",
    "executors",
    "tracker",
    "report",
    "controller",
    "cli",
)
# Outside the rooms: what strangers import. They use the rooms, and no room uses them.
DOORS = ("plugins", "testing")
TOP_LEVEL = 12
HOMES = {
    "optuna": {"controller.strategy.optimizer"},
    "mlflow": {"tracker"},
    "click": {"cli"},
    "rich": {"cli"},
    "ray": {"executors.ray_cluster"},
}
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve"}
UNSAFE_CALLS = {("joblib", "load"), ("torch", "load")}
# Clean up after whatever came and raise it again.
CLEANING = {"tracker.reading.query", "tracker.writing.writer"}
MODULE_LINES = 450
MOST_FIELDS_BY_PLACE = 5
FUNCTION_LINES = 60
POSITIONAL_ARGUMENTS = 7


def room_of(name: str) -> str:
    """The room of a module; empty for the package itself and for what stands outside."""
    first = name.partition(".")[0]
    return first if first in ROOMS else ""


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
INSIDE = {name: module for name, module in MODULES.items() if room_of(name)}


def _edges() -> Iterator[tuple[Module, Import, str]]:
    """Imports of our own modules: who imports, what, and its name below the package."""
    for module in INSIDE.values():
        for imported in module.imports:
            if imported.target == "automl" or imported.target.startswith("automl."):
                yield module, imported, imported.target.removeprefix("automl").lstrip(".")


def _functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (
        node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_the_top_level_is_the_rooms_and_the_doors() -> None:
    entries = {
        path.stem
        for path in PACKAGE.iterdir()
        if not path.name.startswith((".", "__")) and path.name != "py.typed"
        # A folder of caches that a move left behind is no part of the package.
        if path.is_file() or any(path.rglob("*.py"))
    }
    assert entries == {*ROOMS, *DOORS}
    assert len(entries) <= TOP_LEVEL


def test_the_architecture_page_shows_these_rooms() -> None:
    """Their order, and the sub-rooms of each, as they are in the tree."""
    page = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    picture = page.split("## The rooms")[1].split("```")[1]
    shown: dict[str, set[str]] = {}
    room = ""
    for line in picture.splitlines():
        if match := re.match(r"(\w+)/? {2,}", line):
            room = match[1]
            shown[room] = set()
        elif match := re.match(r" {2}([\w/]+)/ {2,}", line):
            shown[room].add(match[1])
    there = {
        room: {
            path.parent.relative_to(PACKAGE / room).as_posix()
            for path in (PACKAGE / room).glob("*/**/__init__.py")
        }
        for room in ROOMS
    }
    assert {room: inner for room, inner in shown.items() if room in ROOMS} == there
    assert tuple(room for room in reversed(shown) if room in ROOMS) == ROOMS


def test_every_module_that_a_document_names_exists() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")]
    gone = {
        f"{page.relative_to(ROOT)} names {path}"
        for page in pages
        if page.name != "CHANGELOG.md"
        for path in re.findall(r"`(automl/[\w/.]+)`", page.read_text(encoding="utf-8"))
        if not (ROOT / path).exists()
    }
    assert not gone, "\n".join(sorted(gone))


def test_rooms_import_only_the_rooms_below() -> None:
    upward = {
        f"{module.place(imported.line)}, in {room_of(module.name)}, imports {name or 'automl'}"
        for module, imported, name in _edges()
        if not room_of(name) or ROOMS.index(room_of(name)) > ROOMS.index(room_of(module.name))
    }
    assert not upward, "\n".join(sorted(upward))


def test_what_strangers_are_given_for_their_tests_comes_through_the_same_door() -> None:
    """The contract checks use ``automl.plugins`` as whoever runs them does, and no inner module."""
    inner = [
        f"{module.place(imported.line)} imports {imported.target}"
        for name, module in MODULES.items()
        if name.partition(".")[0] == "testing"
        for imported in module.imports
        if re.match(r"automl\b(?!\.plugins$|\.testing\b)", imported.target)
    ]
    assert not inner, "\n".join(inner)


def test_families_never_import_one_another() -> None:
    def is_family(name: str) -> bool:
        return re.fullmatch(r"families\.\w+", name) is not None and "FAMILY" in MODULES[name].text

    wrong = [
        module.place(imported.line)
        for module, imported, name in _edges()
        if name in MODULES and is_family(module.name) and is_family(name)
    ]
    assert not wrong, wrong


def _neighbours(module: str, other: str) -> tuple[str, str] | None:
    """The two sub-rooms or modules, in the smallest package with both, of which one imports the other."""
    ours, theirs = module.split("."), other.split(".")
    shared = 0
    while shared < min(len(ours), len(theirs)) and ours[shared] == theirs[shared]:
        shared += 1
    if shared in (len(ours), len(theirs)):  # a package and what is in it
        return None
    return ".".join(ours[: shared + 1]), ".".join(theirs[: shared + 1])


def test_neither_modules_nor_sub_rooms_form_a_cycle() -> None:
    after: dict[str, set[str]] = {}
    for module, imported, name in _edges():
        for pair in (_neighbours(module.name, name), (module.name, name)):
            if pair is not None and not imported.checking and pair[0] != pair[1]:
                after.setdefault(pair[0], set()).add(pair[1])
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' → '.join((*trail[trail.index(name) :], name))}"
        if name not in done:
            for following in sorted(after.get(name, ())):
                visit(following, (*trail, name))
            done.add(name)

    for name in sorted(after):
        visit(name, ())


def test_only_the_command_line_prints() -> None:
    printing = [
        module.place(call.lineno)
        for module in INSIDE.values()
        if room_of(module.name) != "cli"
        for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call))
        if isinstance(call.func, ast.Name) and call.func.id == "print"
    ]
    assert not printing, printing


@pytest.mark.parametrize("library", sorted(HOMES))
def test_each_integration_has_one_home(library: str) -> None:
    strangers = [
        module.place(imported.line)
        for module in INSIDE.values()
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


def _broad_handlers() -> Iterator[tuple[str, ast.ExceptHandler]]:
    for module in MODULES.values():
        for handler in (node for node in ast.walk(module.tree) if isinstance(node, ast.ExceptHandler)):
            caught = {
                node.id for node in ast.walk(handler.type or ast.Constant(0)) if isinstance(node, ast.Name)
            }
            if handler.type is None or caught & {"Exception", "BaseException"}:
                yield module.name, handler


def test_one_broad_except_in_the_package() -> None:
    """A second kind cleans up after whatever came and lets it go on: its modules are listed, too."""
    swallowing, cleaning = [], []
    for name, handler in _broad_handlers():
        last = handler.body[-1]
        lets_go = isinstance(last, ast.Raise) and last.exc is None
        (cleaning if lets_go else swallowing).append(name)
    assert swallowing == ["executors.evaluate"]
    assert set(cleaning) == CLEANING, sorted(cleaning)


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
    families = {name.split(".")[1] for name in MODULES if re.fullmatch(r"families\.\w+", name)}
    rooms = {path.parent.name for path in (PACKAGE / "families").glob("*/__init__.py")}
    assert {path.stem for path in SPACES} == families - rooms


@pytest.mark.parametrize("name", sorted(MODULES))
def test_values_of_many_fields_are_built_by_keyword(name: str) -> None:
    for made in (node for node in ast.walk(MODULES[name].tree) if isinstance(node, ast.ClassDef)):
        stated = [ast.unparse(item) for item in made.decorator_list if "dataclass" in ast.unparse(item)]
        fields = [
            ast.unparse(item.annotation)
            for item in made.body
            if isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item.annotation)
        ]
        if "KW_ONLY" in fields:
            fields = fields[: fields.index("KW_ONLY")]
        if stated and len(fields) > MOST_FIELDS_BY_PLACE:
            assert "kw_only=True" in stated[0], f"{MODULES[name].place(made.lineno)} {made.name}"
