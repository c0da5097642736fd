"""Python processes of our own: they find the package as this one does, and import nothing of the user's."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

# The package itself may lie where the import path does not lead: `python -m automl` in a copy of its source.
_CODE = (
    "import sys, json; path, home, module = json.loads(sys.argv[1]); "
    "sys.path[:] = path if home in path else [home, *path]; import automl; sys.path[:] = path; "
    "from importlib import import_module; import_module(module).main(sys.argv[2])"
)
HOME = str(Path(__file__).resolve().parents[2])
"""The folder that the package is in."""
# A file of the working directory, such as random.py, must not replace a library in a child or in its own
# children: multiprocessing's resource tracker, whatever a library starts with `python -c`.
SAFE_PATH = {"PYTHONSAFEPATH": "1"}


def import_path() -> list[str]:
    """The folders that modules are imported from here, by their whole names."""
    return [path or os.getcwd() for path in sys.path]


def python_command(module: str, argument: str) -> list[str]:
    """The command that runs ``main(argument)`` of a module of the package."""
    return [sys.executable, "-P", "-c", _CODE, json.dumps([import_path(), HOME, module]), argument]
