"""What a search on a folder says of folders, of nets that it lacks, and of weights that are not there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import automl
from automl.controller.strategy.chosen_families import absent_nets
from automl.core.errors import UsageError
from automl.data.layout import Layout
from automl.model.file_input import place_of_new_rows


def test_hints_name_a_folder_where_images_alone_are_predicted() -> None:
    photos = [f"{number}.jpg" for number in range(40)]
    frame = pd.DataFrame({"photo": photos, "size": range(40), "label": ["a", "b"] * 20})
    kinds = {"photo": automl.core.table.Kind.IMAGE}
    alone = Layout.infer(frame.drop(columns="size"), target="label", kinds=kinds)
    assert place_of_new_rows(alone) == "unsorted/"
    both = Layout.infer(frame, target="label", kinds=kinds, keep=("size",))
    assert place_of_new_rows(both) == "NEW.csv"


def test_nets_without_weights_are_one_short_line() -> None:
    line = absent_nets({f"net_{number}": f"net_{number}-0a1b.pth" for number in range(10)})
    assert line.startswith("10 nets, such as net_0, are left out")
    assert "net_0-0a1b.pth" in line
    assert len(line) < 130


def test_a_folder_of_weights_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--weights-dir: .*nowhere does not exist"):
        automl.search(tmp_path / "any.csv", target="y", weights_dir=tmp_path / "nowhere", store=tmp_path)
