"""A champion whose every prediction takes time on a clock of its own, so that no test waits for it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from automl.core.table import Features, Table
from automl.core.task_choice import choose_task
from automl.data.layout import Layout
from automl.model import prediction_pace
from automl.report.facts import explain as explaining
from automl.report.facts import shuffling
from automl.report.facts.evidence import Evidence, Sample, Story
from automl.report.facts.explain import Explanation, explain

ROWS = 300


@dataclass
class SlowModel:
    """Predicts the weighted sum of its columns, at so many seconds a row."""

    weights: np.ndarray
    seconds_per_row: float
    clock: SimpleNamespace
    seconds_per_call: float = 0.0
    seconds_to_open: float = 0.0

    def predict(self, table: Table) -> np.ndarray:
        self.clock.now += self.seconds_to_open + self.seconds_per_call + self.seconds_per_row * table.rows
        self.seconds_to_open = 0.0
        return (table.numbers @ self.weights)[:, None]


@dataclass
class SlowMember:
    folder: Path
    folds: list[SlowModel]
    family: str = "linear"
    weight: float = 1.0
    numbers: tuple[int, ...] = (0,)
    log_targets: tuple[None, ...] = (None,)


@dataclass
class SlowChampion:
    """Columns ``c0``, ``c1``, … with the weights given by their numbers; the others say nothing."""

    folder: Path
    columns: int
    weights: dict[int, float]
    clock: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(now=0.0))
    members: list[Any] = field(default_factory=list)
    layout: Layout = field(default_factory=lambda: Layout(columns=(), plans=()))

    def member(
        self,
        seconds_per_row: float,
        family: str = "linear",
        weight: float = 1.0,
        *,
        per_call: float = 0.0,
        to_open: float = 0.0,
    ) -> SlowChampion:
        (self.folder / "member.json").write_text(json.dumps({"repeat": 0}))
        model = SlowModel(self._vector(), seconds_per_row, self.clock, per_call, to_open)
        self.members.append(SlowMember(self.folder, [model], family, weight))
        return self

    def preload(self) -> SlowChampion:
        return self

    def explained(self, monkeypatch: pytest.MonkeyPatch, *, seconds: float) -> Explanation:
        """With a clock that its predictions alone move."""
        clock = SimpleNamespace(monotonic=lambda: self.clock.now)
        monkeypatch.setattr(prediction_pace, "time", clock)
        monkeypatch.setattr(shuffling, "time", clock)
        monkeypatch.setattr(explaining, "time", clock)
        found = explain(self, self._evidence(), seconds=seconds)  # type: ignore[arg-type]
        assert found is not None
        assert self.clock.now < 1.5 * seconds
        return found

    def _vector(self) -> np.ndarray:
        vector = np.zeros(self.columns)
        for place, weight in self.weights.items():
            vector[place] = weight
        return vector

    def _evidence(self) -> Evidence:
        rng = np.random.default_rng(0)
        numbers = rng.normal(size=(ROWS, self.columns))
        target = numbers @ self._vector() + 0.1 * rng.normal(size=ROWS)
        places = np.arange(ROWS)
        features = Features(tuple(f"c{place}" for place in range(self.columns)))
        table = Table(features, numbers, np.zeros((ROWS, 0), dtype=np.int32))
        story = Story(
            began=0.0,
            trials_to=1.0,
            ended=1.0,
            slots=1,
            data_digest="",
            data_rows=ROWS,
            task_reason="",
            metric_reason="",
            split_reason="",
            test_source="",
            members=(),
            class_weights=(),
            standard_error=0.0,
        )
        folds = np.zeros((1, ROWS), dtype=np.int16)
        task = choose_task(target).task
        raw = (numbers @ self._vector())[:, None]
        return Evidence(
            task=task,
            target=target,
            raw=raw,
            positions=places,
            rows=places,
            folds=folds,
            story=story,
            sample=Sample(places, table),
        )
