"""The age of this process, as the user's clock counts it: imports and the start of Python included."""

from __future__ import annotations

import os
import time

from automl.core.processor_share import seconds_wanted

_NOTED = time.monotonic()
# By the system's record, a process may have begun as a shell: `sh -c 'pip install … && automl search …'`
# becomes its last command, and the search would lose the minutes of those before. The shell slept through
# them; the time that a process ran and waited for a processor does not hold them.
_BEFORE = seconds_wanted(os.getpid())


def process_age() -> float:
    """Seconds since this process began to run Python."""
    return _BEFORE + time.monotonic() - _NOTED
