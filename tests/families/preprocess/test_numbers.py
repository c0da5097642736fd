from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from automl.families.preprocess.numbers import Impute, Quantile, Splines, Squash, Standard


@pytest.fixture
def values() -> np.ndarray:
    generator = np.random.default_rng(0)
    values = generator.lognormal(size=(500, 4))
    values[:, 2] = 7.1
    values[generator.random(values.shape) < 0.1] = np.nan
    values[:, 3] = np.nan
    return values


def test_standard_agrees_with_scikit_learn(values: np.ndarray) -> None:
    ours = Standard.fit(values).transform(values)
    theirs = StandardScaler().fit_transform(values[:, :2])
    np.testing.assert_allclose(ours[:, :2], theirs, atol=1e-12)
    assert np.nanmax(np.abs(ours[:, 2])) == 0


def test_standard_goes_back_to_the_values(values: np.ndarray) -> None:
    standard = Standard.fit(values)
    np.testing.assert_allclose(standard.inverse(standard.transform(values))[:, :3], values[:, :3])


def test_squash_holds_outliers_and_keeps_order_and_gaps(values: np.ndarray) -> None:
    values[0, 0] = 1e12
    squashed = Squash.fit(values).transform(values)
    present = ~np.isnan(values[:, 0])
    assert np.nanmax(np.abs(squashed)) <= 3
    assert (np.argsort(squashed[present, 0]) == np.argsort(values[present, 0])).all()
    assert np.isnan(squashed[~present, 0]).all()


def test_rounding_alone_makes_no_spread_and_no_hinge() -> None:
    sums = np.repeat([0.1 + 0.2, 0.3, 5.0], [40, 50, 10])[:, None]
    assert Squash.fit(sums).transform(sums).max() > 0.5
    for rows in range(10, 300):
        column = np.repeat([0.0, 1.0], [rows - rows // 5, rows // 5])[:, None]
        hinges = Splines.fit(column).transform(column)
        assert (np.ptp(hinges, axis=0) > 1e-9).all()


@pytest.mark.parametrize("kind", [Standard, Squash])
def test_the_unit_of_a_column_does_not_matter(kind: Any, values: np.ndarray) -> None:
    small = kind.fit(values * 1e-18)
    assert np.allclose(small.transform(values * 1e-18), kind.fit(values).transform(values), equal_nan=True)
    assert np.isfinite(small.transform(np.full((1, values.shape[1]), 1e37))).all()
    assert not kind.fit(np.full((9, 1), 0.1)).transform(np.full((9, 1), 0.1)).any()


def test_quantile_is_close_to_scikit_learns(values: np.ndarray) -> None:
    column = values[~np.isnan(values[:, 0]), :1]
    ours = Quantile.fit(column).transform(column)[:, 0]
    theirs = QuantileTransformer(n_quantiles=256, output_distribution="normal").fit_transform(column)[:, 0]
    inner = np.abs(theirs) < 2.5
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=0.02)


def test_quantile_puts_a_frequent_value_in_the_middle_of_its_ranks() -> None:
    column = np.array([[0.0]] * 50 + [[1.0]] * 50)
    low, high = Quantile.fit(column).transform(np.array([[0.0], [1.0]]))[:, 0]
    assert low == pytest.approx(-high, abs=0.02)
    assert -0.75 < low < -0.6


def test_impute_fills_medians_and_flags_columns_with_gaps(values: np.ndarray) -> None:
    filled = Impute.fit(values).transform(values)
    assert filled.shape == (500, 7)
    missing = np.isnan(values[:, 0])
    assert filled[missing, 0] == pytest.approx(np.nanmedian(values[:, 0]))
    assert (filled[:, 4] == missing).all()
    assert (filled[:, 3] == 0).all()


def test_splines_bend_at_inner_quantiles() -> None:
    column = np.linspace(0, 1, 101)[:, None]
    bent = Splines.fit(column).transform(np.array([[0.0], [1.0]]))
    assert bent.shape == (2, 5)
    np.testing.assert_allclose(bent[1], [1.0, 0.8, 0.6, 0.4, 0.2])


@pytest.mark.parametrize("kind", [Standard, Squash, Quantile, Impute])
def test_all_load_as_saved_and_take_tiny_tables(kind: type, values: np.ndarray, tmp_path: Path) -> None:
    fitted = kind.fit(values)
    fitted.save(tmp_path)
    np.testing.assert_array_equal(kind.load(tmp_path).transform(values), fitted.transform(values))
    assert kind.fit(values[:1]).transform(values).shape[0] == 500
    assert kind.fit(values[:, :0]).transform(values[:, :0]).shape == (500, 0)
