"""The leaderboard as a DataFrame that shows what fits on a page of 80 columns, and holds more."""

from __future__ import annotations

from typing import Any, final

import pandas as pd

COLUMNS = (
    *("trial", "family", "validation", "standard_error", "percent", "seconds"),
    *("predict_ms_per_1000_rows", "model_bytes", "state", "origin", "params", "run_id"),
)
SHOWN = ("trial", "family", "validation", "percent", "seconds", "state", "run_id")
_RUN_DIGITS = 8  # of an id, which every command takes


@final
class LeaderboardFrame(pd.DataFrame):
    """A DataFrame; ``print`` and notebooks show the short columns of it while it has all of them."""

    @property
    def _constructor(self) -> type[LeaderboardFrame]:
        return LeaderboardFrame

    def __repr__(self) -> str:
        if tuple(self.columns) != COLUMNS:
            return pd.DataFrame(self).__repr__()
        return f"{self._short()!r}\n\nNot shown: {self._rest()}."

    def _repr_html_(self) -> str | None:
        """What a notebook shows."""
        if tuple(self.columns) != COLUMNS:
            return pd.DataFrame(self)._repr_html_()  # type: ignore[operator,no-any-return]
        html: Any = self._short()._repr_html_()  # type: ignore[operator]
        return None if html is None else f"{html}<p>Not shown: {self._rest()}.</p>"

    def _short(self) -> pd.DataFrame:
        shown = pd.DataFrame(self)[list(SHOWN)]
        blank = {name: shown[name].astype("string").fillna("") for name in ("trial", "percent")}
        return shown.assign(
            run_id=shown["run_id"].str[:_RUN_DIGITS], seconds=shown["seconds"].round(1), **blank
        )

    def _rest(self) -> str:
        return ", ".join(name for name in COLUMNS if name not in SHOWN)
