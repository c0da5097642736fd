"""Passwords and keys appear nowhere: not in messages, not in files, not where a search waits on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from automl.controller.saved_setup import plain_settings
from automl.core.credentials import with_password, without_password, without_secrets
from automl.core.errors import MissingDependencyError, StorageError, UsageError
from automl.problem.settings import Settings
from automl.tracker.store.failures import may_pass, storage_errors
from automl.tracker.store.location import locate_store

SECRET = "correct-horse"
URI = f"postgresql://anna:{SECRET}@db.example.org:5432/mlflow"


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        (URI, "postgresql://anna:***@db.example.org:5432/mlflow"),
        (f"http://anna:{SECRET}@host:5055", "http://anna:***@host:5055"),
        (f"postgresql://h/d?user=a&password={SECRET}&x=1", "postgresql://h/d?user=a&password=***&x=1"),
        ("sqlite:///a/b.db", "sqlite:///a/b.db"),
    ],
    ids=["database", "server", "query", "file"],
)
def test_a_uri_is_shown_without_its_password(uri: str, shown: str) -> None:
    assert without_password(uri) == shown
    assert SECRET not in without_secrets(f"could not reach {uri}: refused")


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_PASSWORD", "PGPASSWORD"])
def test_a_key_of_the_environment_is_hidden_in_messages(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, SECRET)
    with pytest.raises(StorageError, match=r"with key \*\*\*, in") as caught, storage_errors("upload"):
        raise OSError(f"refused, with key {SECRET}, in transit")
    assert SECRET not in str(caught.value)


def test_the_password_of_an_address_is_hidden_on_its_own_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", URI.replace("horse", "h%2Frse"))
    assert without_secrets("login of anna with correct-h/rse failed") == "login of anna with *** failed"


def test_what_waits_on_disk_to_be_resumed_has_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = json.dumps(plain_settings(Settings("wine.csv", tracking_uri=URI)))
    assert SECRET not in kept
    shown = without_password(URI)
    assert with_password(shown) is None
    with pytest.raises(UsageError, match="Set MLFLOW_TRACKING_URI to the whole address"):
        locate_store(shown)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", URI)
    assert locate_store(shown).uri == URI


def test_an_answer_of_a_server_is_waited_for_only_if_another_may_come() -> None:
    from requests import HTTPError, Response

    outcomes = {}
    for status in (403, 404, 429, 500, 503):
        answer = Response()
        answer.status_code = status
        with pytest.raises(StorageError) as caught, storage_errors("upload"):
            raise HTTPError(f"{status}", response=answer)
        outcomes[status] = may_pass(caught.value)
    assert outcomes == {403: False, 404: False, 429: True, 500: True, 503: True}


def test_a_bucket_that_cannot_be_reached_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boto3 = pytest.importorskip("boto3", reason="the extra 's3' is not installed")
    from botocore.config import Config

    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    once = Config(retries={"max_attempts": 0})
    client = boto3.client("s3", endpoint_url="http://127.0.0.1:9", config=once, **keys)
    (tmp_path / "model").write_text("model")
    for action in (
        lambda: client.list_objects_v2(Bucket="models"),
        lambda: client.upload_file(str(tmp_path / "model"), "models", "model"),
    ):
        with pytest.raises(StorageError, match="endpoint URL") as caught, storage_errors("write"):
            action()
        assert may_pass(caught.value)
    client.close()


def test_what_a_bucket_refuses_is_not_tried_again() -> None:
    pytest.importorskip("boto3", reason="the extra 's3' is not installed")
    from botocore.exceptions import ClientError

    outcomes = {}
    for code, status in (("AccessDenied", 403), ("NoSuchBucket", 404), ("SlowDown", 503)):
        answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
        with pytest.raises(StorageError) as caught, storage_errors("write"):
            raise ClientError(answer, "PutObject")  # type: ignore[arg-type]
        outcomes[code] = may_pass(caught.value)
    assert outcomes == {"AccessDenied": False, "NoSuchBucket": False, "SlowDown": True}


def test_a_bucket_without_its_library_names_the_extra() -> None:
    named = pytest.raises(MissingDependencyError, match=r"pip install 'automl-on-record\[s3\]'")
    with named, storage_errors("write to s3://models"):
        raise ModuleNotFoundError("No module named 'boto3'", name="boto3")
