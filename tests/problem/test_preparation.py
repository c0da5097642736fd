"""The steps from a table to the problem, each alone: the target, the columns, the division of the rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from automl.core.errors import DataError, UsageError
from automl.problem.columns import examine_columns
from automl.problem.division import divide_rows
from automl.problem.preparation import prepare
from automl.problem.settings import Settings
from automl.problem.source import Source, open_source, read_data
from automl.problem.target_choice import choose_target

FRAME = pd.DataFrame(
    {
        "size": np.random.default_rng(0).normal(size=60),
        "copy": [None, *["yes", "no"] * 29, "yes"],
        "label": [None, *["yes", "no"] * 29, "yes"],
    }
)


def source(**choices: object) -> Source:
    settings = Settings(**{"source": FRAME, "target": "label", **choices})
    return open_source(settings, lambda: read_data(settings, settings.source))


def silent(fraction: float, message: str) -> None:
    """Tell nobody how far it is."""


def test_the_target_decides_rows_and_task() -> None:
    target = choose_target(source())
    assert (target.name, target.task.name, len(target.frame)) == ("label", "binary", 59)
    assert set(target.encoded) == {0, 1}
    with pytest.raises(DataError, match="there is no column 'gruop'"):
        choose_target(source(group="gruop"))


def test_copies_of_the_target_are_no_columns() -> None:
    columns = examine_columns(source(), choose_target(source()), silent)
    assert columns.layout.inputs == ("size",)
    assert columns.table.rows == 59
    assert "target_copy" in {finding.code for finding in columns.findings}


def test_rows_of_a_test_part_are_not_dealt() -> None:
    opened = source(test=FRAME.tail(20))
    target = choose_target(opened)
    columns = examine_columns(opened, target, silent)
    rows = divide_rows(opened, target, columns, silent)
    assert rows.test is not None
    assert (rows.table.rows, rows.test.table.rows, rows.kept) == (59, 20, None)
    assert all(len(dealt.scored) == 59 for dealt in rows.repeats)
    assert sorted(np.concatenate([fold.valid for fold in rows.split.folds])) == list(range(59))


def test_rows_of_the_datas_own_test_part_are_kept_apart() -> None:
    parts = ["train"] * 40 + ["test"] * 20
    frame = FRAME.assign(part=parts)
    opened = source(source=frame, fold_column="part")
    target = choose_target(opened)
    rows = divide_rows(opened, target, examine_columns(opened, target, silent), silent)
    assert rows.test is not None
    assert (rows.table.rows, rows.test.table.rows) == (39, 20)
    assert rows.kept is not None
    with pytest.raises(UsageError, match="test part of its own"):
        prepare(Settings(source=frame, target="label", fold_column="part", test=FRAME.tail(5)))
