"""What the tests of reports share: a finished search, and a table with names that mean something in HTML."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from automl.controller.result import SearchResult
from automl.tracker.reading.query import Record
from automl.tracker.store.location import locate_store

HOSTILE_COLUMN = "<script>alert(1)</script>"
HOSTILE_CLASS = "<img src=x onerror=alert(2)>"


@dataclass(frozen=True)
class Searched:
    """A search, where it was made and what it returned."""

    folder: Path
    name: str
    result: SearchResult

    @property
    def store(self) -> Path:
        return self.folder / "mlruns"

    @property
    def record(self) -> Record:
        return Record(locate_store(None, self.store))


def hostile_frame(rows: int = 240) -> pd.DataFrame:
    """One feature that tells the class, one that does not, and names that mean something in HTML and TeX."""
    rng = np.random.default_rng(0)
    target = rng.integers(0, 3, rows)
    frame = pd.DataFrame(
        {
            HOSTILE_COLUMN: target + 0.4 * rng.normal(size=rows),
            "$a_{1}$ & \"b\" 'c'": rng.normal(size=rows),
            "日本語": rng.choice(["ja", "<b>nein", "$x$"], rows),
        }
    )
    frame["class"] = np.array([HOSTILE_CLASS, "a & b", "plain"])[target]
    return frame


def texts_frame(rows: int = 160) -> pd.DataFrame:
    """Short letters in four scripts, happy or sad by one phrase; one in ten labels is wrong."""
    rng = np.random.default_rng(3)
    phrases = {
        "happy": ("a superb day", "يوم رائع جدا", "とても楽しい一日でした", "что за чудесный день"),
        "sad": ("a dreadful day", "يوم سيئ جدا", "とても悲しい一日でした", "что за ужасный день"),
    }
    around = ("we went to the river", "ذهبنا إلى النهر", "私たちは川へ行きました", "мы пошли к реке")
    lines = []
    for number in range(rows):
        mood, script = ("happy", "sad")[number % 2], int(rng.integers(4))
        markup = "<b onclick=alert(1)>&amp;</b> " if number % 5 == 0 else ""
        text = f"{markup}{around[script]} {number}. {phrases[mood][script]}!"
        lines.append((text, rng.normal(), mood if rng.random() > 0.1 else ("sad", "happy")[number % 2]))
    return pd.DataFrame(lines, columns=["letter", "length", "mood"])
