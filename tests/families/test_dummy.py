from __future__ import annotations

from pathlib import Path

import numpy as np

from automl.core.built_in_tasks import BinaryTask, RegressionTask
from automl.core.family import FitContext
from automl.core.metrics import METRICS
from automl.core.table import Features, Table
from automl.families import dummy
from automl.testing.families import check_family

EMPTY = Table(Features(), np.empty((4, 0)), np.empty((4, 0), np.int32))


def test_dummy_keeps_the_contract() -> None:
    check_family(dummy.FAMILY)


def test_classes_get_their_shares_and_numbers_their_mean(tmp_path: Path) -> None:
    binary = BinaryTask(METRICS["log_loss"], ("no", "yes"))
    model = dummy.fit(dummy.Params(), EMPTY, np.array([0, 1, 1, 1]), binary, FitContext())
    model.save(tmp_path)
    assert dummy.load(tmp_path).predict(EMPTY).tolist() == [[0.25, 0.75]] * 4
    regression = RegressionTask(METRICS["rmse"])
    model = dummy.fit(dummy.Params(), EMPTY, np.array([1.0, 2.0, 3.0, 6.0]), regression, FitContext())
    assert model.predict(EMPTY).tolist() == [[3.0]] * 4
