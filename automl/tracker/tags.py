"""The names of the tags of runs, experiments and models."""

from __future__ import annotations

from collections.abc import Mapping

PARENT = "mlflow.parentRunId"
NOTE = "mlflow.note.content"
COLOUR = "mlflow.runColor"
USER = "mlflow.user"

SEARCH = "automl.search"
"""Marks the runs, experiments and registered models of searches."""

# MLflow's pages do not list tags that begin with its own name: these are only read by programs.
KEY, OLD_KEY = "mlflow.automl.search_key", "automl.search_key"
DATA, OLD_DATA = "mlflow.automl.data_digest", "automl.data_digest"
SPLIT = "mlflow.automl.split_digest"
TEST_DIGEST = "mlflow.automl.test_digest"
CANDIDATE, OLD_CANDIDATE = "mlflow.automl.candidate", "automl.candidate"
COLUMNS, COLUMN_NAMES = "mlflow.automl.columns", "mlflow.automl.column_names"
MODEL_ID, OLD_MODEL_ID = "mlflow.automl.model_id", "automl.model_id"
PID, HOST, STARTED = "mlflow.automl.pid", "mlflow.automl.host", "mlflow.automl.process_started"
"""The old names are those of versions before 0.2, which are still read."""

MODEL_TYPE = "automl"
"""The type of a logged model that a search made."""
ALIAS = "champion"
PROMOTED_BY, PROMOTED_AT, SCORE = "automl.promoted_by", "automl.promoted_at", "automl.score"
GIVEN = "automl.champion"
"""On the registered model: the version that automl gave the alias to last."""
CHAMPION = "automl.champion"
"""On a search's run: the champion when its version was registered, or last got or lost the alias."""
SETTLED = "mlflow.automl.settled"
"""On a search's run: the version for which the alias was decided."""
CLAIM = "mlflow.automl.claim"
"""Of an experiment: whose search chose its name, before the search itself is on record."""
SIGN = "mlflow.automl.sign"
"""On a search's run: its state as :class:`automl.tracker.live.LiveState`, renewed every few seconds."""
MODELS_BYTES = "mlflow.automl.trial_models_bytes"
"""On a search's run once it ended: bytes of the models of its trials, as these measured them."""


def recorded_score(metric: str, metrics: Mapping[str, float]) -> tuple[str, float] | None:
    """``test``, ``honest`` or ``validation`` with its score, the first that there is; None without any."""
    for kind, key in (
        ("test", f"test_{metric}"),
        ("honest", f"honest_{metric}"),
        ("validation", f"val_{metric}"),
    ):
        if key in metrics:
            return kind, metrics[key]
    return None
