"""Messages to the controller, sent by a thread of their own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Speaker:
    """Sends messages in their order and lets nobody wait for the other end to read them.

    The controller may be handing over many trials, and read nothing meanwhile: who waited for it here could
    not take these trials, and both would wait for ever.

    Parameters
    ----------
    lost:
        Called once the other end is gone.
    """

    def __init__(self, connection: Connection, lost: Callable[[], None]) -> None:
        self._connection = connection
        self._lost = lost
        self._messages: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="automl-speaker", daemon=True).start()

    def send(self, message: Any) -> None:
        """Send it soon."""
        self._messages.put(message)

    def _run(self) -> None:
        while True:
            try:
                self._connection.send(self._messages.get())
            except OSError:
                self._lost()
                return
