"""Versions of Python and of the libraries: what a node must have in common with the controller."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from automl.core.version import installed_versions

PYTHON = "python"
# Models are fitted with these on the nodes and opened with them here.
LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "lightgbm",
    "xgboost",
    "catboost",
    "torch",
    "torchvision",
    "timm",
    "safetensors",
    "skops",
    "pyarrow",
    "pandas",
    "pillow",
)


def versions_here() -> dict[str, str]:
    """The version of each in this process's environment; empty for what is not installed.

    Python's by its first two numbers, and a library's without the part behind ``+``, which tells builds for a
    processor from builds for a GPU.
    """
    installed = installed_versions(LIBRARIES)
    return {
        PYTHON: ".".join(map(str, sys.version_info[:2])),
        **{name: installed.get(name, "").partition("+")[0] for name in LIBRARIES},
    }


def differences(theirs: Mapping[str, str], ours: Mapping[str, str]) -> list[str]:
    """Phrases such as ``numpy 2.1.0 (here 2.4.1)``; empty where a node has what this process has."""
    return [
        f"{name} {theirs.get(name) or 'is missing'} (here {wanted})"
        for name, wanted in ours.items()
        if wanted and theirs.get(name, "") != wanted
    ]
