"""Print the content of a new ``.env``: that of ``.env.example``, with passwords that were just made."""

from __future__ import annotations

import secrets
from pathlib import Path


def main() -> None:
    """Fill in every variable that has no value."""
    example = Path(__file__).with_name(".env.example")
    for line in example.read_text(encoding="utf-8").splitlines():
        empty = line.endswith("=") and not line.startswith("#")
        print(f"{line}{secrets.token_urlsafe(24)}" if empty else line)


if __name__ == "__main__":
    main()
