"""The door for plug-ins of others: what it names is there, and nothing is loaded before it is used."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import automl
from automl import plugins

ROOT = Path(__file__).resolve().parent.parent
DOORS = ("automl", "automl.plugins", "automl.testing")
PAGES = sorted((ROOT / "docs" / "guides").glob("*.md"))


def test_every_name_is_there_and_named_once() -> None:
    assert len(set(plugins.__all__)) == len(plugins.__all__)
    homes = [name for names in plugins._HOMES.values() for name in names.split()]
    assert sorted(homes) == sorted(plugins.__all__) == dir(plugins)
    for name in plugins.__all__:
        assert getattr(plugins, name) is not None


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(plugins.__file__).read_text(encoding="utf-8"))
    (guarded,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in guarded.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == {name: home for home, names in plugins._HOMES.items() for name in names.split()}


def test_what_is_not_there_is_an_attribute_error() -> None:
    for module in (automl, plugins):
        with pytest.raises(AttributeError, match=f"module '{module.__name__}' has no attribute 'nothing'"):
            module.nothing  # noqa: B018


def test_importing_it_loads_nothing_else_of_the_package() -> None:
    code = "import sys; from automl import plugins; print(*(m for m in sys.modules if m[:6] == 'automl'))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    allowed = {"automl", "automl.core", "automl.core.lazy_imports", "automl.core.version", "automl.plugins"}
    assert set(loaded.split()) == allowed


def test_a_family_s_author_loads_no_library_that_the_family_does_not_need() -> None:
    code = (
        "import sys; from automl.plugins import Family, FitContext, Kind, Saved, Table, Task; "
        "print(*{'torch', 'sklearn', 'mlflow', 'optuna', 'pandas'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not loaded.split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_guides_import_from_the_doors_alone(page: Path) -> None:
    blocks = re.findall(r"^```python.*?\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)
    for node in (node for block in blocks for node in ast.walk(ast.parse(block))):
        if isinstance(node, ast.Import):
            homes = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            homes = [node.module or ""]
        else:
            continue
        inner = [home for home in homes if re.match(r"automl\b", home) and home not in DOORS]
        assert not inner, f"{page.name} imports {inner}"
