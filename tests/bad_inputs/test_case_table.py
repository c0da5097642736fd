"""The table of cases in docs/reliability.md names all 95 of them, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.*?) ?\| (.*?) ?\|$", re.MULTILINE)


def test_every_case_has_its_row_and_every_named_test_exists():
    page = PAGE.read_text(encoding="utf-8")
    rows = ROW.findall(page[page.index("## The 95 cases") :])
    assert [int(number) for number, *_ in rows] == list(range(1, 96))
    lacking = [(number, "no test") for number, _, _, named in rows if not named.strip()]
    for number, _, _, named in rows:
        for entry in filter(None, re.split(r"; |, ", named)):
            file, _, test = entry.strip().partition(": ")
            path = TESTS / file.removeprefix("tests/") if "/" in file else Path(__file__).parent / file
            if not path.is_file() or f"def test_{test}" not in path.read_text(encoding="utf-8"):
                lacking.append((number, entry))
    assert not lacking
