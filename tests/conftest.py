"""Fixtures that all tests share; they are written in ``searched.py``, which tests may import from too."""

from searched import _no_tracking_server, finished_trials, fresh_trials, recorded

__all__ = ["_no_tracking_server", "finished_trials", "fresh_trials", "recorded"]
