"""The command line: parse, one call, print. The only part that knows click and rich."""

from automl.cli.process import main

__all__ = ["main"]
