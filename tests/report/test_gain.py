"""A new champion beside the one it would replace: real searches, compared on the rows that both have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import automl


@pytest.mark.slow  # four searches
def test_champions_are_compared_on_equal_rows_or_not_at_all(tmp_path: Path) -> None:
    import pandas as pd
    from sklearn.datasets import load_wine

    frame = load_wine(as_frame=True).frame.sample(frac=1, random_state=0)
    for name, rows in (("old", frame[:70]), ("new", frame[:120]), ("test", frame[120:])):
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)

    def search(data: str, family: str, **options: Any) -> automl.SearchResult:
        return automl.search(
            tmp_path / f"{data}.csv",
            target="target",
            name="wine",
            trials=1 if family == "dummy" else 2,
            families=(family,),
            executor="inline",
            store=tmp_path / "mlruns",
            **options,
        )

    test = tmp_path / "test.csv"
    assert search("old", "dummy", test=test).ids.succession == ""
    better = search("new", "linear", test=test)
    assert better.ids.is_champion
    assert "on the same 58 untouched rows" in better.ids.succession
    worse = search("new", "dummy", test=test)  # the same data: by its held-out rows, pair by pair
    assert "no better" in worse.ids.succession
    assert "on the same 120 held-out rows" in worse.ids.succession
    other = search("old", "linear")
    assert "not comparable: it was judged on other rows" in other.ids.succession
    assert automl.load("wine", store=tmp_path / "mlruns").facts["validation"] == better.best.validation
