"""Pruning: a trial ends after its first fold where that is clearly worse than the best of its family."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from automl.controller.strategy.ensemble import EnsembleBuilder
from automl.core.trial import Progress, Trial
from automl.core.weights import effective_rows, mean_of
from automl.problem.problem import Problem

PRUNE_Z = 3.0
"""Standard errors by which a first fold must be worse than the best of its family."""


@dataclass
class Pruner:
    """Judges trials by their first fold.

    Attributes
    ----------
    losses:
        What a pruned trial, by its number, would have lost as a whole: extrapolated, for the optimizer.
    """

    problem: Problem
    builder: EnsembleBuilder
    losses: dict[int, float] = field(default_factory=dict)
    _best_first_folds: dict[str, npt.NDArray[np.floating]] = field(default_factory=dict)

    def prunes(self, trial: Trial, progress: Progress) -> bool:
        """Judge a running trial by the predictions for its first fold: true where it should be stopped.

        The loss per row is compared with that of the family's best first fold, in pairs. A trial that would
        make the ensemble better goes on anyway.
        """
        rows = self._judged_rows(trial, progress)
        if rows is None or progress.held_out is None:
            return False
        family = trial.candidate.family
        losses = self.problem.task.row_losses(self.problem.target[rows], progress.held_out)
        best = self._best_first_folds.get(family)
        weights = self.problem.weights_of(rows)
        if best is None or mean_of(losses, weights) < mean_of(best, weights):
            self._best_first_folds[family] = losses
            return False
        paired, mean = losses - best, mean_of(best, weights)
        error = float(paired.std(ddof=1) / np.sqrt(effective_rows(len(paired), weights)))
        # the family's first trial may still be running: nothing to extrapolate from, so nothing is pruned
        reference = self.builder.best_loss_of(family)
        if reference is None:
            return False
        clearly_worse = mean_of(paired, weights) > PRUNE_Z * error
        positions = np.searchsorted(self.problem.split.scored, rows)
        if not (clearly_worse and self.builder.gain_of(progress.held_out, positions) <= 0):
            return False
        if mean > 0:  # else no multiple of it says how much worse this trial is
            worse = mean_of(paired, weights) / mean
            self.losses[trial.number] = reference + abs(reference) * worse
        return True

    def _judged_rows(self, trial: Trial, progress: Progress) -> npt.NDArray[np.integer] | None:
        """The rows of the first of several folds, where this is about them; None else."""
        folds = self.problem.split.folds
        if progress.fold != 0 or trial.candidate.repeat or len(folds) < 2:
            return None
        rows = folds[0].valid
        return rows if len(rows) >= 2 else None  # one row tells nothing of its spread
