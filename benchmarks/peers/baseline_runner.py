"""An untuned random forest, and an untuned LightGBM: library defaults after plain preprocessing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import protocol


class PlainCodes:
    """Numbers stay, dates become seconds, everything else its place among the sorted values seen."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self.columns = list(frame.columns)
        self.levels = {
            column: {
                value: code for code, value in enumerate(sorted(frame[column].dropna().astype(str).unique()))
            }
            for column in frame.columns
            if not pd.api.types.is_numeric_dtype(frame[column])
            and not pd.api.types.is_datetime64_any_dtype(frame[column])
        }

    def __call__(self, frame: pd.DataFrame) -> np.ndarray:
        columns = []
        for column in self.columns:
            values = frame[column]
            if column in self.levels:
                present = values.notna()
                codes = values.astype(str).map(self.levels[column]).fillna(-1).astype(float)
                columns.append(codes.where(present, np.nan).to_numpy())
            elif pd.api.types.is_datetime64_any_dtype(values):
                columns.append(values.astype("datetime64[s]").astype("int64").to_numpy(dtype=float))
            else:
                columns.append(values.to_numpy(dtype=float))
        return np.column_stack(columns)


def fit(job: protocol.Job) -> protocol.Model:
    codes = PlainCodes(job.inputs)
    estimator = _estimator(job)
    estimator.fit(codes(job.inputs), job.train[job.target].to_numpy())

    def probabilities(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(estimator.predict_proba(codes(frame)), columns=estimator.classes_)

    package = "lightgbm" if job.options["model"] == "lightgbm" else "scikit-learn"
    return protocol.Model(lambda frame: estimator.predict(codes(frame)), probabilities, package)


def _estimator(job: protocol.Job) -> Any:
    regression = job.task == "regression"
    if job.options["model"] == "lightgbm":
        import lightgbm

        kind = lightgbm.LGBMRegressor if regression else lightgbm.LGBMClassifier
        return kind(n_jobs=job.threads, random_state=job.seed, verbose=-1)
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    forest = RandomForestRegressor if regression else RandomForestClassifier
    return forest(n_jobs=job.threads, random_state=job.seed)


if __name__ == "__main__":
    protocol.run(fit)
