"""The leaderboard as a DataFrame that shows the columns that fit into 80 characters, and holds more."""

from __future__ import annotations

from typing import Any, final

import pandas as pd

COLUMNS = (
    *("trial", "family", "validation", "standard_error", "weight", "seconds"),
    *("predict_ms_per_1000_rows", "model_bytes", "state", "is_champion", "origin"),
    *("params", "run_id"),
)
SHOWN = ("trial", "family", "validation", "weight", "seconds", "state", "run_id")
_RUN_DIGITS = 8  # digits of an id that every command accepts


@final
class LeaderboardFrame(pd.DataFrame):
    """A DataFrame; ``print`` and notebooks show only its short columns while it has all of them."""

    @property
    def _constructor(self) -> type[LeaderboardFrame]:
        return LeaderboardFrame

    def __repr__(self) -> str:
        if tuple(self.columns) != COLUMNS:
            return pd.DataFrame(self).__repr__()
        return f"{self._short()!r}\n\nNot shown: {self._rest()}."

    def _repr_html_(self) -> str | None:
        """The table for notebooks."""
        if tuple(self.columns) != COLUMNS:
            return pd.DataFrame(self)._repr_html_()  # type: ignore[operator,no-any-return]
        html: Any = self._short()._repr_html_()  # type: ignore[operator]
        return None if html is None else f"{html}<p>Not shown: {self._rest()}.</p>"

    def _short(self) -> pd.DataFrame:
        whole = pd.DataFrame(self)
        shown = whole[list(SHOWN)]
        percents = (100 * shown["weight"]).round().astype("Int64").astype("string")
        return shown.assign(
            trial=shown["trial"].astype("string").fillna(""),
            weight=(percents + "%").fillna(""),
            state=shown["state"].mask(whole["is_champion"].astype(bool), "champion"),
            run_id=shown["run_id"].str[:_RUN_DIGITS],
            seconds=shown["seconds"].round(1),
        )

    def _rest(self) -> str:
        return ", ".join(name for name in COLUMNS if name not in SHOWN)
