"""Versions of Python and of the libraries: what a node must have in common with the controller."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from automl.core.metrics import metric_offers
from automl.core.task_choice import task_offers
from automl.core.version import installed_versions
from automl.data.modalities import modality_offers
from automl.families import family_offers

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


def plug_ins_here() -> tuple[str, ...]:
    """Packages that bring what problems and trials name, as ``NAME==VERSION``."""
    kinds = (family_offers(), task_offers(), metric_offers(), modality_offers())
    return tuple(sorted({package for kind in kinds for package in kind.requirements.values()}))


def refusal_of(node: str, versions: Mapping[str, str], plug_ins: Sequence[str]) -> str:
    """The reason why a node with these versions and plug-ins cannot take part; empty if it can."""
    other = differences(versions, versions_here())
    if other:
        return (
            f"Node {node} has other versions: {', '.join(other)}. Trials there would not be those of "
            "this machine. Next: install the same versions on both."
        )
    missing = sorted(set(plug_ins_here()) - set(plug_ins))
    if missing:
        return (
            f"Node {node} lacks the plug-ins {', '.join(missing)}. Next: install the same packages there too."
        )
    return ""


def differences(theirs: Mapping[str, str], ours: Mapping[str, str]) -> list[str]:
    """Phrases such as ``numpy 2.1.0 (here 2.4.1)``; empty where a node has what this process has."""
    return [
        f"{name} {theirs.get(name) or 'is missing'} (here {wanted})"
        for name, wanted in ours.items()
        if wanted and theirs.get(name, "") != wanted
    ]
