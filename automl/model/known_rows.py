"""New rows that equal training rows: their known targets are blended with the models' predictions.

Copies stay on one side of every fold, so that no score profits from rows that a model has seen, and the
models are chosen for rows that are new. Where a table repeats itself and the repeats agree, new data will
repeat it too: a row equal to a training row is then answered mostly with that row's target, the nearest
neighbour at distance zero. The weight of its twins is measured on the training rows themselves: each row's
twins without the row, against the held-out predictions that were made without any of them. Rows whose twins
stood on the other side (combinations of few values, see :mod:`automl.data.repeats`, or folds that were given)
measure nothing and are not kept: the models have learned from their twins already.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from automl.core.folds import Split
from automl.core.predictions import Answer, Predictions
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights, mean_of, weights_of
from automl.data.digest import row_hashes
from automl.families.preprocess.saved import Saved

EVIDENCE = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
FEWEST_TWINS = 50
MOST_CELLS = 50_000_000
CLEAR_Z = 2.0
_ROUNDING = 1e-9  # of the weights of rows behind a known one


@final
@dataclass(frozen=True)
class KnownRows(Saved):
    """The targets of the training rows by the rows' hashes.

    Attributes
    ----------
    hashes:
        ``(known rows,)`` uint64, ascending (see :func:`automl.data.digest.row_hashes`).
    means:
        ``(known rows, n_outputs)``: class shares in float32, or the mean value in float64.
    counts:
        ``(known rows,)``: how many training rows stand behind each, int32; float64 of weighted rows.
    evidence:
        Weight of one twin where the models have weight 1.
    gain:
        Share by which the twins lower the mean loss of the training rows that have any.
    """

    hashes: npt.NDArray[np.uint64]
    means: npt.NDArray[np.floating]
    counts: npt.NDArray[Any]
    evidence: float
    gain: float

    @classmethod
    def measured(
        cls,
        table: Table,
        target: Encoded,
        task: Task,
        split: Split,
        held_out: Predictions,
        weights: Weights | None = None,
    ) -> KnownRows | None:
        """The known rows of a training table, or None where twins do not clearly help.

        Parameters
        ----------
        table, target:
            All training rows.
        split, held_out:
            The folds, and the predictions ``(scored, n_outputs)`` of the rows that they hold out.
        weights:
            Of the rows, ``(rows,)``: what a twin counts, and how much a row's loss. None for 1 each.
        """
        if table.rows * task.n_outputs > MOST_CELLS:
            return None
        hashes, group, counts = np.unique(row_hashes(table), return_inverse=True, return_counts=True)
        apart = _stood_apart(group, split)
        scored = split.scored
        twins = (counts[group[scored]] > 1) & ~apart[group[scored]]
        if twins.sum() < FEWEST_TWINS:
            return None
        answers = task.as_predictions(target)
        if weights is not None:
            answers, counts = answers * weights[:, None], np.bincount(group, weights)
        sums = np.zeros((len(hashes), task.n_outputs))
        np.add.at(sums, group, answers)
        rows = scored[twins]
        own = weights_of(weights, rows)
        others = counts[group[rows]] - (1 if own is None else own)
        targets = (sums[group[rows]] - answers[rows]) / others[:, None]
        alone = task.row_losses(target[rows], held_out[twins])
        best: tuple[float, float] | None = None
        for evidence in EVIDENCE:
            both = _blend(held_out[twins], targets, others * evidence)
            saved = alone - task.row_losses(target[rows], both)
            if own is not None:
                saved = saved * own / own.mean()
            if _is_clear(saved, group[rows]) and (best is None or saved.mean() > best[0]):
                best = float(saved.mean()), evidence
        if best is None:
            return None
        means: Predictions = (sums / counts[:, None]).astype(task.dtype)
        share = best[0] / mean_of(alone, own)  # of a loss that is above 0, as something was saved
        kept = ~apart
        behind = counts[kept].astype(np.int32 if weights is None else np.float64)
        return cls(hashes[kept].astype(np.uint64), means[kept], behind, best[1], share)

    def extended(
        self, table: Table, target: Encoded, task: Task, weights: Weights | None = None
    ) -> KnownRows:
        """These rows and further ones that no model has seen, which count alike.

        Predictions for rows that are new do not change.
        """
        hashes, group = np.unique(np.concatenate([self.hashes, row_hashes(table)]), return_inverse=True)
        further = np.ones(table.rows, dtype=np.int32) if weights is None else weights
        behind = np.concatenate([self.counts, further])
        answers = np.concatenate([self.means, task.as_predictions(target)])
        sums = np.zeros((len(hashes), answers.shape[1]))
        np.add.at(sums, group, answers * behind[:, None])
        counts = np.bincount(group, behind)
        means = (sums / counts[:, None]).astype(self.means.dtype)
        return replace(self, hashes=hashes, means=means, counts=counts.astype(behind.dtype))

    def join(self, table: Table, predictions: Predictions) -> npt.NDArray[np.float64]:
        """Predictions ``(rows, n_outputs)`` of models, blended with the known targets of equal rows."""
        joined = np.array(predictions, dtype=np.float64)
        place, equal = self._places(table)
        joined[equal] = _blend(joined[equal], self.means[place], self.counts[place] * self.evidence)
        return joined

    def join_as_new(
        self,
        table: Table,
        target: Encoded,
        task: Task,
        predictions: Predictions,
        weights: Weights | None = None,
    ) -> npt.NDArray[np.float64]:
        """Held-out predictions of training rows, each blended with the known targets of its equals only.

        They are what the row would get if it were new; its own target is taken out again.

        Parameters
        ----------
        table, target, predictions, weights:
            Of the held-out rows, which must be among those that are known.
        """
        joined = np.array(predictions, dtype=np.float64)
        place, equal = self._places(table)
        rows = np.flatnonzero(equal)
        own = np.ones(len(rows)) if weights is None else weights[rows]
        behind = self.counts[place].astype(np.float64)
        others = behind - own
        twins = others > _ROUNDING * behind
        rows, others = rows[twins], others[twins]
        answers = task.as_predictions(target[rows]) * own[twins][:, None]
        means = (self.means[place[twins]] * behind[twins][:, None] - answers) / others[:, None]
        if task.answer is Answer.CLASSES:
            means = np.clip(means, 0.0, 1.0)  # shares are kept in float32
        joined[rows] = _blend(joined[rows], means, others * self.evidence)
        return joined

    def _places(self, table: Table) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """The places of the rows that are known, and which rows these are, ``(rows,)``."""
        wanted = row_hashes(table)
        at = np.minimum(np.searchsorted(self.hashes, wanted), len(self.hashes) - 1)
        equal = self.hashes[at] == wanted
        return at[equal], equal


def _stood_apart(group: npt.NDArray[np.int64], split: Split) -> npt.NDArray[np.bool_]:
    """Per group whether one of its rows trained a model that judged another one of them."""
    fold = np.full(len(group), -1, dtype=np.int64)
    for number, part in enumerate(split.folds):
        fold[part.valid] = number
    lowest = np.full(int(group.max(initial=-1)) + 1, len(split.folds), dtype=np.int64)
    highest = np.full_like(lowest, -1)
    np.minimum.at(lowest, group, fold)
    np.maximum.at(highest, group, fold)
    return np.asarray(lowest != highest)


def _blend(
    predictions: Predictions, targets: npt.NDArray[np.floating], weight: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    share = (weight / (weight + 1))[:, None]
    return np.asarray((1 - share) * predictions + share * targets, dtype=np.float64)


def _is_clear(saved: npt.NDArray[np.float64], group: npt.NDArray[np.int64]) -> bool:
    """Tell whether the mean loss falls by more than its error; rows of one group count as one."""
    _, index = np.unique(group, return_inverse=True)
    by_group = np.bincount(index, saved)
    if len(by_group) < 2:
        return False
    error = by_group.std(ddof=1) * np.sqrt(len(by_group)) / len(saved)
    return bool(saved.mean() > CLEAR_Z * error)
