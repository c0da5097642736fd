"""The version of this package, and of the libraries beside it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

__version__ = "0.1.0"

_LIBRARIES = ("numpy", "pandas", "scikit-learn", "xgboost", "lightgbm", "catboost", "torch", "skops")


@cache
def library_versions(*more: str) -> dict[str, str]:
    """The version of this package and of the installed libraries that a model is made and read with.

    Parameters
    ----------
    more:
        Further distributions to name, where they are installed.
    """
    return {"automl": __version__, **installed_versions((*_LIBRARIES, *more))}


def installed_versions(distributions: Iterable[str]) -> dict[str, str]:
    """The versions of those of the distributions that are installed here."""
    from importlib.metadata import PackageNotFoundError, version

    versions = {}
    for name in distributions:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
