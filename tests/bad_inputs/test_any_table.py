"""Any table that pandas can hold or write trains or is refused with a place; labels come back."""

from __future__ import annotations

import csv
import functools
import logging
import os
import string
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, assume, currently_in_test_context, given, settings
from hypothesis import strategies as st

from automl.core.errors import DataError
from automl.core.table import Kind
from automl.core.trial import Candidate, Ticket
from automl.data.cells.plain import MISSING_WORDS
from automl.data.files.readers import read_table
from automl.executors.evaluate import Control, evaluate
from automl.families import families
from automl.model.predictor import Predictor, PredictorSource, build_predictor
from automl.problem.preparation import prepare
from automl.problem.settings import Settings

ROWS = 24
LINEAR = Candidate(family="linear")
FEW_TREES = Candidate(family="extra_trees", params={"n_estimators": 8})
BOUNDED = settings(
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # to shrink takes minutes where each example trains
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def few(examples: int) -> Callable[[Any], Any]:
    """So many examples, the same ones each time; or as many new ones as the environment says."""
    many = os.environ.get("AUTOML_EXAMPLES")
    if many:
        return settings(BOUNDED, max_examples=int(many), derandomize=False)
    return settings(BOUNDED, max_examples=examples)


def trained(
    source: Any, target: str, folder: Path, *, candidate: Candidate = LINEAR, **options: Any
) -> Predictor:
    """What a search does with one trial, without its record: read, check, split, fit the folds, keep."""
    prepared = prepare(
        Settings(source, target=target, seconds=None, trials=1, folds=2, device="cpu", **options)
    )
    scratch = folder / "trial"
    scratch.mkdir()
    result = evaluate(
        Ticket(number=0, candidate=candidate, folder=str(scratch), seconds=60.0), prepared.problem, Control()
    )
    if currently_in_test_context():
        assume("All features are either constant" not in result.error)  # CatBoost, where a fold has it so
    assert result.status.value == "done", f"{result.error}\n{result.traceback}"
    members = ((Path(result.model_folder), 1.0),)
    built = build_predictor(
        folder / "model",
        PredictorSource(name="any", task=prepared.task, layout=prepared.layout, members=members),
    )
    return Predictor.load(built.folder)


def assert_has_a_place(error: DataError) -> None:
    """The message names something and says what to do."""
    text = str(error)
    assert any(mark in text for mark in ("'", "row", "column", "line")), text
    assert len(text.split(". ")) > 1, text


words = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
numbers = st.floats(allow_nan=True, allow_infinity=True)
cells = st.one_of(
    words,
    numbers,
    st.integers(-(2**70), 2**70),
    st.booleans(),
    st.none(),
    st.dates(),
    st.datetimes(),
    st.binary(max_size=3),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.timedeltas(),
    st.tuples(st.integers(0, 2)),
)


def repeated(element: st.SearchStrategy[Any], distinct: int = 4) -> st.SearchStrategy[list[Any]]:
    """Rows that repeat a few values, as categories do."""
    return st.lists(element, min_size=1, max_size=distinct).flatmap(
        lambda few_values: st.lists(st.sampled_from(few_values), min_size=ROWS, max_size=ROWS)
    )


def column(draw_from: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.one_of(st.lists(draw_from, min_size=ROWS, max_size=ROWS), repeated(draw_from))


def typed(values: list[Any], dtype: str) -> pd.Series[Any]:
    """The values as pandas would hold them; objects where they do not fit the type."""
    try:
        with np.errstate(over="ignore"):
            return pd.Series(values, dtype=dtype)
    except (TypeError, ValueError, OverflowError):
        return pd.Series(values, dtype="object")


whole = st.one_of(st.none(), st.integers(-9, 9))
truths = st.one_of(st.none(), st.booleans())
moments = st.one_of(st.none(), st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1)))
columns = st.one_of(
    st.tuples(column(cells), st.just("object")),
    st.tuples(column(words), st.sampled_from(("object", "category", "string"))),
    st.tuples(column(numbers), st.sampled_from(("float64", "float32", "object", "Float64"))),
    st.tuples(column(whole), st.sampled_from(("Int64", "object", "category"))),
    st.tuples(column(truths), st.sampled_from(("boolean", "object", "category"))),
    st.tuples(column(moments), st.sampled_from(("datetime64[ns]", "object"))),
)
names = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
frames = st.lists(st.tuples(names, columns), min_size=1, max_size=4, unique_by=lambda item: item[0]).map(
    lambda items: pd.DataFrame({name: typed(values, dtype) for name, (values, dtype) in items})
)
targets = st.one_of(
    column(cells),
    repeated(words),
    repeated(st.integers(-5, 5)),
    column(st.floats(-1e6, 1e6)),
    repeated(st.dates()),
    repeated(st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1))),
    repeated(st.timedeltas()),
    repeated(st.booleans()),
)


def assert_trains_or_is_refused(
    frame: pd.DataFrame, target: list[Any] | pd.Series[Any], candidate: Candidate
) -> None:
    frame = frame.assign(
        y=pd.Series(target, dtype="object").infer_objects() if isinstance(target, list) else target
    )
    frame.index = pd.Index(["same"] * ROWS)
    with tempfile.TemporaryDirectory() as name:
        try:
            model = trained(frame, "y", Path(name), candidate=candidate)
        except DataError as error:
            assert_has_a_place(error)
            return
        predicted = model.predict(frame)
        assert predicted.index.equals(frame.index)
        assert predicted.notna().all()
        assert set(predicted) <= set(model.classes) or not model.classes


@few(30)
@given(frames, targets, st.booleans())
def test_any_frame_trains_or_is_refused_with_a_place(
    frame: pd.DataFrame, target: list[Any], as_category: bool
) -> None:
    assume("y" not in frame.columns)
    assume(not (as_category and any(isinstance(cell, tuple) for cell in target)))  # pandas cannot order them
    values = pd.Series(target, dtype="object").infer_objects().astype("category") if as_category else target
    assert_trains_or_is_refused(frame, values, LINEAR)


@few(40)
@given(
    frames,
    targets,
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([".", ","]),
)
def test_any_file_that_pandas_writes_trains_or_is_refused_with_a_place(
    frame: pd.DataFrame,
    target: list[Any],
    delimiter: str,
    quoting: int,
    encoding: str,
    end: str,
    decimal: str,
) -> None:
    assume("y" not in frame.columns)
    frame["y"] = target
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "data.csv"
        frame.to_csv(
            path, index=False, sep=delimiter, quoting=quoting, encoding=encoding, errors="replace",
            lineterminator=end, decimal=decimal,
        )  # fmt: skip
        try:
            model = trained(path, "y", Path(name))
            predicted = model.predict(path)
        except DataError as error:
            assert_has_a_place(error)
            return
        assert len(predicted) == len(read_table(path).frame)
        assert predicted.notna().all()


def several(labels: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(labels, min_size=2, max_size=4, unique=True)


SIGNS = string.ascii_letters + " äß日🙂=\"',;|-_.0123456789"
label_sets = st.one_of(
    several(st.integers(-(2**62), 2**62)),
    several(st.integers(-(2**80), 2**80)),
    several(st.sampled_from([2**53 + i for i in range(6)] + [2**63 + i for i in range(6)])),
    st.just([True, False]),
    several(st.text(SIGNS, min_size=1, max_size=9)),
    several(st.floats(-1e9, 1e9, width=32)),
    several(st.dates(date(1800, 1, 1), date(2200, 1, 1))),
    several(st.one_of(st.integers(0, 9), st.text(string.ascii_lowercase, min_size=2, max_size=4))),
    several(st.decimals(-99, 99, places=2)),
)


def told(value: Any) -> str:
    """A label as text: what is promised of every type, whatever reads or writes it."""
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        value = int(value)
    return str(value).strip()


def same(label: Any, predicted: Any) -> bool:
    if isinstance(label, Decimal):  # 6.10 is 6.1 in a file
        return Decimal(str(predicted)) == label
    return told(label) == told(predicted)


@functools.cache
def held() -> dict[str, Any]:
    """Columns in every way that pandas and pyarrow hold them."""
    random = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=ROWS)
    arrow = {name: pd.ArrowDtype(kind) for name, kind in (
        ("decimal", pa.decimal128(10, 2)), ("list", pa.list_(pa.int64())), ("words", pa.string()),
        ("dictionary", pa.dictionary(pa.int32(), pa.string())), ("date", pa.date32()),
    )}  # fmt: skip
    letters = list("abcdef") * 4
    return {
        "arrow integers": pd.array(random.integers(0, 5, ROWS), dtype="int64[pyarrow]"),
        "arrow words": pd.array(letters, dtype=arrow["words"]),
        "arrow truth": pd.array([True, None] * 12, dtype="bool[pyarrow]"),
        "arrow times": pd.Series(days).astype("timestamp[us][pyarrow]"),
        "arrow dates": pd.Series(days).dt.date.astype(arrow["date"]),
        "arrow decimals": pd.Series([Decimal(i) for i in range(ROWS)]).astype(arrow["decimal"]),
        "arrow lists": pd.Series([[1, 2], [3]] * 12).astype(arrow["list"]),
        "arrow dictionary": pd.Series(letters).astype(arrow["dictionary"]),
        "periods": pd.PeriodIndex(["2024-01", "2024-02"] * 12, freq="M"),
        "intervals": pd.cut(random.normal(size=ROWS), 4),
        "complex": random.normal(size=ROWS) + 1j,
        "sparse": pd.arrays.SparseArray(random.integers(0, 2, ROWS)),
        "zoned": pd.date_range("2024-01-01", periods=ROWS, tz="Europe/Berlin"),
        "half": random.normal(size=ROWS).astype("float16"),
        "long": random.normal(size=ROWS).astype(np.longdouble),
        "unsigned": np.uint64(2**64 - 1) - random.integers(0, 3, ROWS).astype("uint64"),
        "bytes": pd.Series([b"a", b"b"] * 12),
        "ordered": pd.Categorical(list("abc") * 8, ordered=True),
        "days by name": pd.Categorical(pd.to_datetime(["2024", "2025"] * 12)),
        "spans": pd.to_timedelta(random.integers(0, 99, ROWS), unit="h"),
        "dicts": pd.Series([{"a": 1}, {"b": 2}] * 12),
        "arrays": pd.Series([np.zeros(2), np.ones(2)] * 12),
        "frames": pd.Series([pd.DataFrame()] * ROWS),
        "endless": pd.Series([np.inf, -np.inf] * 12),
        "times": pd.Series([time(i % 24) for i in range(ROWS)]),
    }


@pytest.mark.parametrize("role", ["x", "y"])
@pytest.mark.parametrize("how", sorted(held()))
def test_columns_of_every_dtype_train_or_are_refused(how: str, role: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"z": np.random.default_rng(1).normal(size=ROWS), "y": ["a", "b"] * 12})
    frame[role] = held()[how]
    try:
        model = trained(frame, "y", tmp_path)
        predicted = model.predict(frame)
    except DataError as error:
        assert_has_a_place(error)
        return
    if model.classes and how not in ("arrays", "arrow lists", "bytes", "dicts"):
        assert {told(label) for label in predicted} <= {told(label) for label in frame["y"]}


@few(20)
@given(label_sets, st.booleans())
def test_labels_come_back_as_they_were(labels: list[Any], through_a_file: bool) -> None:
    assume(len({told(label).casefold() for label in labels}) == len(labels))
    assume(not through_a_file or all(told(label).strip() not in MISSING_WORDS for label in labels))
    codes = np.arange(ROWS) % len(labels)
    noise = np.random.default_rng(0).normal(size=(2, ROWS))
    frame = pd.DataFrame({"x": 10 * codes + noise[0], "z": noise[1]})
    frame["y"] = pd.Series([labels[code] for code in codes], dtype="object").infer_objects()
    with tempfile.TemporaryDirectory() as name:
        source: Any = frame
        if through_a_file:
            source = Path(name) / "data.csv"
            frame.to_csv(source, index=False)
        try:
            model = trained(source, "y", Path(name), candidate=FEW_TREES, task="classification")
        except DataError as error:  # such as a label that a file has no way to tell from a blank
            assert_has_a_place(error)
            return
        predicted = model.predict(frame)
        assert all(map(same, frame["y"], predicted)), (list(frame["y"]), list(predicted))
        assert set(model.predict_proba(frame).columns) == set(predicted)


@pytest.fixture(scope="module")
def aligned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pd.DataFrame, Predictor]]:
    """A table of every kind and a model of it, which keeps to itself what is odd of the rows."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "number": random.normal(size=80),
            "whole": random.integers(0, 9, 80),
            "colour": random.choice(["red", "green", "blue"], 80),
            "flag": random.choice([True, False], 80),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 900, 80), unit="h"),
            "note": [f"the {number} words of a {number % 7} note" for number in random.integers(0, 99, 80)],
        }
    )
    frame["y"] = np.where(frame["number"] + random.normal(size=80) > 0, "yes", "no")
    logger = logging.getLogger("automl.model.predictor")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield frame.drop(columns="y"), trained(frame, "y", tmp_path_factory.mktemp("aligned"))
    logger.setLevel(before)


CASTS = {
    "number": ("object", "Float64", str),
    "whole": ("Int8", "object", "float64", str, "category"),
    "colour": ("category", "object", "string"),
    "flag": ("boolean", "object", str, "category"),
    "when": ("datetime64[s]", str),
    "note": ("string", "category"),
}


@few(60)
@given(st.data())
def test_predictions_do_not_depend_on_order_types_extras_or_index(aligned: Any, data: st.DataObject) -> None:
    frame, model = aligned
    rows = data.draw(st.lists(st.integers(0, 79), max_size=9))
    other = frame.iloc[rows].copy()
    for name in data.draw(st.lists(st.sampled_from(list(frame)), max_size=4, unique=True)):
        other[name] = other[name].astype(data.draw(st.sampled_from(CASTS[name])))
    for name in data.draw(st.lists(names.filter(lambda name: name not in frame), max_size=2, unique=True)):
        other[name] = 1
    other = other[data.draw(st.permutations(list(other)))]
    other.index = pd.Index(data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows))))
    gone = data.draw(st.lists(st.sampled_from(list(frame)), max_size=2, unique=True))
    if gone and rows:
        with pytest.raises(DataError) as refused:
            model.predict(other.drop(columns=gone))
        assert all(repr(name) in str(refused.value) for name in gone)
        return
    expected = model.predict_proba(frame).iloc[rows]
    found = model.predict_proba(other)
    assert found.index.equals(other.index)
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=0, atol=1e-9)


@few(30)
@given(frames)
def test_any_rows_are_predicted_or_refused_with_a_place(aligned: Any, frame: pd.DataFrame) -> None:
    _, model = aligned
    known = list(aligned[0])
    strange = pd.DataFrame({name: frame.iloc[:, i % frame.shape[1]] for i, name in enumerate(known)})
    try:
        predicted = model.predict(strange)
    except DataError as error:
        assert_has_a_place(error)
        return
    assert len(predicted) == len(strange)
    assert predicted.notna().all()


@few(25)
@given(frames)
def test_parquet_reads_back_what_pandas_wrote(frame: pd.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "data.parquet"
        try:
            frame.to_parquet(path)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):  # pandas cannot write it
            return
        back = read_table(path, minimum_rows=0).frame
        assert list(back) == [str(column) for column in frame]
        assert len(back) == len(frame)


@pytest.mark.slow
@pytest.mark.parametrize(
    "check",
    [
        test_any_frame_trains_or_is_refused_with_a_place,
        test_any_file_that_pandas_writes_trains_or_is_refused_with_a_place,
        test_labels_come_back_as_they_were,
    ],
)
def test_many_more_examples(check: Any) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        *("-n", "0", "-p", "no:cacheprovider"),
        f"{__file__}::{check.__name__}",
    ]
    environment = {**os.environ, "AUTOML_EXAMPLES": os.environ.get("AUTOML_MANY_EXAMPLES", "500")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    "family", sorted(name for name, family in families().items() if Kind.NUMBER in family.kinds)
)
def test_any_frame_trains_in_every_family(family: str) -> None:
    @few(20)
    @given(frames, targets)
    def check(frame: pd.DataFrame, target: list[Any]) -> None:
        assume("y" not in frame.columns)
        assert_trains_or_is_refused(frame, target, Candidate(family=family))

    check()
