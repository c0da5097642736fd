"""AutoGluon's best_quality, with the arguments of ``fit`` that the job's options hold."""

from __future__ import annotations

import pandas as pd
import protocol


def fit(job: protocol.Job) -> protocol.Model:
    from autogluon.tabular import TabularPredictor

    predictor = TabularPredictor(
        label=job.target,
        problem_type=job.task,
        eval_metric=job.metric,
        path=str(job.work / "autogluon"),
        verbosity=2,
    )
    predictor.fit(
        job.train,
        presets="best_quality",
        time_limit=job.seconds,
        num_cpus=job.threads,
        num_gpus=0,
        **job.options,
    )
    predictor.persist()  # its documented way to quick predictions: models stay in memory

    def probabilities(frame: pd.DataFrame) -> pd.DataFrame:
        return predictor.predict_proba(frame)

    return protocol.Model(predictor.predict, probabilities, "autogluon.tabular")


if __name__ == "__main__":
    protocol.run(fit)
