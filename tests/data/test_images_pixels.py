"""Images of a table: from a store, or decoded now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from automl.core.errors import DataError
from automl.data.images.pixels import pictures_of


def test_files_of_the_current_folder_are_not_taken_for_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("store.json").write_text('{"shops": 3}', encoding="utf-8")
    Image.new("RGB", (40, 30), "red").save("a.png")
    images = np.array(["a.png"], dtype=object)
    assert pictures_of(images, 16).take(slice(None))[0][0, 0, 0].tolist() == [255, 0, 0]


def test_a_blank_cell_is_called_what_it_is() -> None:
    with pytest.raises(DataError, match=r"2 of 2 images .* such as image 0 \(no path is given\)"):
        pictures_of(np.array(["", ""], dtype=object), 16)
