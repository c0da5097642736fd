"""Digests of a whole frame, and of rows, to find exact duplicates."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from automl.core.table import Rows, Table
from automl.data.cells.plain import is_numeric, numbers, words

Hashes = npt.NDArray[np.uint64]
_NAN = np.array([np.nan]).view(np.uint64)[0]
# Constants of splitmix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators")
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_STEP = np.uint64(0x9E3779B97F4A7C15)


def frame_digest(frame: pd.DataFrame) -> str:
    """SHA-256 of names and cells in their order; equal for equal values in other number or text types."""
    digest = hashlib.sha256(json.dumps([len(frame), *map(str, frame.columns)]).encode())
    for i in range(frame.shape[1]):
        digest.update(np.ascontiguousarray(_cell_hashes(frame.iloc[:, i])).tobytes())
    return digest.hexdigest()


def _cell_hashes(column: pd.Series[Any]) -> Hashes:
    """A hash per cell: of its float64 value for numbers, else of its text."""
    if is_numeric(column) and not _is_beyond_float(column):
        return _number_bits(numbers(column))
    text = words(column).dictionary_encode()
    levels = np.array(text.dictionary.to_pylist(), dtype=object)
    codes = text.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    hashes = pd.util.hash_array(levels, categorize=False) if len(levels) else np.empty(0, np.uint64)
    return np.asarray(np.append(hashes, np.uint64(0))[codes], dtype=np.uint64)


def _is_beyond_float(column: pd.Series[Any]) -> bool:
    if column.dtype.kind not in "iu" or not len(column) or not column.notna().any():
        return False
    return max(abs(int(column.min())), abs(int(column.max()))) >= 2**53


def _number_bits(values: npt.NDArray[np.float64]) -> Hashes:
    """The bits of floats, with one zero and one NaN."""
    bits: Hashes = (values + 0.0).view(np.uint64)
    return np.where(np.isnan(values), _NAN, bits)


def duplicate_groups(table: Table) -> Rows:
    """Group numbers ``(rows,)``, from 0 in order of first appearance: rows with equal features share one.

    Rows are compared by :func:`row_hashes`.
    """
    return np.asarray(pd.factorize(row_hashes(table))[0], dtype=np.int64)


def row_hashes(table: Table) -> Hashes:
    """A 64-bit hash of each row's features ``(rows,)``, regardless of the place of the row.

    Among a million different rows the chance of one false match is below 3e-8.
    """
    hashes = np.zeros(table.rows, dtype=np.uint64)
    for i in range(table.numbers.shape[1]):
        hashes = _mixed(hashes, _number_bits(np.asarray(table.numbers[:, i])))
    for i in range(table.codes.shape[1]):
        hashes = _mixed(hashes, np.asarray(table.codes[:, i]).astype(np.int64).view(np.uint64))
    for column in table.words:
        hashes = _mixed(hashes, np.asarray(pd.util.hash_array(column), dtype=np.uint64))
    return hashes


def _mixed(hashes: Hashes, values: Hashes) -> Hashes:
    """Mix one more column into the rows' hashes; unsigned arithmetic wraps around on purpose."""
    mixed = (hashes + _STEP) ^ values
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX_1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return mixed ^ (mixed >> np.uint64(31))
