"""Code of the families of averaged trees: growing in chunks, flat arrays, fast prediction."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from automl.core.errors import ModelFileError
from automl.core.family import FitContext, TrialStopped
from automl.core.predictions import Answer, Link, Predictions
from automl.core.table import Table
from automl.core.tasks import Encoded, Task
from automl.core.trial import Curve
from automl.core.weights import Weights, mean_of
from automl.families.preprocess.saved import Saved
from automl.families.preprocess.tree_matrix import TreeData, TreeMatrix

_CHUNK = 25
_FIRST_TREES = 100
_BLIND_TREES = 150
# Growth past the first trees ends when 50 more lower the held-out loss by less than this share.
_WORTHWHILE = 0.01
_MOST_LEAVES = 10_000
_FAR = 1_000.0  # standard deviations from zero
_SMALL = 1e-3  # a standard deviation


def smallest_leaf(wanted: int, rows: int) -> int:
    """Rows per leaf: what was asked for, more where leaves would pass 10,000 per tree (size and latency)."""
    return max(wanted, math.ceil(rows / _MOST_LEAVES))


@dataclass(frozen=True)
class FoldMatrix:
    """One fold's rows as matrices; shared by the trials of a worker and by both families."""

    matrix: TreeMatrix
    train: TreeData
    valid: TreeData | None

    @classmethod
    def prepare(cls, inputs: Table, target: Encoded, task: Task, context: FitContext) -> FoldMatrix:
        """The fold's matrices, from the cache if a trial of this worker has made them before."""
        # The target is part of the key: a trial on its logarithm needs other target encodings.
        digest = hashlib.blake2b(np.ascontiguousarray(target).tobytes(), digest_size=16).hexdigest()

        def build() -> FoldMatrix:
            # A constant seed, since trials of all seeds share the matrix.
            matrix, train = TreeMatrix.fit(
                inputs, target, task, ordinal_all=True, seed=0, weights=context.weights
            )
            valid = matrix.transform(context.valid[0]) if context.valid is not None else None
            return cls(matrix, train, valid)

        return context.cached(("forest", digest, inputs.rows, context.valid is None), build)


@dataclass(frozen=True, kw_only=True)
class Forest(Saved):
    """Trees as flat arrays, one tree after another; node numbers count from the tree's own first node.

    Attributes
    ----------
    starts:
        ``(trees + 1,)`` first node of each tree, and the number of nodes.
    feature:
        Column that a node splits; -1 for a leaf.
    threshold:
        ``value <= threshold`` goes left.
    left, right:
        Children; of a leaf ``left`` is -1 and ``right`` the number of its row in ``leaves``.
    missing_left:
        Whether a missing value goes left.
    leaves:
        ``(leaves, n_outputs)`` class shares in float32, or a value in float64.
    """

    starts: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    missing_left: npt.NDArray[np.bool_]
    leaves: npt.NDArray[np.floating]
    columns: int

    @classmethod
    def of(cls, trees: Sequence[Any], classes: npt.NDArray[np.int64] | None, n_outputs: int) -> Self:
        """From scikit-learn's ``Tree`` objects; ``classes`` are the codes of their values' columns."""
        parts: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in cls._node_arrays()}
        leaves: list[npt.NDArray[np.floating]] = []
        starts, leaf_count = [0], 0
        for tree in trees:
            is_leaf = tree.children_left < 0
            values = tree.value[is_leaf, 0, :]
            if classes is not None:
                shares = np.zeros((len(values), n_outputs))
                shares[:, classes] = values / values.sum(axis=1, keepdims=True)
                values = shares
            right = tree.children_right.astype(np.int32)
            right[is_leaf] = leaf_count + np.arange(len(values))
            parts["feature"].append(np.where(is_leaf, -1, tree.feature).astype(np.int32))
            parts["threshold"].append(_rounded_down(np.where(is_leaf, 0.0, tree.threshold)))
            parts["left"].append(tree.children_left.astype(np.int32))
            parts["right"].append(right)
            parts["missing_left"].append(tree.missing_go_to_left.astype(bool))
            leaves.append(values if classes is None else values.astype(np.float32))
            leaf_count += len(values)
            starts.append(starts[-1] + tree.node_count)
        arrays = {name: np.concatenate(part) for name, part in parts.items()}
        columns = int(trees[0].n_features)
        return cls(starts=np.array(starts), leaves=np.concatenate(leaves), columns=columns, **arrays)

    @staticmethod
    def _node_arrays() -> tuple[str, ...]:
        return ("feature", "threshold", "left", "right", "missing_left")

    @property
    def size(self) -> int:
        """Number of trees."""
        return len(self.starts) - 1

    def predict(self, values: npt.NDArray[np.float32]) -> Predictions:
        """The trees' mean for ``(rows, columns)`` float32, ``(rows, n_outputs)`` float64."""
        total = np.zeros((len(values), self.leaves.shape[1]))
        for tree, leaf in self._trees:
            total += self.leaves[leaf[tree.apply(values)]]
        return total / self.size

    @cached_property
    def _trees(self) -> list[tuple[Any, npt.NDArray[np.int32]]]:
        """scikit-learn's compiled trees without its estimators' checks, each with its leaf numbers."""
        from sklearn.tree._tree import Tree

        node_type = Tree(1, np.ones(1, dtype=np.intp), 1).__getstate__()["nodes"].dtype
        trees = []
        for start, stop in zip(self.starts[:-1], self.starts[1:], strict=True):
            nodes = np.zeros(stop - start, dtype=node_type)
            nodes["left_child"] = self.left[start:stop]
            nodes["right_child"] = np.where(self.left[start:stop] < 0, -1, self.right[start:stop])
            nodes["feature"] = np.maximum(self.feature[start:stop], 0)
            nodes["threshold"] = self.threshold[start:stop]
            nodes["missing_go_to_left"] = self.missing_left[start:stop]
            tree = Tree(self.columns, np.ones(1, dtype=np.intp), 1)
            state = {"max_depth": 0, "node_count": len(nodes), "nodes": nodes}
            tree.__setstate__(state | {"values": np.zeros((len(nodes), 1, 1))})
            trees.append((tree, self.right[start:stop]))
        return trees

    def check(self, where: Path) -> Self:
        """This forest, once it is certain that walking it stays within its arrays and ends.

        Compiled code walks the trees without checks of its own.
        """
        sizes = np.diff(self.starts)
        own = np.arange(len(self.feature)) - np.repeat(self.starts[:-1], sizes)
        limit = np.repeat(sizes, sizes)
        leaf = self.left < 0
        inner_fits = (self.left > own) & (self.right > own) & (self.left < limit) & (self.right < limit)
        inner_fits &= (self.feature >= 0) & (self.feature < self.columns)
        leaf_fits = (self.right >= 0) & (self.right < len(self.leaves))
        if (sizes < 1).any() or not np.where(leaf, leaf_fits, inner_fits).all():
            raise ModelFileError(f"{where} holds trees that lead out of themselves: the model is damaged.")
        return self


@dataclass(frozen=True)
class FittedForest:
    """A forest with the way from tables to its matrix."""

    matrix: TreeMatrix
    forest: Forest

    def predict(self, inputs: Table) -> Predictions:
        """Predictions ``(rows, n_outputs)``."""
        return self.forest.predict(self.matrix.transform(inputs).values)

    def save(self, folder: Path) -> None:
        """Write both as arrays."""
        self.matrix.save(folder)
        self.forest.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The model that :meth:`save` wrote."""
        return cls(TreeMatrix.load(folder), Forest.load(folder).check(folder))


def grow(
    estimator: Any, inputs: Table, target: Encoded, task: Task, context: FitContext, *, most_trees: int
) -> FittedForest:
    """Grow an unfitted scikit-learn forest (``warm_start``) tree by tree while time and progress last.

    100 trees first, then more up to ``most_trees`` while they lower the held-out loss; 150 without
    held-out rows, where most folds end. At the deadline it is as large as it got.
    """
    data = FoldMatrix.prepare(inputs, target, task, context)
    if context.should_stop():
        raise TrialStopped("The time ran out before the first tree.")
    most = max(1, most_trees if context.valid is not None else min(most_trees, _BLIND_TREES))
    middle, unit = _middle(target, task), _unit(target, task)
    learnt = _beside(target, middle)
    learnt = learnt / unit if unit != 1 else learnt
    held_out = None if context.valid is None else _beside(context.valid[1], middle)
    judge = _Judge(data.valid, held_out, task, unit, context.valid_weights)
    started = time.monotonic()
    grown = 0
    while grown < most:
        # The first trees show how long one takes.
        step = max(1, context.threads) if grown == 0 else _CHUNK - grown % _CHUNK
        if math.isfinite(context.deadline) and grown:
            possible = 0.9 * context.seconds_left / ((time.monotonic() - started) / grown)
            step = min(step, int(possible))
        if step < 1:
            break
        grown = min(most, grown + step)
        estimator.set_params(n_estimators=grown)
        estimator.fit(data.train.values, learnt, sample_weight=context.weights)
        context.report(grown / most, f"{grown} trees")
        judge.see(estimator)
        if context.should_stop() or judge.is_content():
            break
    context.facts["trees"] = float(grown)
    judge.record(context)
    forest = Forest.of(
        [item.tree_ for item in estimator.estimators_], _classes(estimator, task), task.n_outputs
    )
    if task.link is Link.IDENTITY:
        forest = replace(forest, leaves=forest.leaves * unit + middle)
    return FittedForest(data.matrix, forest)


def _middle(target: Encoded, task: Task) -> float:
    """The offset of values: their mean, beside which sums of squares would lose all digits."""
    if task.link is not Link.IDENTITY:
        return 0.0
    mean = float(np.mean(target))
    return mean if abs(mean) > _FAR * float(np.std(target)) else 0.0


def _unit(target: Encoded, task: Task) -> float:
    """The unit of values: a power of two near their deviation where that is small.

    scikit-learn (1.9) splits no node whose variance is below 2·10⁻¹⁶: picofarads in farads would be
    answered by their mean.
    """
    deviation = float(np.std(target)) if task.link is Link.IDENTITY else 1.0
    return 2.0 ** math.floor(math.log2(deviation)) if 0 < deviation < _SMALL else 1.0


def _beside(target: Encoded, middle: float) -> Encoded:
    return np.asarray(target - middle, dtype=np.float64) if middle else target


class _Judge:
    """The held-out loss of a growing forest, from running sums: every tree predicts once."""

    def __init__(
        self,
        data: TreeData | None,
        target: Encoded | None,
        task: Task,
        unit: float,
        weights: Weights | None,
    ) -> None:
        self._data, self._target, self._task, self._unit = data, target, task, unit
        self._weights = weights
        self._sum: npt.NDArray[np.float64] | None = None
        self._seen = 0
        self._losses: dict[int, float] = {}

    def see(self, estimator: Any) -> None:
        """Add the trees that are new."""
        if self._data is None or self._target is None:
            return
        classes = _classes(estimator, self._task)
        if self._sum is None:
            self._sum = np.zeros((len(self._data.values), self._task.n_outputs))
        columns = slice(None) if classes is None else classes
        for item in estimator.estimators_[self._seen :]:
            self._sum[:, columns] += item.tree_.predict(self._data.values).reshape(len(self._sum), -1)
        self._seen = len(estimator.estimators_)
        losses = self._task.row_losses(self._target, self._sum / self._seen * self._unit)
        self._losses[self._seen] = mean_of(losses, self._weights)

    def is_content(self) -> bool:
        """Tell whether the last 50 trees past the first 100 gained little."""
        before = [count for count in self._losses if count <= self._seen - 2 * _CHUNK]
        if self._seen < _FIRST_TREES or not before:
            return False
        then, now = self._losses[before[-1]], self._losses[self._seen]
        return then - now < _WORTHWHILE * abs(then)

    def record(self, context: FitContext) -> None:
        """Leave the curve in the context."""
        if self._losses:
            context.curves.append(Curve("valid_loss", tuple(self._losses), tuple(self._losses.values())))


def _classes(estimator: Any, task: Task) -> npt.NDArray[np.int64] | None:
    """Codes of the classes that the training rows had; None for values."""
    return np.asarray(estimator.classes_, dtype=np.int64) if task.answer is Answer.CLASSES else None


def _rounded_down(thresholds: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """The largest float32 at or below each threshold: for float32 values both split alike."""
    cut = thresholds.astype(np.float32)
    return np.where(cut > thresholds, np.nextafter(cut, np.float32(-np.inf)), cut).astype(np.float32)
