"""The clean target column: no missing values, one spelling per class, numbers as numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from automl.core.errors import DataError, did_you_mean
from automl.core.predictions import Answer
from automl.core.task_choice import asked_answer
from automl.core.text import quoted, share_text
from automl.data.cells.durations import DURATIONS, seconds_of
from automl.data.cells.names import listed
from automl.data.cells.plain import EXACT, is_numeric, parse_numbers, words
from automl.data.cells.row_numbers import row_number
from automl.data.spellings import merge_spellings
from automl.data.target_numbers import (
    TargetNumbers,
    find_target_numbers,
    refuse_dates,
    refuse_units,
    refuse_words,
)

Values = npt.NDArray[Any]
_MISSING_SHARE = 0.5
_MANY_CLASSES = 1_000
_SINGLES_SHARE = 0.05  # of the rows may be the only one of their class
_NUMBERS = (int, float, np.integer, np.floating)
_LARGEST = 1e37  # squares and sums of larger numbers would overflow


@dataclass(frozen=True)
class CleanTarget:
    """The rows that have a target, and their targets.

    Attributes
    ----------
    frame:
        The usable rows with all columns and their own index.
    values:
        ``(rows,)`` labels or numbers in their own type: bool, int64, float64, or str as objects.
    notes:
        Sentences on what was dropped or changed.
    numbers:
        The notation of the numbers, if text or durations were read as numbers.
    """

    frame: pd.DataFrame
    values: Values
    notes: tuple[str, ...] = ()
    numbers: TargetNumbers | None = None


@dataclass(frozen=True)
class _Column:
    """The values of a target in their own type, a mask of those present, remarks, and their notation."""

    values: Values
    present: npt.NDArray[np.bool_]
    remarks: tuple[str, ...] = ()
    numbers: TargetNumbers | None = None


def clean_target(
    frame: pd.DataFrame,
    target: str,
    *,
    task: str | None = None,
    judging: bool = False,
    numbers: TargetNumbers | None = None,
) -> CleanTarget:
    """The usable rows of a frame and their target.

    Parameters
    ----------
    task:
        ``classification``, the name of a task, or None if it is still open.
    judging:
        Whether the rows are judged, not trained on: constant targets and rare classes are fine.
    numbers:
        The notation of the target's numbers in training.

    Raises
    ------
    DataError
        For a target that is absent, mostly missing, infinite, or constant.
    """
    if target not in frame.columns:
        alone = len(frame.columns) == 1
        hint = " Next: if that is the whole header, pass its separator with --delimiter." if alone else ""
        raise DataError(f"There is no target column {target!r}. {did_you_mean(target, frame.columns)}{hint}")
    answer = asked_answer(task)
    column = _read(frame[target], target, answer, numbers)
    values, present, notes = column.values, column.present, [*column.remarks]
    missing = int((~present).sum())
    if missing:
        share = missing / len(frame)
        if share > _MISSING_SHARE:
            raise DataError(
                f"The target {target!r} is missing in {missing} of {len(frame)} rows ({share_text(share)}); "
                f"at most {_MISSING_SHARE:.0%} may be. Next: choose another target, or remove those rows "
                "yourself."
            )
        notes.append(f"{missing} rows without a target ({share_text(share, 1)}) were left out.")
        frame, values = frame.loc[present], values[present]
    if values.dtype.kind == "f":
        _refuse_extremes(values, target, frame)
    classes = answer is not Answer.NUMBERS and (answer is not None or _looks_like_classes(values))
    if values.dtype.kind == "O":
        values, spelled = merge_spellings(values)
        notes += spelled
    if judging:
        return CleanTarget(frame, values, tuple(notes), column.numbers)
    if classes:
        frame, values, rare = _without_singles(frame, values, target)
        notes += rare
    _refuse_constant(values, target)
    return CleanTarget(frame, values, tuple(notes), column.numbers)


def _looks_like_classes(values: Values) -> bool:
    """Return whether the target would be read as classes: labels, two numbers, or few whole numbers."""
    if values.dtype.kind in "Ob":
        return True
    distinct = len(np.unique(values))
    if distinct == 2:
        return True
    if values.dtype.kind == "f" and not (values == np.floor(values)).all():
        return False
    return distinct <= (20 if len(values) >= 1000 else 10) and distinct <= len(values) / 5


def _read(
    column: pd.Series[Any], target: str, answer: Answer | None, numbers: TargetNumbers | None
) -> _Column:
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = pd.Series(np.asarray(column), index=column.index)
    present = column.notna().to_numpy()
    if column.dtype.kind == "O":
        column = _typed_numbers(column, present)
    if pd.api.types.is_bool_dtype(column.dtype):
        return _Column(np.where(present, column.to_numpy(dtype=object), False).astype(np.bool_), present)
    open_task = answer is not Answer.CLASSES
    if column.dtype.kind == "m" and open_task:
        seconds = TargetNumbers(duration=DURATIONS)
        remark = "The target's durations are numbers: predictions are in seconds."
        return _Column(seconds_of(column), present, (remark,), seconds)
    large = column.dtype.kind == "u" and present.any() and column.max() >= 2**63
    if is_numeric(column) and not large:
        if answer is None:
            refuse_dates(column, None, target)
        if column.dtype.kind in "iu":
            return _Column(np.where(present, column.to_numpy(dtype=object), 0).astype(np.int64), present)
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return _Column(_whole_if_classes(values, present, answer), present)
    kinds = _types(column[present])
    if kinds == {bool} or kinds == {np.bool_}:
        return _Column(np.where(present, column.to_numpy(), False).astype(np.bool_), present)
    return _read_words(column, target, answer, numbers)


def _read_words(
    column: pd.Series[Any], target: str, answer: Answer | None, numbers: TargetNumbers | None
) -> _Column:
    """Read text as numbers if all of it is numeric, else as labels."""
    text = words(column)
    present = text.is_valid().to_numpy(zero_copy_only=False)
    open_task = answer is not Answer.CLASSES
    if open_task:
        refuse_dates(column, text, target)
        numbers = numbers or find_target_numbers(text, exact=answer is None)
    spelled_as_classes = False
    if open_task and numbers is not None:
        values, bad = numbers.read(text)
        usable = values[present & ~np.isnan(values)]
        spelled_once = pc.count_distinct(text.filter(pa.array(~np.isnan(values)))).as_py() == len(
            np.unique(usable)
        )
        spelled_as_classes = spelled_once and _looks_like_classes(usable)
        if answer is Answer.NUMBERS or not spelled_as_classes:
            refuse_units(numbers, text, target)
            refuse_words(bad, text, target, column)
            present &= ~np.isnan(values)
            return _Column(np.where(present, values, 0), present, (numbers.described,), numbers)
        spelled_as_classes = not bad.any()
        if spelled_as_classes:
            present &= ~np.isnan(values)
    if answer is Answer.NUMBERS:
        odd = np.flatnonzero(parse_numbers(text)[1])
        sample, row = (text[int(odd[0])].as_py(), int(odd[0])) if len(odd) else ("", 0)
        raise DataError(
            f"A regression needs numbers, but {len(odd)} of {len(text) - text.null_count} values of the "
            f"target {target!r} are text, such as {quoted(sample)} in row {row_number(column, row)}. Next: "
            "correct them, choose another --target, or use --task classification."
        )
    return _labels(column, text, present, kept_as_text=spelled_as_classes)


def _labels(
    column: pd.Series[Any], text: Any, present: npt.NDArray[np.bool_], *, kept_as_text: bool
) -> _Column:
    """Read the labels as they are written; values of several types by their text."""
    kinds = _types(column[column.notna()])
    raw = column.to_numpy(dtype=object)
    remarks: tuple[str, ...] = ()
    if kept_as_text:
        remarks = ("The target's classes are numbers kept as text, and so are predictions.",)
    if len(kinds) > 1:
        names = sorted(kind.__name__ for kind in kinds)
        remarks = (f"The target holds values of several types ({', '.join(names)}): all are read as text.",)
    if len(kinds) > 1 or kinds != {str}:
        raw = text.to_numpy(zero_copy_only=False)
    return _Column(np.where(present, raw, ""), present, remarks)


def _typed_numbers(column: pd.Series[Any], present: npt.NDArray[np.bool_]) -> pd.Series[Any]:
    """The column in a numeric type if it holds Python numbers and None, as databases give them."""
    kinds = _types(column[present])
    whole = all(issubclass(kind, int | np.integer) for kind in kinds)
    if not kinds or bool in kinds or not all(issubclass(kind, _NUMBERS) for kind in kinds):
        return column
    try:
        numbers = pd.Series(np.asarray(column.where(present, np.nan), dtype=np.float64), index=column.index)
        if whole:
            return column.where(present, pd.NA).astype("Int64")
    except (OverflowError, TypeError, ValueError):
        return column
    return numbers if kinds <= {float, np.float64} or not (numbers.abs() >= EXACT).any() else column


def _types(present: pd.Series[Any]) -> set[type]:
    """The types of the values, whatever the type of the column."""
    if isinstance(present.dtype, pd.StringDtype):
        return {str}
    return {type(value) for value in present} if present.dtype.kind == "O" else {present.dtype.type}


def _whole_if_classes(
    values: npt.NDArray[np.float64], present: npt.NDArray[np.bool_], answer: Answer | None
) -> Values:
    """The values as integers again, if they became floats only because some were missing."""
    usable = values[present]
    if answer is Answer.NUMBERS or present.all() or not len(usable) or not np.isfinite(usable).all():
        return values
    whole = bool((usable == np.floor(usable)).all()) and float(np.abs(usable).max()) < 2**53
    return np.where(present, values, 0).astype(np.int64) if whole else values


def _refuse_extremes(values: Values, target: str, frame: pd.DataFrame) -> None:
    rows = np.flatnonzero(np.abs(values) > _LARGEST)
    if not len(rows):
        return
    problem = "infinite" if np.isinf(values[rows]).all() else f"infinite or beyond {_LARGEST:g}"
    raise DataError(
        f"The target {target!r} is {problem} in {len(rows)} row{'s' * (len(rows) > 1)}: "
        f"{listed([row_number(frame, row) for row in rows])}. Next: replace, remove or rescale them."
    )


def _refuse_constant(values: Values, target: str) -> None:
    distinct = set(values[:1000].tolist()) or set()
    if len(distinct) < 2 and len(set(values.tolist())) < 2:
        shown = _shown(values[:1])[0] if len(values) else "nothing"
        raise DataError(
            f"The target {target!r} has only one value ({shown} in {len(values)} rows): nothing to learn. "
            "Next: choose another --target."
        )


def _without_singles(
    frame: pd.DataFrame, values: Values, target: str
) -> tuple[pd.DataFrame, Values, list[str]]:
    """The rows without classes of a single row, which cannot be used both to train and to judge."""
    codes, distinct = pd.factorize(values)
    counts = np.bincount(codes, minlength=len(distinct))
    notes = []
    if len(distinct) > _MANY_CLASSES:
        notes.append(f"The target has {len(distinct)} classes; if it is a quantity, use --task regression.")
    single = np.flatnonzero(counts == 1)
    if not len(single) or len(distinct) < 2:
        return frame, values, notes
    names = listed(_shown(distinct[single]))
    if (counts > 1).sum() < 2:
        raise DataError(
            f"The target {target!r} has fewer than two classes with two rows or more: {names} "
            f"{'has' if len(single) == 1 else 'have'} one row each. Next: add rows of "
            f"{'it' if len(single) == 1 else 'them'}, or merge classes."
        )
    usable = counts[codes] > 1
    if len(single) > max(1, _SINGLES_SHARE * len(values)):
        raise DataError(
            f"{len(single)} of the {len(distinct)} values of the target {target!r} occur in only one "
            f"row, such as {listed(_shown(distinct[single[:3]]))}: such classes cannot both train and judge, "
            f"and {share_text(len(single) / len(values))} of the rows would be left out. Next: choose "
            "another --target, merge rare classes, or, if it is a quantity, write it as numbers and pass "
            "--task regression."
        )
    subject = "class occurs only once and was" if len(single) == 1 else "classes occur only once and were"
    notes.append(f"{len(single)} {subject} left out: {names}.")
    return frame.loc[usable], values[usable], notes


def _shown(labels: Iterable[Any]) -> list[str]:
    return [repr(label.item() if isinstance(label, np.generic) else label) for label in labels]
