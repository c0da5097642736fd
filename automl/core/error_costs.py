"""Costs of wrong answers: a matrix by the true class and the answer, its metric, and how it is given."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError, UsageError, did_you_mean
from automl.core.formulas import Target
from automl.core.labels import Label, label_key
from automl.core.metrics import Metric
from automl.core.predictions import Predictions
from automl.core.weights import Weights, mean_of

Costs = tuple[tuple[float, ...], ...]
"""``costs[truth][answer]`` by class codes; a right answer costs nothing."""
COST = "cost"
"""Name of the metric."""
_ARROW = ">"


def expected_costs(probabilities: Predictions, costs: Costs) -> npt.NDArray[np.float64]:
    """``(rows, classes)`` what each answer is expected to cost, by the probabilities of the classes."""
    return np.asarray(np.asarray(probabilities, dtype=np.float64) @ np.array(costs))


def row_costs(target: Target, answers: Target, costs: Costs) -> npt.NDArray[np.float64]:
    """``(rows,)`` what the answers cost, given as codes as the target is."""
    return np.asarray(np.array(costs)[np.asarray(target, dtype=np.int64), answers])


@final
@dataclass(frozen=True)
class MeanCost:
    """The mean cost per row of the answers that are expected to cost least."""

    costs: Costs

    def __call__(self, target: Target, predictions: Predictions, weights: Weights | None = None) -> float:
        """The mean cost for probabilities ``(rows, classes)``."""
        answers = expected_costs(predictions, self.costs).argmin(axis=1)
        return mean_of(row_costs(target, answers, self.costs), weights)


def with_costs(metric: Metric | None, costs: Costs) -> Metric:
    """The metric of these costs; or another one, beside which they choose the answers.

    Parameters
    ----------
    metric:
        A metric of probabilities, or None for the mean cost itself.
    """
    if metric is not None:
        return replace(metric, costs=costs)
    return Metric(
        name=COST,
        greater_is_better=False,
        reads="labels",
        tasks=frozenset({"binary", "multiclass"}),
        function=MeanCost(costs),
        tunes_weights=True,
        costs=costs,
    )


def costs_text(given: Any, flag: str) -> str:
    """The costs that people give, as the one text that :func:`costs_of` reads.

    Parameters
    ----------
    given:
        ``fn=5,fp=1`` or ``cat>dog=5,…``; the path of a CSV file whose header names the answers and whose
        first column the true classes; or a mapping from ``"fn"``, ``"fp"``, ``"cat>dog"`` or
        ``("cat", "dog")``.

    Raises
    ------
    UsageError
        For anything else.
    DataError
        For a file that does not hold such a matrix.
    """
    if isinstance(given, Mapping):
        return _written((_pair(key), cost) for key, cost in given.items())
    if isinstance(given, os.PathLike) or (isinstance(given, str) and _is_file(given)):
        return _written(_matrix(Path(given)))
    if isinstance(given, str) and given.strip():
        return given.strip()
    raise UsageError(f"{flag}: costs are given as fn=5,fp=1, as cat>dog=5,dog>cat=1, or as a CSV file.")


def costs_of(text: str, labels: Sequence[Label]) -> Costs:
    """The matrix for these classes; what is not named costs 1.

    Raises
    ------
    UsageError
        For a pair of classes or a cost that cannot be, and for a class that would always be answered, as it
        costs nothing.
    """
    names = [label_key(label) for label in labels]
    places = {
        f"{truth}{_ARROW}{answer}": (i, j)
        for i, truth in enumerate(names)
        for j, answer in enumerate(names)
        if i != j
    }
    if len(names) == 2:
        places |= {"fn": (1, 0), "fp": (0, 1)}
    matrix = 1.0 - np.eye(len(names))
    for item in next(csv.reader([text], skipinitialspace=True)):
        name, _, value = item.rpartition("=")
        key = name.strip()
        if key not in places:
            allowed = "fn and fp, or " if len(names) == 2 else ""
            raise UsageError(
                f"--cost {item!r}: {allowed}TRUTH{_ARROW}ANSWER=COST is allowed, with classes of the target. "
                f"{did_you_mean(key, list(places)[:200])}"
            )
        matrix[places[key]] = _cost(value, item)
    free = [names[code] for code in np.flatnonzero(~matrix.any(axis=0))]
    if free:
        raise UsageError(
            f"--cost: the answer {free[0]!r} never costs anything, so that it would always be given. Next: "
            "state a cost above 0 for it."
        )
    return tuple(tuple(float(cost) for cost in row) for row in matrix)


def costs_words(costs: Costs, labels: Sequence[str]) -> str:
    """The costs other than 1, as ``no taken for yes: 5``; for a few of them, else their number."""
    stated = [
        f"{labels[i]} taken for {labels[j]}: {costs[i][j]:g}"
        for i in range(len(costs))
        for j in range(len(costs))
        if i != j and (costs[i][j] != 1 or len(costs) == 2)
    ]
    return (
        "; ".join(stated) if len(stated) <= 6 else f"{len(stated)} kinds of mistakes have a cost of their own"
    )


def _is_file(text: str) -> bool:
    return text.lower().endswith(".csv") or ("=" not in text and os.path.isfile(text))


def _pair(key: Any) -> str:
    if isinstance(key, tuple) and len(key) == 2:
        return f"{label_key(key[0])}{_ARROW}{label_key(key[1])}"
    return str(key)


def _written(items: Iterable[tuple[str, Any]]) -> str:
    """Items as one line of CSV, which names with commas can stand in."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([f"{name}={cost}" for name, cost in items])
    return line.getvalue()


def _matrix(path: Path) -> list[tuple[str, str]]:
    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, ValueError) as error:
        raise DataError(f"--cost {path} cannot be read: {error}.") from error
    answers = [name.strip() for name in rows[0][1:]] if rows else []
    listed = [row for row in rows[1:] if any(cell.strip() for cell in row)]
    if not answers or any(len(row) != len(answers) + 1 for row in listed):
        raise DataError(
            f"--cost {path}: the first line names the answers, and every further line has a true class and "
            "as many costs. Next: repair the file."
        )
    return [
        (f"{row[0].strip()}{_ARROW}{answer}", cost.strip())
        for row in listed
        for answer, cost in zip(answers, row[1:], strict=True)
        if row[0].strip() != answer and cost.strip()
    ]


def _cost(value: str, item: str) -> float:
    try:
        cost = float(value)
    except ValueError:
        cost = math.nan
    if not 0 <= cost < math.inf:
        raise UsageError(f"--cost {item!r}: a cost is a number of 0 or more.")
    return cost
