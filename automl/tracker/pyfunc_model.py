"""The module that MLflow imports to load a champion from the folder of its model.

MLflow stores the name of this module in the model (``loader_module``), so there is no code and no pickle
beside the model, and its manifest is checked as everywhere else.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.core.errors import AutoMLError, DataError

if TYPE_CHECKING:
    import pandas as pd

    from automl.model.predictor import Predictor

FOLDER = "predictor"


class PyfuncModel:
    """A predictor with the interface of MLflow's models."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.Series | pd.DataFrame:
        """Predict labels or values.

        Parameters
        ----------
        params:
            ``{"proba": True}`` for the probability of each class; ``{"interval": 0.9}`` for intervals or
            sets of classes at this level, see :func:`automl.model.bounded.predict_bounded`.

        Raises
        ------
        MlflowException
            If the data cannot be used, e.g. for a missing column, with the predictor's message. The scoring
            server answers with that message and status 400; other errors it answers with a stack trace.
        """
        from mlflow.exceptions import MlflowException

        from automl.model.bounded import predict_bounded

        try:
            if not len(data.columns):  # MLflow passes only the columns of the signature
                needed = ", ".join(map(repr, self.predictor.layout.inputs))
                raise DataError(f"The data has none of the columns that the model needs: {needed[:500]}.")
            options = params or {}
            if options.get("interval"):
                return predict_bounded(self.predictor, data, options["interval"])
            if options.get("proba"):
                return self.predictor.predict_proba(data)
            return self.predictor.predict(data)
        except AutoMLError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _load_pyfunc(path: str) -> PyfuncModel:
    """Load the model in a folder; MLflow calls this."""
    from automl.model.predictor import Predictor

    return PyfuncModel(Predictor.load(Path(path) / FOLDER).preload())
