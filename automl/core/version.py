"""The version of this package, and of the libraries beside it."""

from __future__ import annotations

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
    from importlib.metadata import PackageNotFoundError, version

    versions = {"automl": __version__}
    for library in (*_LIBRARIES, *more):
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
