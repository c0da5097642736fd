"""Contract checks for authors of plug-ins, by assertions: of families, executors, tasks and metrics."""

from automl.testing.executors import check_executor
from automl.testing.families import check_family
from automl.testing.tasks import check_metric, check_task

__all__ = ["check_executor", "check_family", "check_metric", "check_task"]
