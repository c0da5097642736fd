"""Rules of the folds: which rows train and which judge, once per search, shared by all its trials."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError, UsageError
from automl.core.folds import Fold, RowNumbers, Split
from automl.core.modality import TABLES, Modality
from automl.core.tasks import Encoded, Task
from automl.core.weights import Weights, weights_of

GroupCodes = npt.NDArray[np.int64]

TEST_SHARE = 0.1
_WEIGHT_QUANTILES = (0.5, 0.8, 0.95)
_TEST_GROUPS_FROM = 20
_WINDOWS = 24
"""Windows of time, about, that the judged rows are drawn in when they are resampled."""
_WEIGHTY = 0.005
"""Share of the rows from which one of several classes has a say in the number of folds."""


@dataclass(frozen=True, kw_only=True)
class SplitPlan:
    """Everything that decides the folds.

    Attributes
    ----------
    folds:
        Number of folds, or None for the rule of :func:`default_folds`; 1 is a single holdout.
    seconds:
        Time budget of the search; None when it is bounded by trials.
    groups:
        ``(rows,)`` codes; rows of one group stay on one side.
    groups_named:
        Whether the user named the groups (else they are copies, see :mod:`automl.data.repeats`).
    times:
        ``(rows,)`` values to sort by; folds then train on the past and judge on what follows.
    assigned:
        ``(rows,)`` fold codes given by the user.
    seed:
        Of the shuffle.
    judged:
        ``(rows,)`` whether the data's own split judges with the row; the others train.
    modality:
        Of rows that hold nothing but its files: training on an image takes as long as on a thousand rows.
    weights:
        ``(rows,)``, of which every fold gets its share; None where each row counts once.
    holdout:
        Share of the rows to keep apart for one score at the end; None for the rule of :func:`hold_out_test`.
    """

    folds: int | None = None
    seconds: float | None = None
    groups: GroupCodes | None = None
    groups_named: bool = False
    times: npt.NDArray[np.float64] | None = None
    assigned: npt.NDArray[np.int64] | None = None
    seed: int = 0
    judged: npt.NDArray[np.bool_] | None = None
    modality: Modality = TABLES
    weights: Weights | None = None
    holdout: float | None = None

    def strata(self, task: Task, target: Encoded) -> npt.NDArray[np.int64]:
        """Group codes ``(rows,)``, by target and weight, that every fold should hold in equal shares."""
        codes = task.strata(target)
        if self.weights is None:
            return codes
        edges = np.unique(np.quantile(self.weights, _WEIGHT_QUANTILES))
        return codes * (len(edges) + 1) + np.searchsorted(edges, self.weights, side="right")

    def take(self, rows: RowNumbers) -> SplitPlan:
        """The same plan for a part of the rows."""
        return replace(
            self,
            groups=None if self.groups is None else self.groups[rows],
            times=None if self.times is None else self.times[rows],
            assigned=None if self.assigned is None else self.assigned[rows],
            judged=None if self.judged is None else self.judged[rows],
            weights=weights_of(self.weights, rows),
        )


def default_folds(rows: int, seconds: float | None, modality: Modality = TABLES) -> tuple[int, str]:
    """Number of folds (1: a holdout) and the reason.

    8 folds below 1,000 rows and with ten minutes or more, else 5; one holdout above 100,000 rows or when
    there are more rows per second of budget than the modality allows, where the time is better spent on more
    models than on more folds: on tables 500 (30,000 at a minute; AutoGluon 1.6 ranks behind holdout tools
    there at one minute).
    """
    if rows > 100_000:
        return 1, f"{rows:,} {modality.rows}: one holdout"
    least, per_second = modality.folds_up_to
    if seconds is not None and rows >= least and rows / seconds > per_second:
        return 1, f"{rows:,} {modality.rows} in {seconds:.0f} s: one holdout"
    if rows < 1_000:
        return 8, f"{rows:,} {modality.rows}: 8 folds"
    if seconds is not None and seconds >= 600:
        return 8, f"{rows:,} {modality.rows} and ten minutes or more: 8 folds"
    return 5, f"{rows:,} {modality.rows}: 5 folds"


def hold_out_test(target: Encoded, task: Task, plan: SplitPlan) -> tuple[RowNumbers, RowNumbers] | None:
    """``(rest, test)`` row numbers, or None where every row is learned from.

    Where folds judge all rows, the choice can be repeated on draws of them, which costs none
    (:mod:`automl.controller.strategy.honest_score`). Beside one holdout, a tenth is kept apart from the
    modality's number of rows on, and ``plan.holdout`` its share: the latest rows with a time column, whole
    groups with groups, else stratified.

    Raises
    ------
    DataError
        When the share that was asked for cannot be kept apart.
    """
    share = plan.holdout
    if share is None:
        if not _keeps_a_tenth(len(target), plan):
            return None
        share = TEST_SHARE
    test = _latest(plan.times, share) if plan.times is not None else _dealt_apart(target, task, plan, share)
    if test.any() and not test.all():
        return np.flatnonzero(~test), np.flatnonzero(test)
    if plan.holdout is None:
        return None
    raise DataError(
        f"--holdout {share:.0%}: no part of these {len(target):,} rows can be kept apart, as rows of a "
        "group, equal rows and equal times stay together. Next: another share, --test FILE, or leave it out."
    )


def _keeps_a_tenth(rows: int, plan: SplitPlan) -> bool:
    if rows < plan.modality.test_rows_from or plan.assigned is not None or plan.judged is not None:
        return False
    if plan.groups_named and plan.groups is not None and len(np.unique(plan.groups)) < _TEST_GROUPS_FROM:
        return False
    return (plan.folds or default_folds(rows, plan.seconds, plan.modality)[0]) == 1


def _latest(times: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.bool_]:
    """``(rows,)`` the latest share of them; none where equal times would make it half of the rows."""
    late: npt.NDArray[np.bool_] = times > np.quantile(times, 1 - share)
    return late if late.mean() < max(0.5, 1.5 * share) else np.zeros_like(late)


def _dealt_apart(target: Encoded, task: Task, plan: SplitPlan, share: float) -> npt.NDArray[np.bool_]:
    parts = Fraction(share).limit_denominator(20)
    fold = _deal(plan.strata(task, target), plan.groups, parts.denominator, plan.seed + 7919)
    test: npt.NDArray[np.bool_] = fold < parts.numerator
    if not plan.groups_named:
        test &= ~_oversized(plan.groups, len(target), share)
    test[_needed_to_train(task, target, plan.groups, test)] = False
    return test


def make_split(target: Encoded, task: Task, plan: SplitPlan, *, repeat: int = 0) -> Split:
    """The folds of ``plan``; ``repeat`` > 0 deals the same rows again with another shuffle.

    Every training part holds every class: a class's single row, or the single group that has it, trains
    in all folds and judges in none.

    Raises
    ------
    DataError
        When groups, times or assigned folds leave no fold to judge on.
    UsageError
        For fewer than one fold.
    """
    if plan.assigned is not None:
        return _assigned(target, task, plan.assigned)
    if plan.judged is not None:
        fold = Fold(np.flatnonzero(~plan.judged), np.flatnonzero(plan.judged))
        return Split((fold,), "holdout", f"the data's own split: {len(fold.valid):,} rows judge")
    count, reason = default_folds(len(target), plan.seconds, plan.modality)
    if plan.folds is not None:
        if plan.folds < 1:
            raise UsageError(f"--folds must be 1 (a holdout) or more, not {plan.folds}.")
        count, reason = plan.folds, f"{plan.folds} folds asked for"
    if len(target) < count:
        count, reason = len(target), f"{len(target)} rows: {len(target)} folds"
    if plan.times is not None:
        return _forward(plan.times, count, reason, plan.modality)
    if plan.groups_named and plan.groups is not None:
        distinct = len(np.unique(plan.groups))
        if distinct < 2:
            raise DataError(
                "The group column holds only one group: judging needs two or more. "
                "Next: choose another --group, or leave it out."
            )
        if distinct < max(count, 2):
            count, reason = distinct, f"{distinct} groups: {distinct} folds"
    count, reason = _fit_to_classes(target, task, count, reason)
    strata = plan.strata(task, target)
    scheme = "groups" if plan.groups_named else "folds"
    seed = plan.seed + 104_729 * repeat
    if count == 1:
        share = _holdout_share(len(target), plan.modality)
        dealt = _deal(strata, plan.groups, max(2, round(1 / share)), seed)
        held = dealt == 0
        if not plan.groups_named:
            small = held & ~_oversized(plan.groups, len(target), share)
            held = small if small.any() else held
        dealt = np.where(held, 0, -1)
        scheme = "groups" if plan.groups_named else "holdout"
    else:
        dealt = _deal(strata, plan.groups, min(count, len(target)), seed)
    _leave_every_class_in_training(task, target, plan.groups, dealt)
    folds = []
    for number in range(max(1, count)):
        valid = np.flatnonzero(dealt == number)
        if len(valid):
            folds.append(Fold(np.flatnonzero(dealt != number), valid))
    if not folds:
        raise DataError(
            "No row is left to judge on: each class of the target has a single row, or all its rows stand "
            "in one group (of --group, or of equal inputs). Next: give more rows of each class, merge "
            "classes, or choose another --target or --task."
        )
    return Split(tuple(folds), scheme, reason, plan.groups)


def _leave_every_class_in_training(
    task: Task, target: Encoded, groups: GroupCodes | None, dealt: npt.NDArray[np.int64]
) -> None:
    """Judge nowhere the rows whose class is in no other fold: its only row or group, or equal rows."""
    for number in np.unique(dealt[dealt >= 0]):
        dealt[_needed_to_train(task, target, groups, dealt == number)] = -1


def _needed_to_train(
    task: Task, target: Encoded, groups: GroupCodes | None, held: npt.NDArray[np.bool_]
) -> RowNumbers:
    """Rows of ``held`` whose class no other row has, with their whole groups."""
    rows = _only_class_members(task, target, np.flatnonzero(~held), np.flatnonzero(held))
    return rows if groups is None else np.flatnonzero(np.isin(groups, groups[rows]))


def _holdout_share(rows: int, modality: Modality) -> float:
    """A tenth, but 50,000 rows at most and as many as the modality states; of few rows, a third at most."""
    wanted = min(max(rows * 0.1, modality.holdout_rows), 50_000)
    return min(wanted / rows, 1 / 3)


def _deal(
    strata: npt.NDArray[np.int64], groups: GroupCodes | None, folds: int, seed: int
) -> npt.NDArray[np.int64]:
    """A fold number per row ``(rows,)``: strata in equal shares, groups kept whole.

    Groups count as their highest stratum, so that a rare extreme is dealt as one; large groups are dealt
    first, each to the fold that holds the fewest rows of its stratum, single rows last, in turn. The
    folds' numbers are drawn at the end: without that, fold 0, which a holdout takes, would always get
    the largest group of each stratum.
    """
    rng = np.random.default_rng(seed)
    rows = len(strata)
    if groups is None:
        groups = np.arange(rows, dtype=np.int64)
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    stratum = np.full(len(sizes), strata.min(initial=0), dtype=np.int64)
    np.maximum.at(stratum, inverse, strata)
    names, stratum = np.unique(stratum, return_inverse=True)
    held = np.zeros((len(names), folds), dtype=np.int64)
    fold = np.full(len(sizes), -1, dtype=np.int64)
    order = rng.permutation(len(sizes))
    large = order[sizes[order] > 1]
    for group in large[np.argsort(-sizes[large], kind="stable")]:
        of_stratum = held[stratum[group]]
        load = held.sum(axis=0)
        chosen = int(np.lexsort((load, of_stratum))[0])
        fold[group] = chosen
        held[stratum[group], chosen] += sizes[group]
    offset = 0
    for name in range(len(names)):
        single = order[(sizes[order] == 1) & (stratum[order] == name)]
        fold[single] = _fill(held[name], len(single), offset)
        offset += len(single)
    numbers: npt.NDArray[np.int64] = rng.permutation(folds)
    return numbers[fold][inverse]


def _oversized(groups: GroupCodes | None, rows: int, share: float) -> npt.NDArray[np.bool_]:
    """Rows of duplicates that would fill more than a quarter of a held-out part of ``share`` of the rows."""
    if groups is None:
        return np.zeros(rows, dtype=bool)
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.asarray(sizes > rows * share / 4)[inverse]


def _fill(held: npt.NDArray[np.int64], rows: int, offset: int) -> npt.NDArray[np.int64]:
    """Fold numbers for ``rows`` single rows that level out what the folds hold already."""
    folds = len(held)
    total = int(held.sum()) + rows
    goal = np.full(folds, total // folds, dtype=np.int64)
    goal[(np.arange(total % folds) + offset) % folds] += 1
    need = np.maximum(goal - held, 0)
    excess = int(need.sum()) - rows
    while excess > 0:
        fullest = int(np.argmax(need))
        need[fullest] -= 1
        excess -= 1
    dealt = np.repeat(np.arange(folds), need)
    if len(dealt) < rows:
        dealt = np.concatenate([dealt, np.arange(rows - len(dealt)) % folds])
    return dealt


def _only_class_members(task: Task, target: Encoded, train: RowNumbers, held: RowNumbers) -> RowNumbers:
    """Rows of ``held`` whose class ``train`` does not have."""
    codes = task.needed_codes(target)
    if codes is None:
        return np.empty(0, dtype=np.int64)
    present = np.bincount(codes[train], minlength=task.n_outputs) > 0
    return held[~present[codes[held]]]


def _fit_to_classes(target: Encoded, task: Task, folds: int, reason: str) -> tuple[int, str]:
    """Fewer folds when a class could not be in each of them; three at least where there are several classes.

    Two folds would train every model on half of the rows for the sake of a class with two of them. And of
    several classes only those of some weight count: a handful of rows among thousands is judged in the folds
    that have one, as the data checks say.
    """
    codes = task.needed_codes(target)
    if codes is None or folds == 1:
        return folds, reason
    counts = np.bincount(codes, minlength=task.n_outputs)
    binary = task.n_outputs == 2
    # a single row trains everywhere and judges nowhere
    weighty = counts[(counts > 1) & (binary | (counts >= _WEIGHTY * counts.sum()))]
    members = int(weighty.min(initial=folds))
    reduced = max(members, 2 if binary else 3)
    if reduced >= folds:
        return folds, reason
    judged = "" if members == reduced else f", {members} of which judge it"
    return (
        reduced,
        f"the {'rarer' if binary else 'rarest'} class occurs {members} times: {reduced} folds{judged}",
    )


def _forward(times: npt.NDArray[np.float64], folds: int, reason: str, modality: Modality) -> Split:
    """Training on the past, judging on the block that follows; equal times stay together."""
    order = np.argsort(times, kind="stable")
    blocks = max(2, folds) + 1 if folds > 1 else 2
    ordered = times[order]
    cuts = np.linspace(0, len(order), blocks + 1).round().astype(int)[1:-1]
    if folds == 1:
        cuts = np.array([round(len(order) * (1 - _holdout_share(len(order), modality)))])
    cuts = np.unique(np.searchsorted(ordered, ordered[cuts], side="left"))
    cuts = cuts[(cuts > 0) & (cuts < len(order))]
    if len(cuts) == 0:
        raise DataError(
            "The time column holds too few distinct times for forward folds. "
            "Choose another --time-column, or leave it out."
        )
    ends = np.append(cuts[1:], len(order))
    made = tuple(
        Fold(np.sort(order[:start]), np.sort(order[start:end])) for start, end in zip(cuts, ends, strict=True)
    )
    explanation = f"{reason}, each judged on the time after its training rows"
    return Split(made, "time", explanation, _windows(times, order, cuts))


def _windows(times: npt.NDArray[np.float64], order: RowNumbers, cuts: RowNumbers) -> npt.NDArray[np.int64]:
    """A window of time per row ``(rows,)``: a few in each judged part, equal times in one."""
    ends = np.append(cuts, len(order))
    edges = [
        np.linspace(start, end, max(2, _WINDOWS // len(cuts)) + 1).round().astype(int)[:-1]
        for start, end in pairwise(ends)
    ]
    ordered = times[order]
    starts = np.unique(np.searchsorted(ordered, ordered[np.concatenate(edges)], side="left"))
    windows = np.empty(len(order), dtype=np.int64)
    windows[order] = np.searchsorted(starts, np.arange(len(order)), side="right")
    return windows


def _assigned(target: Encoded, task: Task, assigned: npt.NDArray[np.int64]) -> Split:
    names = np.unique(assigned)
    if len(names) < 2:
        raise DataError("The fold column holds only one value: two or more are needed.")
    folds = []
    for name in names:
        train, valid = np.flatnonzero(assigned != name), np.flatnonzero(assigned == name)
        alone = _only_class_members(task, target, train, valid)
        if len(alone):
            code = int(np.asarray(target, dtype=np.int64)[alone[0]])
            raise DataError(
                f"Class {task.labels[code]!r} is in one fold of the fold column only: a model for that "
                "fold could not learn it. Spread the class, or leave --fold-column out."
            )
        folds.append(Fold(train, valid))
    return Split(tuple(folds), "column", f"{len(names)} folds given by a column")
