"""FLAML with its defaults."""

from __future__ import annotations

import pandas as pd
import protocol


def fit(job: protocol.Job) -> protocol.Model:
    from flaml import AutoML

    automl = AutoML()
    automl.fit(
        job.inputs,
        job.train[job.target],
        task="regression" if job.task == "regression" else "classification",
        metric=job.metric,
        time_budget=job.seconds,
        n_jobs=job.threads,
        seed=job.seed,
        log_file_name="",
        verbose=1,
    )

    def probabilities(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(automl.predict_proba(frame), columns=automl.classes_)

    return protocol.Model(automl.predict, probabilities, "FLAML")


if __name__ == "__main__":
    protocol.run(fit)
