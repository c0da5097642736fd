"""Write a new ``deploy/.env``: that of ``.env.example``, with passwords that were just made.

The file is for the eyes of its owner alone, and one that is there already is not touched: a database keeps
the password that it was made with.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

HERE = Path(__file__).parent


def filled_in(example: str) -> str:
    """The example with a password for every variable that has no value."""
    lines = []
    for line in example.splitlines():
        empty = line.endswith("=") and not line.startswith("#")
        lines.append(f"{line}{secrets.token_urlsafe(24)}" if empty else line)
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Write a new .env with passwords that were just made.")
    parser.add_argument("file", nargs="?", type=Path, default=HERE / ".env")
    file = parser.parse_args().file
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        print(
            f"{file} is there already; its passwords are in use. Remove it first to make new ones.",
            file=sys.stderr,
        )
        return 1
    with open(handle, "w", encoding="utf-8") as out:
        out.write(filled_in((HERE / ".env.example").read_text(encoding="utf-8")))
    print(f"Wrote {file}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
