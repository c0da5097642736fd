"""The evidence for a report that no run's metrics hold, kept as two small files on the search's run."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from automl.core.metrics import Metric
from automl.core.predictions import Predictions
from automl.core.table import Table
from automl.core.task_choice import task_from_json
from automl.core.tasks import Encoded, Task
from automl.core.time_budget import Clock
from automl.core.trial import Trial
from automl.core.weights import Weights
from automl.data.modalities import modalities
from automl.model.champion import Champion
from automl.model.conformal import Coverage
from automl.model.decision import Decision
from automl.problem.preparation import Prepared

ARRAYS = "evidence/arrays.npz"
STORY = "evidence/story.json"
FORMAT = 1
SAMPLE_ROWS = 1000
_CELLS = 4_000_000
_MOST_ROWS = 200_000

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Story:
    """The decisions and observations of a search, in words and numbers, as plain data.

    Attributes
    ----------
    began:
        Unix time at which the search's clock began.
    trials_to, ended:
        Seconds from then until the last trial was over, and until the champion was chosen.
    slots:
        Trials that ran at once.
    members:
        The champion's trials: ``trial``, ``family``, ``weight``, ``repeat``.
    columns:
        ``name``, ``kind``, ``reason`` of every input column.
    findings:
        ``code``, ``column``, ``severity``, ``evidence``, ``remedy`` of the data checks.
    temperature, log_losses:
        Of the calibration, see :class:`automl.model.decision.Decision`.
    coverage, coverage_untouched, holds_for:
        Intervals or sets of classes at some levels, see :class:`automl.model.conformal.Coverage`.
    weighting:
        The weights of the rows, in one line; empty where each counts once.
    """

    began: float
    trials_to: float
    ended: float
    slots: int
    data_digest: str
    data_rows: int
    task_reason: str
    metric_reason: str
    split_reason: str
    test_source: str
    members: tuple[dict[str, Any], ...]
    class_weights: tuple[float, ...]
    standard_error: float
    notes: tuple[str, ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    columns: tuple[dict[str, Any], ...] = ()
    coverage: tuple[dict[str, Any], ...] = ()
    coverage_untouched: bool = False
    holds_for: str = ""
    temperature: float = 1.0
    log_losses: tuple[float, ...] = ()
    weighting: str = ""


@dataclass(frozen=True)
class Sample:
    """A sample of the judged rows with their features; ``places`` are positions in the evidence's arrays."""

    places: Rows
    table: Table


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The champion's held-out predictions with the true values, for at most 200,000 rows.

    Attributes
    ----------
    target:
        Encoded truth of the judged rows, ``(rows,)``.
    raw:
        The champion's held-out predictions ``(rows, n_outputs)``: calibrated, class weights not applied.
    positions:
        Positions of these rows in the held-out predictions of a trial.
    rows:
        Their places among the usable rows of the data, from 0.
    folds:
        ``(deals, rows)``: the fold that held each row out, for every deal of the folds.
    sample:
        Features of some rows, in the search's own process or after the data was read again.
    paths, same_as:
        For rows that are images: their paths, and the path of an earlier judged row with the identical image
        (or an empty text). None for tables without images.
    weights:
        Of these rows, ``(rows,)``; None where each counts once.
    numbers:
        Of these rows in the file, from 1, those that were left out included; None for rows with labels of the
        user's own, and in records of earlier versions until the data is read again.
    """

    task: Task
    target: Encoded
    raw: Predictions
    positions: Rows
    rows: Rows
    folds: npt.NDArray[np.int16]
    story: Story
    sample: Sample | None = field(default=None, repr=False)
    paths: npt.NDArray[np.str_] | None = field(default=None, repr=False)
    same_as: npt.NDArray[np.str_] | None = field(default=None, repr=False)
    weights: Weights | None = field(default=None, repr=False)
    numbers: Rows | None = field(default=None, repr=False)

    def number(self, place: int) -> int:
        """The number by which people find this row in their file; among the usable rows if it has labels."""
        return int(self.rows[place]) + 1 if self.numbers is None else int(self.numbers[place])

    @property
    def decision(self) -> Decision:
        """The champion's decision."""
        return Decision(
            class_weights=self.story.class_weights,
            temperature=self.story.temperature,
            log_losses=self.story.log_losses,
            costs=self.task.metric.costs,
        )

    @property
    def predictions(self) -> Predictions:
        """Held-out predictions that are greatest for the class that is answered; of numbers, the values."""
        return self.decision.answers(np.asarray(self.raw, dtype=np.float64))

    def judged(self, metric: Metric) -> Predictions:
        """Held-out predictions as a metric reads them: probabilities as they are given, or the answers."""
        raw = np.asarray(self.raw, dtype=np.float64)
        if metric.name == self.task.metric.name:
            return self.decision.weighted(raw)
        return self.decision.answers(raw) if metric.reads == "labels" else raw

    def files(self) -> dict[str, bytes]:
        """Contents of the files that :meth:`load` reads, by their names on the search's run."""
        buffer = io.BytesIO()
        arrays: dict[str, npt.NDArray[Any]] = {
            "target": self.target,
            "raw": self.raw,
            "positions": self.positions,
        }
        further = {
            "paths": self.paths,
            "same_as": self.same_as,
            "weights": self.weights,
            "numbers": self.numbers,
        }
        arrays |= {name: array for name, array in further.items() if array is not None}
        np.savez(buffer, rows=self.rows, folds=self.folds, **arrays)  # type: ignore[arg-type]
        body = {"format": FORMAT, "task": self.task.to_json(), **asdict(self.story)}
        return {ARRAYS: buffer.getvalue(), STORY: json.dumps(body, indent=1, default=str).encode()}

    @classmethod
    def load(cls, arrays: bytes, story: bytes) -> Evidence | None:
        """Read what :meth:`files` wrote; None for the format of another version."""
        body = json.loads(story)
        if body.pop("format") != FORMAT:
            return None
        task = task_from_json(body.pop("task"))
        tuples = {name: tuple(value) for name, value in body.items() if isinstance(value, list)}
        with np.load(io.BytesIO(arrays), allow_pickle=False) as kept:
            return cls(
                task=task,
                target=kept["target"],
                raw=kept["raw"],
                positions=kept["positions"],
                rows=kept["rows"],
                folds=kept["folds"],
                story=Story(**{**body, **tuples}),
                paths=kept.get("paths"),
                same_as=kept.get("same_as"),
                weights=kept.get("weights"),
                numbers=kept.get("numbers"),
            )

    def with_sample(self, sample: Sample) -> Evidence:
        """A copy with features of some rows."""
        return replace(self, sample=sample)

    def sample_places(self, seed: int = 0) -> Rows:
        """Positions of the rows of a sample: the same each time, in ascending order."""
        rows = len(self.target)
        if rows <= SAMPLE_ROWS:
            return np.arange(rows)
        return np.sort(np.random.default_rng(seed).choice(rows, SAMPLE_ROWS, replace=False))


def gather(
    prepared: Prepared,
    champion: Champion,
    trials: Mapping[int, Trial],
    *,
    clock: Clock,
    trials_to: float,
    slots: int,
    coverage: Coverage | None = None,
) -> Evidence:
    """The evidence at the end of a search, from what is in memory; it takes milliseconds.

    ``trials_to`` is the second at which the last trial was over, ``slots`` the number that ran at once.
    """
    problem = prepared.problem
    scored = problem.split.scored
    raw = champion.held_out
    most = max(1000, min(_MOST_ROWS, _CELLS // raw.shape[1]))
    positions = np.arange(len(scored))
    if len(scored) > most:
        positions = np.sort(np.random.default_rng(0).choice(len(scored), most, replace=False))
    rows = scored[positions]
    usable = rows if prepared.kept is None else prepared.kept[rows]
    deals = (problem.split, *problem.repeats)
    folds = np.full((len(deals), len(problem.target)), -1, dtype=np.int16)
    for deal, split in enumerate(deals):
        for number, fold in enumerate(split.folds):
            folds[deal, fold.valid] = number
    evidence = Evidence(
        task=prepared.task,
        target=problem.target[rows],
        raw=raw[positions].astype(prepared.task.dtype),
        positions=positions,
        rows=usable,
        folds=folds[:, rows],
        story=replace(
            _story(prepared, champion, trials, clock=clock, trials_to=trials_to, slots=slots),
            **_coverage_words(coverage),
        ),
        paths=None if prepared.paths is None else prepared.paths[rows].astype(np.str_),
        same_as=_same_files(prepared, rows),
        weights=problem.weights_of(rows),
        numbers=None if prepared.numbers is None else prepared.numbers[usable],
    )
    places = evidence.sample_places()
    return evidence.with_sample(Sample(places, problem.table.take(rows[places])))


def _coverage_words(coverage: Coverage | None) -> dict[str, Any]:
    if coverage is None:
        return {}
    return {
        "coverage": tuple(asdict(item) for item in coverage.measured),
        "coverage_untouched": coverage.untouched,
        "holds_for": coverage.holds_for,
    }


def _same_files(prepared: Prepared, rows: Rows) -> npt.NDArray[np.str_] | None:
    """The path of an earlier row with the same file, byte for byte; empty where there is none."""
    if prepared.paths is None:
        return None
    files = prepared.problem.table.files
    # Equal files have equal references; the paths are those of the first kind.
    references = next(files[kind][0] for kind in modalities() if files.get(kind))
    first: dict[str, int] = {}
    for row in rows:
        first.setdefault(str(references[row]), int(row))
    earliest = [first[str(references[row])] for row in rows]
    names = [
        "" if place == row else str(prepared.paths[place]) for place, row in zip(earliest, rows, strict=True)
    ]
    return np.array(names, dtype=np.str_)


def _story(
    prepared: Prepared,
    champion: Champion,
    trials: Mapping[int, Trial],
    *,
    clock: Clock,
    trials_to: float,
    slots: int,
) -> Story:
    candidates = {number: trials[number].candidate for number in champion.weights}
    return Story(
        began=time.time() - clock.elapsed,
        trials_to=trials_to,
        ended=clock.elapsed,
        slots=slots,
        data_digest=prepared.digest,
        data_rows=prepared.rows,
        task_reason=prepared.choice.reason,
        metric_reason=prepared.choice.metric_reason,
        split_reason=prepared.problem.split.reason,
        test_source="" if prepared.test is None else prepared.test.source,
        members=tuple(
            {
                "trial": number,
                "family": candidates[number].family,
                "weight": weight,
                "repeat": candidates[number].repeat,
            }
            for number, weight in champion.weights.items()
        ),
        class_weights=champion.decision.class_weights,
        temperature=champion.decision.temperature,
        log_losses=champion.decision.log_losses,
        standard_error=champion.standard_error,
        notes=prepared.notes,
        findings=tuple(asdict(finding) for finding in prepared.findings),
        columns=tuple(
            {"name": column.name, "kind": str(column.kind), "reason": column.reason}
            for column in prepared.layout.columns
        ),
        weighting=prepared.weighting,
    )
