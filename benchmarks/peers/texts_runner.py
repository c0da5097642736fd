"""Two recipes for texts as their users write them: features, then a cross-validated logistic regression.

``tfidf``: words and word pairs. ``sentences``: sentence-transformers' ``encode`` by the model in ``weights``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import protocol

STRENGTHS = [0.1, 1.0, 10.0, 100.0]


def fit(job: protocol.Job) -> protocol.Model:
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.pipeline import make_pipeline

    sentences = job.options["recipe"] == "sentences"
    features = Sentences(job.options["weights"], job.threads) if sentences else words()
    estimator = LogisticRegressionCV(
        Cs=STRENGTHS,
        l1_ratios=(0,),
        cv=3,
        max_iter=300,
        n_jobs=job.threads,
        scoring=job.metric,
        use_legacy_attributes=False,
    )
    model = make_pipeline(features, estimator)
    model.fit(joined(job.inputs), job.train[job.target].astype(str))

    def probabilities(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(model.predict_proba(joined(frame)), columns=estimator.classes_)

    package = "sentence-transformers" if sentences else "scikit-learn"
    return protocol.Model(lambda frame: model.predict(joined(frame)), probabilities, package)


def joined(frame: pd.DataFrame) -> list[str]:
    """The text columns of each row as one text."""
    return [". ".join(row) for row in frame.fillna("").astype(str).itertuples(index=False)]


def words() -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)


class Sentences:
    """sentence-transformers as a step of a pipeline."""

    def __init__(self, folder: str, threads: int) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(threads)
        self.model = SentenceTransformer(folder, device="cpu")

    def fit(self, texts: list[str], target: Any = None) -> Sentences:
        return self

    def transform(self, texts: list[str]) -> np.ndarray:
        return np.asarray(self.model.encode(texts, show_progress_bar=False))

    def fit_transform(self, texts: list[str], target: Any = None) -> np.ndarray:
        return self.transform(texts)


if __name__ == "__main__":
    protocol.run(fit)
