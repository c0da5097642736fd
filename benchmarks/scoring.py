"""Score predictions as labels or values in files, with scikit-learn, the same way for every tool."""

from __future__ import annotations

import numpy as np
import pandas as pd

GREATER_IS_BETTER = {"accuracy": True, "roc_auc": True, "log_loss": False, "rmse": False}
_PROBABILITY = "p:"


def score(metric: str, answers: pd.Series, predictions: pd.DataFrame) -> float:
    """The score of a frame with ``prediction`` and, for classes, one ``p:LABEL`` per class.

    Raises
    ------
    ValueError
        When rows, columns or values are missing.
    """
    if len(predictions) != len(answers):
        raise ValueError(f"{len(predictions)} predictions for {len(answers)} rows")
    if metric == "rmse":
        values = predictions["prediction"].astype(float).to_numpy()
        if not np.isfinite(values).all():
            raise ValueError("predictions are not finite")
        return float(np.sqrt(np.mean((values - answers.to_numpy(dtype=float)) ** 2)))
    truth = canonical_labels(answers)
    if metric == "accuracy":
        return float(np.mean(canonical_labels(predictions["prediction"]) == truth))
    columns = [name for name in predictions.columns if name.startswith(_PROBABILITY)]
    labels = canonical_labels(pd.Series([name.removeprefix(_PROBABILITY) for name in columns]))
    shares = predictions[columns].to_numpy(dtype=float)
    return _score_shares(metric, truth, labels, shares)


def _score_shares(metric: str, truth: np.ndarray, labels: np.ndarray, shares: np.ndarray) -> float:
    from sklearn.metrics import roc_auc_score

    if not set(truth) <= set(labels):
        raise ValueError(f"no probability for the classes {sorted(set(truth) - set(labels))}")
    if metric == "roc_auc":
        positive = max(labels)
        return float(roc_auc_score(truth == positive, shares[:, list(labels).index(positive)]))
    if metric == "log_loss":
        place = {label: column for column, label in enumerate(labels)}
        chosen = shares[np.arange(len(truth)), [place[label] for label in truth]]
        return float(-np.mean(np.log(np.clip(chosen, 1e-15, 1))))
    raise ValueError(f"there is no metric {metric!r} here")


def canonical_labels(values: pd.Series) -> np.ndarray:
    """Labels as text that two files agree on: ``1``, ``1.0`` and ``" 1"`` are one label."""
    return np.array([_canonical(value) for value in values], dtype=object)


def _canonical(value: object) -> str:
    text = str(value).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return str(int(number)) if number.is_integer() else str(number)
