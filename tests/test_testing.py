from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.core.errors import UsageError
from automl.core.family import Family, FitContext
from automl.core.table import Kind, Table
from automl.core.tasks import Encoded, Task
from automl.families import dummy
from automl.families.preprocess.constant import Constant
from automl.testing.families import check_family


@dataclass(frozen=True)
class Broken:
    """The dummy's model with one thing wrong."""

    inner: Constant
    predicted: Callable[[np.ndarray, Table], Any]
    saved: Callable[[Path], None] | None = None

    def predict(self, inputs: Table) -> Any:
        return self.predicted(self.inner.predict(inputs), inputs)

    def save(self, folder: Path) -> None:
        self.inner.save(folder) if self.saved is None else self.saved(folder)


def broken(
    predicted: Callable[[np.ndarray, Table], Any] = lambda values, inputs: values, **changes: Any
) -> Family:
    saved = changes.pop("saved", None)

    def fit(params: Any, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Broken:
        return Broken(dummy.fit(params, inputs, target, task, context), predicted, saved)

    return replace(dummy.FAMILY, **({"fit": fit} | changes))


def spoiled(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[0, 0] = np.nan
    return values


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        (lambda values, inputs: values[:, 0], "returned shape"),
        (lambda values, inputs: values.argmax(axis=1)[:, None], "floating numpy array"),
        (lambda values, inputs: values.tolist(), "floating numpy array"),
        (lambda values, inputs: spoiled(values), "must be finite"),
        (lambda values, inputs: values * 0.9, "must sum to 1"),
        (lambda values, inputs: values * [3, -1], r"within \[0, 1\]"),
        (lambda values, inputs: np.eye(2)[np.zeros(inputs.rows, dtype=int)], "worse than"),
        (lambda values, inputs: values if inputs.rows > 1 else values[:, ::-1], "row alone"),
        (lambda values, inputs: inputs.numbers.sort() or values, "read-only"),
    ],
)
def test_a_wrong_prediction_is_found(predicted: Any, message: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=message):
        check_family(broken(predicted))


def test_the_message_names_family_and_task() -> None:
    with pytest.raises(AssertionError, match="family 'dummy', binary: "):
        check_family(broken(lambda values, inputs: values[:1]))


def test_a_pickle_is_found() -> None:
    def save(folder: Path) -> None:
        (folder / "model.bin").write_bytes(pickle.dumps({}))

    with pytest.raises(AssertionError, match="pickle"):
        check_family(broken(saved=save))


def test_a_pickle_within_an_archive_is_found() -> None:
    def save(folder: Path) -> None:
        np.savez(folder / "model.npz", weights=np.array([object], dtype=object))

    with pytest.raises(AssertionError, match="pickle"):
        check_family(broken(saved=save))


def test_nothing_saved_is_found() -> None:
    with pytest.raises(AssertionError, match="at least one file"):
        check_family(broken(saved=lambda folder: None))


def test_another_model_after_loading_is_found() -> None:
    def load(folder: Path) -> Constant:
        return replace(dummy.load(folder), constant=np.array([1.0, 0.0]))

    with pytest.raises(AssertionError, match="loaded model must predict as the saved"):
        check_family(replace(dummy.FAMILY, load=load, tasks=frozenset({"binary"})))


def test_a_seed_that_is_ignored_is_found() -> None:
    generator = np.random.default_rng()

    def fit(params: Any, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Constant:
        share = generator.uniform(0.45, 0.55)
        return Constant(np.array([share, 1 - share]))

    family = replace(dummy.FAMILY, fit=fit, tasks=frozenset({"binary"}))
    with pytest.raises(AssertionError, match="same seed"):
        check_family(family)


def test_weights_that_are_declared_and_ignored_are_found() -> None:
    def fit(params: Any, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Constant:
        return dummy.fit(params, inputs, target, task, replace(context, weights=None))

    with pytest.raises(AssertionError, match=r"declares sample_weights, but a row of weight 4 is not like 4"):
        check_family(replace(dummy.FAMILY, fit=fit))
    check_family(replace(dummy.FAMILY, fit=fit, sample_weights=False))


def test_a_fit_that_ignores_its_deadline_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("automl.testing.families._STOP_SECONDS", 0.05)

    def fit(params: Any, inputs: Table, target: Encoded, task: Task, context: FitContext) -> Constant:
        time.sleep(0.1)
        return dummy.fit(params, inputs, target, task, context)

    with pytest.raises(AssertionError, match="went on for"):
        check_family(replace(dummy.FAMILY, fit=fit))


@dataclass
class Thawed:
    size: int = 1


@dataclass(frozen=True)
class Unbindable:
    sizes: tuple[int, ...] = (1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"params": Thawed}, "frozen dataclass"),
        ({"params": Unbindable}, "cannot bind"),
        ({"name": "No Name"}, "lower-case identifier"),
        ({"summary": ""}, "one line of text"),
        ({"tasks": frozenset({"ranking"})}, "tasks must be some of"),
    ],
)
def test_a_wrong_declaration_is_found(change: dict[str, Any], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_family(replace(dummy.FAMILY, **change))


def test_a_family_of_images_alone_needs_another_check() -> None:
    with pytest.raises(UsageError, match="takes none of them"):
        check_family(replace(dummy.FAMILY, kinds=frozenset({Kind.IMAGE})))
