"""Fixtures that all tests share; they are written in ``searched.py``, which tests may import from too."""

from hypothesis import settings
from searched import _no_tracking_server, finished_trials, fresh_trials, recorded

__all__ = ["_no_tracking_server", "finished_trials", "fresh_trials", "recorded"]

# The same examples in every run, so that a change and not a draw turns a test red; `-m slow` draws new ones.
settings.register_profile("stable", derandomize=True)
settings.load_profile("stable")
