"""The registered model as MLflow loads and serves it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from automl.model.predictor import Predictor


def test_the_pyfunc_refuses_rows_without_any_of_its_columns(recorded: Any) -> None:
    import mlflow

    place = next(recorded.location.artifacts.glob("*/models/*/artifacts"))
    model = mlflow.pyfunc.load_model(str(place))
    frame = recorded.finished.frame.drop(columns=recorded.finished.layout.target_name)
    for rows in (frame.to_numpy(), frame.add_prefix("other ")):
        with pytest.raises(MlflowException, match="none of the columns that the model needs"):
            model.predict(rows)
    assert len(model.predict(frame.head(0))) == 0


def asked(application: Any, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Status and answer of ``POST /invocations``, without a socket between."""
    sent: list[dict[str, Any]] = []
    content = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": headers}
    scope |= {"query_string": b"", "http_version": "1.1", "scheme": "http", "server": ("127.0.0.1", 80)}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent))


def test_a_request_that_lacks_a_column_is_answered_with_its_name_and_400(recorded: Any) -> None:
    import mlflow
    from mlflow.pyfunc.scoring_server import init

    place = next(recorded.location.artifacts.glob("*/models/*/artifacts"))
    application = init(mlflow.pyfunc.load_model(str(place)))
    frame = recorded.finished.frame.head(2).drop(columns="species")
    status, answer = asked(application, {"dataframe_split": split(frame.drop(columns="petal width"))})
    assert status == 400
    assert "petal width" in answer["message"]
    assert "stack_trace" not in answer
    status, answer = asked(application, {"dataframe_split": split(frame), "params": {"proba": True}})
    assert status == 200
    assert len(answer["predictions"][0]) == 3


def split(frame: Any) -> Any:
    return json.loads(frame.to_json(orient="split", index=False))


@pytest.mark.slow
def test_the_pyfunc_predicts_as_the_predictor_in_a_fresh_process(recorded: Any, tmp_path: Path) -> None:
    frame = recorded.finished.frame
    frame.to_pickle(tmp_path / "frame.pkl")
    code = f"""
import mlflow, pandas as pd, sys
mlflow.set_tracking_uri({recorded.location.uri!r})
model = mlflow.pyfunc.load_model("models:/flowers@champion")
frame = pd.read_pickle({str(tmp_path / "frame.pkl")!r})
model.predict(frame).to_pickle({str(tmp_path / "labels.pkl")!r})
model.predict(frame, params={{"proba": True}}).to_pickle({str(tmp_path / "proba.pkl")!r})
names = [item.name for item in model.metadata.signature.inputs]
assert names == {list(recorded.finished.layout.inputs)!r}, names
odd = frame.head(4).assign(**{{"count": [1.5, None, "7", 3], "garden": [None, "roof", "north", "west"]}})
assert model.predict(odd.drop(columns="species")).notna().all()
narrow = frame.astype({{"count": "int32", "sepal length": "float32"}})
assert model.predict(narrow).equals(model.predict(frame))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-3000:]
    champion = Predictor.load(recorded.champion)
    pd.testing.assert_series_equal(pd.read_pickle(tmp_path / "labels.pkl"), champion.predict(frame))
    pd.testing.assert_frame_equal(pd.read_pickle(tmp_path / "proba.pkl"), champion.predict_proba(frame))
