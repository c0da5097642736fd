"""AutoGluon's predictor for texts. It takes its net from the hub: without a network it says it cannot."""

from __future__ import annotations

import protocol


def fit(job: protocol.Job) -> protocol.Model:
    from autogluon.multimodal import MultiModalPredictor

    predictor = MultiModalPredictor(
        label=job.target, problem_type=job.task, eval_metric=job.metric, path=str(job.work / "autogluon")
    )
    predictor.fit(job.train, time_limit=job.seconds)
    return protocol.Model(predictor.predict, predictor.predict_proba, "autogluon.multimodal")


if __name__ == "__main__":
    protocol.run(fit)
