"""Numbers and addresses as people read them."""

from __future__ import annotations

from urllib.parse import urlsplit


def duration(seconds: float) -> str:
    """``0.4s``, ``12s``, ``3m05s``, ``2h10m``."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    if seconds < 120:
        return f"{seconds:.0f}s"
    if seconds < 7200:
        return f"{int(seconds // 60)}m{int(seconds % 60):02d}s"
    return f"{int(seconds // 3600)}h{int(seconds % 3600 // 60):02d}m"


def score_text(value: float) -> str:
    """Five significant digits."""
    return f"{value:.5g}"


def label_text(label: object) -> str:
    """A class as people write it: ``3`` for a column of whole numbers that was read as 3.0."""
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return str(label)


def size_text(size: float) -> str:
    """``812 B``, ``3.4 MB``."""
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return ""


def without_password(uri: str) -> str:
    """The URI with stars in the place of a password."""
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    user, _, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}").geturl()
