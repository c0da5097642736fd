"""What the target means: one class per meaning, with everything that differs between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError, UsageError, did_you_mean
from automl.core.metrics import METRICS, Metric, metric_by_name
from automl.core.text import share_text

Label = str | int | float | bool
Encoded = npt.NDArray[np.int64] | npt.NDArray[np.float64]
Predictions = npt.NDArray[np.floating]

_NEGATIVE_WORDS = ("no", "false", "n", "f", "negative", "absent", "off", "0", "-1")
_POSITIVE_WORDS = ("yes", "true", "y", "t", "positive", "present", "on", "1", "1")
_ABSOLUTE = frozenset({"mae", "median_ae", "mape"})


@dataclass(frozen=True)
class Task(ABC):
    """The meaning of the target.

    Attributes
    ----------
    metric:
        What trials are judged by.
    labels:
        The classes, in the order of their codes and of the columns of predictions; empty for regression.
    """

    name: ClassVar[str]
    metric: Metric
    labels: tuple[Label, ...] = ()

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Columns of predictions: one per class, or one."""

    @abstractmethod
    def encode(self, target: npt.NDArray[Any]) -> Encoded:
        """Labels or values as ``(rows,)`` int64 codes or float64 values.

        Raises
        ------
        DataError
            For a label that training did not have, or a value that is no number.
        """

    @abstractmethod
    def decode(self, predictions: Predictions) -> npt.NDArray[Any]:
        """Predictions ``(rows, n_outputs)`` as the target's own labels or values, ``(rows,)``."""

    @abstractmethod
    def strata(self, target: Encoded) -> npt.NDArray[np.int64]:
        """Group codes ``(rows,)`` that every fold should hold in equal shares."""

    @abstractmethod
    def row_losses(self, target: Encoded, predictions: Predictions) -> npt.NDArray[np.float64]:
        """A proper loss per row, ``(rows,)``, for paired comparisons between trials."""

    @abstractmethod
    def constant_prediction(self, target: Encoded) -> npt.NDArray[np.float64]:
        """The best prediction that looks at no feature, ``(n_outputs,)``."""

    @property
    def absolute(self) -> bool:
        """Whether the metric asks for small absolute errors, not for small squared ones."""
        return not self.labels and self.metric.name in _ABSOLUTE

    def to_json(self) -> dict[str, Any]:
        """Plain data from which :func:`task_from_json` makes the same task."""
        return {
            "name": self.name,
            "metric": self.metric.name,
            "labels": [[type(label).__name__, label] for label in self.labels],
        }


@dataclass(frozen=True)
class ClassificationTask(Task):
    """Classes; :class:`BinaryTask` and :class:`MulticlassTask` differ in their metrics alone."""

    @property
    def n_outputs(self) -> int:
        """One probability per class."""
        return len(self.labels)

    def encode(self, target: npt.NDArray[Any]) -> Encoded:
        """Codes in the order of ``labels``; text is compared trimmed, and without case where need be."""
        exact = {_label_key(label): code for code, label in enumerate(self.labels)}
        counts = Counter(key.casefold() for key in exact)
        folded = {key.casefold(): code for key, code in exact.items() if counts[key.casefold()] == 1}
        known = {
            value: exact.get(key := _label_key(value), folded.get(key.casefold(), -1))
            for value in set(target.tolist())
        }
        codes = np.array([known[value] for value in target.tolist()], dtype=np.int64)
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

    def strata(self, target: Encoded) -> npt.NDArray[np.int64]:
        """The classes themselves."""
        return np.asarray(target, dtype=np.int64)

    def row_losses(self, target: Encoded, predictions: Predictions) -> npt.NDArray[np.float64]:
        """Log loss per row (nats)."""
        chosen = predictions[np.arange(len(predictions)), np.asarray(target, dtype=np.int64)]
        clipped = np.clip(chosen.astype(np.float64), 1e-7, 1.0)
        return np.asarray(-np.log(clipped), dtype=np.float64)

    def constant_prediction(self, target: Encoded) -> npt.NDArray[np.float64]:
        """Class shares."""
        counts = np.bincount(np.asarray(target, dtype=np.int64), minlength=self.n_outputs)
        return np.asarray(counts / max(counts.sum(), 1), dtype=np.float64)


@dataclass(frozen=True)
class BinaryTask(ClassificationTask):
    """Two classes; code 1 is the positive one."""

    name: ClassVar[str] = "binary"


@dataclass(frozen=True)
class MulticlassTask(ClassificationTask):
    """Three classes or more."""

    name: ClassVar[str] = "multiclass"


@dataclass(frozen=True)
class RegressionTask(Task):
    """A number."""

    name: ClassVar[str] = "regression"

    @property
    def n_outputs(self) -> int:
        """One value."""
        return 1

    def encode(self, target: npt.NDArray[Any]) -> Encoded:
        """Values as float64."""
        try:
            values = np.asarray(target, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"The target of a regression must hold numbers: {error}. "
                "Pass --task classification, or clean the column."
            ) from error
        if self.metric.name == "rmsle" and values.min(initial=0.0) <= -1:
            row = int(values.argmin())
            raise DataError(
                f"The metric rmsle needs a target above -1, and it is {values[row]:g} in row {row + 1}. "
                "Next: use --metric rmse or mae."
            )
        return values

    def decode(self, predictions: Predictions) -> npt.NDArray[Any]:
        """The values."""
        return predictions[:, 0].astype(np.float64)

    def strata(self, target: Encoded) -> npt.NDArray[np.int64]:
        """Tenths by value (fewer where values repeat), the outer ones with their extremes apart.

        Under squared errors a few extreme values decide a score: each fold gets its share of the highest
        and lowest hundredth and thousandth.
        """
        shares = np.concatenate([[0.001, 0.01], np.linspace(0.1, 0.9, 9), [0.99, 0.999]])
        edges = np.unique(np.quantile(target, shares))
        return np.searchsorted(edges, target, side="right").astype(np.int64)

    def row_losses(self, target: Encoded, predictions: Predictions) -> npt.NDArray[np.float64]:
        """Squared error per row."""
        return (np.asarray(target, dtype=np.float64) - predictions[:, 0].astype(np.float64)) ** 2

    def constant_prediction(self, target: Encoded) -> npt.NDArray[np.float64]:
        """The median for absolute errors, else the mean."""
        middle = np.median if self.absolute else np.mean
        return np.array([float(middle(target))])


_CLASSES: dict[str, type[Task]] = {
    "binary": BinaryTask,
    "multiclass": MulticlassTask,
    "regression": RegressionTask,
}
_CASTS: dict[str, type[Label]] = {"str": str, "int": int, "float": float, "bool": bool}


def task_from_json(data: dict[str, Any]) -> Task:
    """The task that :meth:`Task.to_json` wrote.

    A metric that is not built in (a Python callable) comes back as the task's default metric: what
    loads a task only predicts with it.
    """
    labels = tuple(_CASTS[kind](value) for kind, value in data["labels"])
    metric = METRICS.get(data["metric"])
    if metric is None or data["name"] not in metric.tasks:  # a callable may have the name of another task's
        metric = METRICS[_plain_default(data["name"])]
    return _CLASSES[data["name"]](metric=metric, labels=labels)


@dataclass(frozen=True)
class TaskChoice:
    """A task with the reasons for it, in sentences that people read."""

    task: Task
    reason: str
    metric_reason: str


def choose_task(
    target: npt.NDArray[Any], *, requested: str | None = None, metric: str | Metric | None = None
) -> TaskChoice:
    """The task for a clean target column (no missing values), and why.

    Parameters
    ----------
    target:
        ``(rows,)`` labels or numbers.
    requested:
        ``classification``, ``binary``, ``multiclass`` or ``regression``; None to infer.
    metric:
        A metric's name, a metric, or None for the task's default.
    """
    allowed = ("classification", "binary", "multiclass", "regression")
    if requested is not None and requested not in allowed:
        raise UsageError(f"There is no task {requested!r}. {did_you_mean(requested, allowed)}")
    values = _distinct(target)
    name, reason = _infer(target, values, requested, metric)
    if name == "regression":
        labels: tuple[Label, ...] = ()
    else:
        labels = _ordered_labels(values)
        if len(labels) < 2:
            raise DataError(
                f"The target has one class only ({labels[0] if labels else 'none'}): nothing to learn. "
                "Choose another --target."
            )
        name = "binary" if len(labels) == 2 else "multiclass"
        if requested in ("binary", "multiclass") and requested != name:
            raise DataError(f"--task {requested} was asked for, but the target has {len(labels)} classes.")
    if isinstance(metric, Metric):
        chosen, why = metric, "asked for"
    elif metric is not None:
        chosen, why = metric_by_name(metric, name), "asked for"
    else:
        chosen, why = _default_metric(name, target)
    return TaskChoice(_CLASSES[name](metric=chosen, labels=labels), reason, why)


def _infer(
    target: npt.NDArray[Any], values: list[Label], requested: str | None, metric: str | Metric | None
) -> tuple[str, str]:
    if requested is not None:
        return ("regression" if requested == "regression" else "multiclass"), "asked for"
    asked = METRICS.get(metric) if isinstance(metric, str) else None
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if asked is not None and asked.tasks == {"regression"} and all(_is_number(value) for value in values):
        return "regression", f"metric {asked.name} scores numbers"
    if asked is not None and "regression" not in asked.tasks:
        return "multiclass", f"metric {asked.name} scores classes"
    count = len(values)
    if not numeric:
        kind = "are text" if all(_is_number(value) for value in values) else "are not numbers"
        return "multiclass", f"the target holds {count} distinct labels that {kind}"
    if count == 2:
        return "multiclass", "the target holds two distinct values"
    whole = all(float(value).is_integer() for value in values)
    if not whole:
        return "regression", f"the target holds {count} distinct numbers with fractions"
    few = 20 if len(target) >= 1000 else 10
    if count <= few and count <= len(target) / 5:
        return (
            "multiclass",
            f"the target holds only {count} distinct whole numbers; --task regression treats them as values",
        )
    return (
        "regression",
        f"the target holds {count} distinct whole numbers; --task classification treats them as classes",
    )


def _plain_default(name: str) -> str:
    return "rmse" if name == "regression" else "log_loss"


def _default_metric(name: str, target: npt.NDArray[Any]) -> tuple[Metric, str]:
    if name == "regression":
        return METRICS["rmse"], "default of a regression"
    by_label = Counter[str]()
    for value, count in Counter(target.tolist()).items():
        by_label[_label_key(value)] += count
    counts = np.array(list(by_label.values()))
    if name == "binary":
        share = float(counts.min() / counts.sum())
        if share >= 0.3:
            return METRICS[
                "accuracy"
            ], f"default of two balanced classes (the rarer one holds {share_text(share)})"
        return (
            METRICS["roc_auc"],
            f"the rarer class holds {share:.3g} of the rows, where accuracy would reward always "
            "predicting the other one",
        )
    largest = float(counts.max() / counts.sum())
    if largest < 0.75:
        return METRICS["accuracy"], f"default of several classes (the largest holds {share_text(largest)})"
    return (
        METRICS["log_loss"],
        f"the largest class holds {share_text(largest)} of the rows, where accuracy would reward "
        "predicting it",
    )


def _distinct(target: npt.NDArray[Any]) -> list[Label]:
    """Distinct values as Python scalars; spellings that differ in blanks count once."""
    seen: dict[str, Label] = {}
    for value, _ in Counter(target.tolist()).most_common():
        seen.setdefault(_label_key(value), _scalar(value))
    return list(seen.values())


def _scalar(value: Any) -> Label:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, bool | int | str):
        return plain
    if isinstance(plain, float):
        return plain
    return str(plain)


def _label_key(value: Any) -> str:
    plain = _scalar(value)
    if isinstance(plain, str):
        return plain.strip()
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return repr(int(plain)) if float(plain).is_integer() else repr(plain)


def _ordered_labels(values: list[Label]) -> tuple[Label, ...]:
    """Ascending; of two words like no and yes, the affirmative one last."""
    if len(values) == 2:
        keys = [_label_key(value).casefold() for value in values]
        for negative, positive in zip(_NEGATIVE_WORDS, _POSITIVE_WORDS, strict=True):
            if set(keys) == {negative, positive}:
                return tuple(sorted(values, key=lambda value: _label_key(value).casefold() == positive))
    if all(isinstance(value, bool) or _is_number(value) for value in values):
        return tuple(sorted(values, key=lambda value: (float(value), str(value))))
    return tuple(sorted(values, key=str))


def _is_number(value: Label) -> bool:
    """Whether a label is a number, or the text of one."""
    try:
        return not isinstance(value, bool) and np.isfinite(float(value))
    except ValueError:
        return False
