from __future__ import annotations

import numpy as np
import pytest

from automl.model.log_target import LogTarget


def test_there_and_back() -> None:
    target = np.array([0.0, 1.0, 250.0, 9000.0])
    log = LogTarget.for_training(target)
    np.testing.assert_allclose(log.restore(log.apply(target)), target)


def test_the_way_back_is_bounded() -> None:
    log = LogTarget.for_training(np.array([3.0, 100.0]))
    restored = log.restore(np.array([[-50.0], [50.0], [np.nan]]))
    np.testing.assert_allclose(restored[:2, 0], [2.0, 150.0])
    assert np.isnan(restored[2, 0])


def test_a_target_without_logarithm_is_refused() -> None:
    with pytest.raises(ValueError, match="above -1"):
        LogTarget.for_training(np.array([-1.0, 2.0]))
