"""mljar-supervised in the mode that it recommends for the best score."""

from __future__ import annotations

import pandas as pd
import protocol

_TASKS = {
    "binary": "binary_classification",
    "multiclass": "multiclass_classification",
    "regression": "regression",
}
_METRICS = {"accuracy": "accuracy", "roc_auc": "auc", "log_loss": "logloss", "rmse": "rmse"}


def fit(job: protocol.Job) -> protocol.Model:
    from supervised import AutoML

    automl = AutoML(
        mode="Compete",
        ml_task=_TASKS[job.task],
        eval_metric=_METRICS[job.metric],
        total_time_limit=int(job.seconds),
        results_path=str(job.work / "mljar"),
        # Its default n_jobs: with any other it leaves its nets out. The process sees job.threads cores only.
        random_state=job.seed,
        verbose=1,
    )
    target = job.train[job.target]
    # Of a boolean target it predicts 0 and 1.
    automl.fit(job.inputs, target.astype(str) if target.dtype == bool else target)

    def probabilities(frame: pd.DataFrame) -> pd.DataFrame:
        shares = automl.predict_all(frame).drop(columns="label")
        return shares.rename(columns=lambda name: name.removeprefix("prediction_"))

    return protocol.Model(automl.predict, probabilities, "mljar-supervised")


if __name__ == "__main__":
    protocol.run(fit)
