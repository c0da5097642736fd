"""What MLflow imports to load a champion: it hands over the model's folder and gets something to call.

MLflow stores the name of this module in the model (``loader_module``), so no code and no pickle lies
beside the model, and its manifest is checked here as everywhere.
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
    """A predictor in MLflow's clothes."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.Series | pd.DataFrame:
        """Labels or values; with ``params={"proba": True}`` the probability of each class.

        Raises
        ------
        MlflowException
            When the data cannot be used, e.g. for a missing column, with what the predictor says of it. The
            scoring server answers with that and status 400; other errors it answers with a stack trace.
        """
        from mlflow.exceptions import MlflowException

        try:
            if not len(data.columns):  # MLflow hands over the columns of the signature only
                needed = ", ".join(map(repr, self.predictor.layout.inputs))
                raise DataError(f"The data has none of the columns that the model needs: {needed[:500]}.")
            if params and params.get("proba"):
                return self.predictor.predict_proba(data)
            return self.predictor.predict(data)
        except AutoMLError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _load_pyfunc(path: str) -> PyfuncModel:
    """Called by MLflow with the folder of the model."""
    from automl.model.predictor import Predictor

    return PyfuncModel(Predictor.load(Path(path) / FOLDER).preload())
