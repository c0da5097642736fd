"""What ``automl search`` left behind, loaded by its name in a fresh process as a user would."""

from __future__ import annotations

import protocol


def load(job: protocol.Job) -> protocol.Model:
    import automl

    predictor = automl.load(job.options["name"])
    return protocol.Model(predictor.predict, predictor.predict_proba, "automl-on-record")


if __name__ == "__main__":
    protocol.run(load)
