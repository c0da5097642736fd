"""Addresses of Ray clusters: checked before Ray is asked, which takes a minute to say that nobody answers."""

from __future__ import annotations

import socket
from contextlib import suppress

from automl.core.errors import ClusterError, UsageError

CLIENT = "ray://"
AUTO = "auto"
_SECONDS = 5.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ANYWHERE = ("192.0.2.1", 9)  # of a network for documents; nothing is sent there


def check_address(address: str, *, option: str = "--address") -> None:
    """Check that something answers.

    Parameters
    ----------
    option:
        Word for where the address was given.

    Raises
    ------
    UsageError
        For what is not an address.
    ClusterError
        When nothing answers there.
    """
    if address in ("", AUTO):
        return
    host, port = _parts(address, option)
    try:
        socket.create_connection((host, port), _SECONDS).close()
    except OSError as error:
        raise ClusterError(
            f"No Ray cluster answers at {address}: {error.strerror or error}. "
            "Next: check the address, or start one there with `ray start --head`."
        ) from error


def answers_loopback_only(address: str) -> bool:
    """Tell whether a cluster of this machine is closed to others: Ray looks at the outer address."""
    if address == AUTO or address.startswith(CLIENT):
        return False
    host, port = _parts(address)
    if host not in _LOOPBACK:
        return False
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outer:
        outer.connect(_ANYWHERE)
        socket.create_connection((outer.getsockname()[0], port), _SECONDS).close()
        return False
    return True


def _parts(address: str, option: str = "--address") -> tuple[str, int]:
    host, _, port = address.removeprefix(CLIENT).rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise UsageError(
            f"{option} {address!r} is not an address of a Ray cluster. "
            f"Allowed: HOST:PORT (Ray's port is 6379), {CLIENT}HOST:PORT (10001), or {AUTO}."
        )
    return host.strip("[]"), int(port)
