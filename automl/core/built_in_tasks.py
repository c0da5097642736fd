"""The built-in tasks, and what tasks of classes and of numbers share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError, did_you_mean
from automl.core.labels import Label, RawTarget, is_number, label_key, ordered_labels
from automl.core.metrics import Metric
from automl.core.predictions import Answer, Link, Loss, Predictions, finite_predictions
from automl.core.tasks import Encoded, Task
from automl.core.text import share_text
from automl.core.weights import Weights, mean_of, median_of

_BALANCED = 0.3
_DOMINANT = 0.75


@dataclass(frozen=True)
class ClassificationTask(Task):
    """Classes; :class:`BinaryTask` and :class:`MulticlassTask` differ in their metrics alone."""

    kin: ClassVar[str] = "multiclass"
    answer: ClassVar[Answer] = Answer.CLASSES
    usual_metric: ClassVar[str] = "log_loss"

    @classmethod
    def of(cls, target: RawTarget, metric: Metric) -> Self:
        """The task with the target's classes, in ascending order."""
        labels = ordered_labels(target.distinct)
        if len(labels) < 2:
            raise DataError(
                f"The target has only one class ({labels[0] if labels else 'none'}): nothing to learn. "
                "Choose another --target."
            )
        return cls(metric, labels)

    @classmethod
    def default_metric(cls, target: RawTarget) -> tuple[str, str]:
        """Accuracy, unless that would reward always predicting the largest class."""
        counts = np.array(list(target.counts.values()))
        if len(counts) == 2:
            share = float(counts.min() / counts.sum())
            if share >= _BALANCED:
                held = share_text(share)
                return "accuracy", f"default of two balanced classes (the rarer one holds {held})"
            return (
                "roc_auc",
                f"the rarer class holds {share:.3g} of the rows, where accuracy would reward always "
                "predicting the other one",
            )
        largest = float(counts.max() / counts.sum())
        if largest < _DOMINANT:
            held = share_text(largest)
            return "accuracy", f"default of several classes (the largest holds {held})"
        return (
            "log_loss",
            f"the largest class holds {share_text(largest)} of the rows, where accuracy would reward "
            "predicting it",
        )

    @property
    def n_outputs(self) -> int:
        """One probability per class."""
        return len(self.labels)

    @property
    def dtype(self) -> type[np.floating]:
        """Single precision is enough for probabilities."""
        return np.float32

    @property
    def loss(self) -> str:
        """Log loss."""
        return Loss.LOGISTIC if len(self.labels) == 2 else Loss.SOFTMAX

    @property
    def link(self) -> Link:
        """Log-odds of class 1 of two, or a score per class."""
        return Link.LOGISTIC if len(self.labels) == 2 else Link.SOFTMAX

    def encode(self, target: npt.NDArray[Any]) -> Encoded:
        """Codes in the order of ``labels``; text is compared trimmed, and without case where need be."""
        exact = {label_key(label): code for code, label in enumerate(self.labels)}
        counts = Counter(key.casefold() for key in exact)
        folded = {key.casefold(): code for key, code in exact.items() if counts[key.casefold()] == 1}
        code_of = {
            value: exact.get(key := label_key(value), folded.get(key.casefold(), -1))
            for value in set(target.tolist())
        }
        codes = np.array([code_of[value] for value in target.tolist()], dtype=np.int64)
        if (codes < 0).any():
            row = int(np.flatnonzero(codes < 0)[0])
            raise DataError(
                f"The target holds {target[row]!r} in row {row + 1}, a class that training did not have. "
                f"{did_you_mean(str(target[row]), map(str, self.labels))} "
                "Remove those rows, or train again with them."
            )
        return codes

    def decode(self, predictions: Predictions) -> npt.NDArray[Any]:
        """The most probable class of each row."""
        kinds = {type(label) for label in self.labels}
        values: npt.NDArray[Any] = np.array(
            list(self.labels), dtype=None if kinds <= {int} or kinds <= {float} or kinds <= {bool} else object
        )
        decoded: npt.NDArray[Any] = values[predictions.argmax(axis=1)]
        return decoded

    def as_predictions(self, target: Encoded) -> npt.NDArray[np.float64]:
        """Probability 1 for the row's own class."""
        return np.asarray(np.eye(self.n_outputs)[np.asarray(target, dtype=np.int64)])

    def averaged_columns(self, target: Encoded, most: int) -> npt.NDArray[np.float64]:
        """Indicators."""
        if self.n_outputs == 2:
            return np.asarray(np.asarray(target) == 1, dtype=np.float64)[:, None]
        counts = np.bincount(np.asarray(target, dtype=np.int64), minlength=self.n_outputs)
        chosen = np.sort(np.argsort(-counts, kind="stable")[:most])
        return np.asarray(np.asarray(target)[:, None] == chosen, dtype=np.float64)

    def checked(self, predictions: npt.NDArray[Any], rows: int, what: str) -> Predictions:
        """Probabilities in float32 that sum to 1."""
        values = finite_predictions(predictions, (rows, self.n_outputs), what)
        sums = values.sum(axis=1, dtype=np.float64)
        if values.min(initial=0.0) < -1e-3 or np.abs(sums - 1).max(initial=0.0) > 1e-2:
            raise ValueError(f"{what} are not probabilities that sum to 1")
        return values

    def strata(self, target: Encoded) -> npt.NDArray[np.int64]:
        """The classes themselves."""
        return np.asarray(target, dtype=np.int64)

    def needed_codes(self, target: Encoded) -> npt.NDArray[np.int64] | None:
        """The classes: a model cannot predict one that it never saw."""
        return np.asarray(target, dtype=np.int64)

    def row_losses(self, target: Encoded, predictions: Predictions) -> npt.NDArray[np.float64]:
        """Log loss per row (nats)."""
        chosen = predictions[np.arange(len(predictions)), np.asarray(target, dtype=np.int64)]
        clipped = np.clip(chosen.astype(np.float64), 1e-7, 1.0)
        return np.asarray(-np.log(clipped), dtype=np.float64)

    def constant_prediction(self, target: Encoded, weights: Weights | None = None) -> npt.NDArray[np.float64]:
        """Class shares."""
        counts = np.bincount(np.asarray(target, dtype=np.int64), weights, minlength=self.n_outputs)
        return np.asarray(counts / (counts.sum() or 1), dtype=np.float64)

    def is_worth_a_logarithm(self, target: Encoded) -> bool:
        """Never: classes are not numbers."""
        return False


@dataclass(frozen=True)
class BinaryTask(ClassificationTask):
    """Two classes; code 1 is the positive one."""

    name: ClassVar[str] = "binary"
    kin: ClassVar[str] = "binary"

    @classmethod
    def recognised(cls, target: RawTarget) -> str:
        """See :meth:`MulticlassTask.recognised`, which speaks for both."""
        return ""


@dataclass(frozen=True)
class MulticlassTask(ClassificationTask):
    """Three classes or more."""

    name: ClassVar[str] = "multiclass"

    @classmethod
    def recognised(cls, target: RawTarget) -> str:
        """Words, two different values, or few different whole numbers."""
        values = target.distinct
        count = len(values)
        if not _are_numbers(values):
            kind = "are text" if all(is_number(value) for value in values) else "are not numbers"
            return f"the target holds {count} distinct labels that {kind}"
        if count == 2:
            return "the target holds two distinct values"
        whole = all(float(value).is_integer() for value in values)
        few = 20 if target.rows >= 1000 else 10
        if whole and count <= few and count <= target.rows / 5:
            return (
                f"the target holds only {count} distinct whole numbers; "
                "--task regression treats them as values"
            )
        return ""


@dataclass(frozen=True)
class NumberTask(Task):
    """A number; subclasses say what is minimised and what else holds of it."""

    kin: ClassVar[str] = "regression"
    answer: ClassVar[Answer] = Answer.NUMBERS
    usual_metric: ClassVar[str] = "rmse"

    @property
    def n_outputs(self) -> int:
        """One value."""
        return 1

    @property
    def dtype(self) -> type[np.floating]:
        """Seconds since 1970 are 128 apart in single precision, which is not for a score to see."""
        return np.float64

    def encode(self, target: npt.NDArray[Any]) -> Encoded:
        """Values as float64."""
        try:
            values = np.asarray(target, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"The target of a regression must hold numbers: {error}. "
                "Pass --task classification, or clean the column."
            ) from error
        if values.min(initial=np.inf) <= self.metric.above:
            row = int(values.argmin())
            raise DataError(
                f"The metric {self.metric.name} needs a target above {self.metric.above:g}, and it is "
                f"{values[row]:g} in row {row + 1}. Next: use --metric rmse or mae."
            )
        return values

    def as_predictions(self, target: Encoded) -> npt.NDArray[np.float64]:
        """The values as a column."""
        return np.asarray(target, dtype=np.float64)[:, None]

    def averaged_columns(self, target: Encoded, most: int) -> npt.NDArray[np.float64]:
        """The values as a column."""
        return np.asarray(target, dtype=np.float64)[:, None]

    def strata(self, target: Encoded) -> npt.NDArray[np.int64]:
        """Tenths by value (fewer where values repeat), the outer ones with their extremes apart.

        Under squared errors a few extreme values decide a score: each fold gets its share of the highest
        and lowest hundredth and thousandth.
        """
        shares = np.concatenate([[0.001, 0.01], np.linspace(0.1, 0.9, 9), [0.99, 0.999]])
        edges = np.unique(np.quantile(target, shares))
        return np.searchsorted(edges, target, side="right").astype(np.int64)

    def needed_codes(self, target: Encoded) -> npt.NDArray[np.int64] | None:
        """None: any rows will do."""
        return None


@dataclass(frozen=True)
class RegressionTask(NumberTask):
    """A number, by its squared or absolute errors."""

    name: ClassVar[str] = "regression"

    @classmethod
    def of(cls, target: RawTarget, metric: Metric) -> Self:
        """The same for every target of numbers."""
        return cls(metric)

    @classmethod
    def default_metric(cls, target: RawTarget) -> tuple[str, str]:
        """The root of the mean squared error."""
        return "rmse", "default of a regression"

    @classmethod
    def recognised(cls, target: RawTarget) -> str:
        """Numbers that are not taken for classes."""
        values = target.distinct
        if not _are_numbers(values):
            return ""
        if not all(float(value).is_integer() for value in values):
            return f"the target holds {len(values)} distinct numbers with fractions"
        return (
            f"the target holds {len(values)} distinct whole numbers; "
            "--task classification treats them as classes"
        )

    @property
    def loss(self) -> str:
        """Squared errors, or absolute ones where the metric asks for these."""
        return Loss.ABSOLUTE if self.metric.absolute else Loss.SQUARED

    @property
    def link(self) -> Link:
        """Scores are values."""
        return Link.IDENTITY

    def decode(self, predictions: Predictions) -> npt.NDArray[Any]:
        """The values."""
        return predictions[:, 0].astype(np.float64)

    def checked(self, predictions: npt.NDArray[Any], rows: int, what: str) -> Predictions:
        """Finite values."""
        finite_predictions(predictions, (rows, 1), what)
        return predictions.astype(self.dtype)

    def row_losses(self, target: Encoded, predictions: Predictions) -> npt.NDArray[np.float64]:
        """Squared error per row."""
        return (np.asarray(target, dtype=np.float64) - predictions[:, 0].astype(np.float64)) ** 2

    def constant_prediction(self, target: Encoded, weights: Weights | None = None) -> npt.NDArray[np.float64]:
        """The median for absolute errors, else the mean."""
        middle = median_of if self.metric.absolute else mean_of
        return np.array([middle(np.asarray(target, dtype=np.float64), weights)])

    def is_worth_a_logarithm(self, target: Encoded) -> bool:
        """A target without negative values and of skewness above 1."""
        if float(np.min(target)) < 0:
            return False
        values = np.asarray(target, dtype=np.float64)
        spread = float(values.std())
        return spread > 0 and float(np.mean(((values - values.mean()) / spread) ** 3)) > 1


def _are_numbers(values: list[Label]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
