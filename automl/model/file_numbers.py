"""Files as numbers for families that read tables only, as the files' modality makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automl.core.modality import FileNumbers, Report, named
from automl.core.table import Table
from automl.data.modalities import modalities

Learnt = Mapping[str, Mapping[str, Any]]
"""By kind, what was learnt to make numbers of its files."""


def learn_file_numbers(table: Table, report: Report = lambda fraction, message: None) -> Learnt:
    """Learn to turn the table's files into a few numbers each; returns plain data by their kind."""
    by_kind = {}
    for kind in table.files:
        reference = modalities()[kind].numbers
        learnt = _numbers(reference).learn(table, report) if reference else None
        if learnt is not None:
            by_kind[kind] = learnt
    return by_kind


def with_file_numbers(table: Table, learnt: Learnt) -> Table:
    """The table with the numbers that :func:`learn_file_numbers` found, after its own."""
    for kind, data in learnt.items():
        if table.files.get(kind):
            table = _numbers(modalities()[kind].numbers).add(table, data)
    return table


def _numbers(reference: str) -> FileNumbers:
    numbers: FileNumbers = named(reference)
    return numbers
