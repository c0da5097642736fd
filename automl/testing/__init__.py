"""Contract checks for authors of plug-ins: :func:`check_family` and :func:`check_executor` by assertions."""

from automl.testing.executors import check_executor
from automl.testing.families import check_family

__all__ = ["check_executor", "check_family"]
