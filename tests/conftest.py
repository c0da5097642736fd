"""Fixtures that all tests share; they are written in ``searched.py``, which tests may import from too."""

import os
import signal

# Before a library starts its threads: those that wait must sleep. Two processes of tests have two cores, and
# a search of linear models and LightGBM in one of them took 77 s of processor time where spinning threads
# waited for one another, and 6 s in workers, whose threads sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from hypothesis import settings
from searched import _no_tracking_server, finished_trials, fresh_trials, recorded

__all__ = ["_no_tracking_server", "finished_trials", "fresh_trials", "recorded"]

# A shell starts what runs in its background with Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples in every run, so that a change and not a draw turns a test red; `-m slow` draws new ones.
settings.register_profile("stable", derandomize=True)
settings.load_profile("stable")
