"""Lessons of a search from its trials, on disk: a process that resumes it need not compute them again."""

from __future__ import annotations

import json
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import final

from automl.controller.disk_errors import disk_errors
from automl.controller.strategy.learner import Lesson


@final
class LessonFile:
    """Lessons in the order in which they were learned, one line each.

    What a lesson says follows from the trials that were learned from before it, so an earlier process's count
    for as long as the trials come in the same order. A line that was not written in full, and all after it,
    are learned anew.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._earlier = deque(_read(path))
        self._known: list[Lesson] = []
        self._begun = False

    def recall(self, number: int) -> Lesson | None:
        """The lesson of this trial where an earlier process learned it at this point; None else."""
        if self._earlier and self._earlier[0].number == number:
            self._known.append(self._earlier.popleft())
            return self._known[-1]
        return None

    def note(self, lesson: Lesson) -> None:
        """Add a lesson; those of an earlier process that were not recalled by now are dropped."""
        with disk_errors(self._path), self._path.open("a" if self._begun else "w", encoding="utf-8") as file:
            file.writelines(map(_line, (*self._known, lesson)))
        self._begun = True
        self._earlier.clear()
        self._known.clear()


def _line(lesson: Lesson) -> str:
    return f"{json.dumps(asdict(lesson))}\n"


def _read(path: Path) -> list[Lesson]:
    lessons: list[Lesson] = []
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    with suppress(ValueError, KeyError, TypeError):  # the line that was being written
        for line in lines:
            body = json.loads(line)
            lessons.append(Lesson(**{**body, "bag": tuple(body["bag"])}))
    return lessons
