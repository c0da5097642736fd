"""The command line: parse, one call, print. The only part that knows click and rich."""

from automl.cli.process import main
from automl.cli.process_age import process_age

__all__ = ["main", "process_age"]
