"""A team's record on real servers: MLflow on PostgreSQL, artifacts in a bucket, and each of them failing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import search_through
from record_servers import INITDB, Bucket, MlflowServer, Postgres

from automl.cli import examples
from automl.tracker import library as history

PASSWORD, KEY = "correct-horse-42", "battery-staple-42"
AWAY_SECONDS = float(os.environ.get("AUTOML_AWAY_SECONDS", "6"))
SEARCH = ("search", "wine.csv", "--target", "class", "--families", "linear,extra_trees,lightgbm")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(not INITDB.name, reason="no PostgreSQL server is installed"),
]


@dataclass(frozen=True)
class Record:
    """The servers, and the environment of who searches with them."""

    postgres: Postgres
    bucket: Bucket
    server: MlflowServer
    variables: dict[str, str]


SERVED, STRAIGHT = "through the server", "straight to the bucket"
# What does not depend on the way of the artifacts.
through_the_server = pytest.mark.parametrize("record", [SERVED], indirect=True)


@pytest.fixture(scope="module", params=[SERVED, STRAIGHT])
def record(request: pytest.FixtureRequest) -> Iterator[Record]:
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    pytest.importorskip("moto", reason="the extra 'test' is not installed")
    served = request.param == SERVED
    with tempfile.TemporaryDirectory(prefix="automl-record-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "postgres").mkdir()
        postgres, bucket = Postgres(folder / "postgres", PASSWORD), Bucket(folder)
        keys = bucket.variables(KEY)
        place = "s3://models/artifacts"
        options = ("--artifacts-destination", place)
        if not served:
            options = ("--no-serve-artifacts", "--default-artifact-root", place)
        server = MlflowServer(folder, postgres.uri, *options, **keys)
        try:
            postgres.start()
            bucket.start("models")
            server.start()
            variables = {"MLFLOW_TRACKING_URI": server.address} | ({} if served else keys)
            yield Record(postgres, bucket, server, variables)
        finally:
            server.stop()
            bucket.end()
            postgres.stop()


@pytest.fixture
def wine(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in record.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    examples.write_example("wine", tmp_path)
    return tmp_path


def automl(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "automl", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=900)


def trials_of(name: str) -> list[tuple[int, str]]:
    return sorted((row.trial, row.state) for row in history.leaderboard_rows(name))


def test_a_search_is_recorded_followed_cleaned_and_tells_no_secret(record: Record, wine: Path) -> None:
    done = automl(*SEARCH, "--name", "told", "--trials", "4", "--json")
    assert done.returncode == 0, done.stderr
    assert [number for number, _ in trials_of("told")] == [0, 1, 2, 3]
    assert len(history.load("told").predict("wine.csv")) == 178
    assert history.load(history.leaderboard_rows("told")[0].run_id).name == "told"
    watched = automl("watch", "told")
    assert (watched.returncode, "finished" in watched.stdout) == (0, True)
    cleaned = automl("clean", "--older", "0s", "--yes", "--json")
    assert cleaned.returncode == 0, cleaned.stderr
    assert {item["kind"] for item in json.loads(cleaned.stdout)} == {"trial model"}
    assert "Removed " in cleaned.stderr
    assert len(history.load("told").predict("wine.csv")) == 178
    assert json.loads(automl("clean", "--older", "0s", "--dry-run", "--json").stdout) == []
    outputs = [text for run in (done, watched, cleaned) for text in (run.stdout, run.stderr)]
    outputs += [path.read_text(errors="replace") for path in (record.server.log, record.bucket.log)]
    outputs += [path.read_bytes().decode("latin-1") for path in wine.rglob("*") if path.is_file()]
    outputs += [*everything_in(record.bucket), tables_of(record.postgres)]
    assert not [text for text in outputs if PASSWORD in text or KEY in text]


@through_the_server
def test_errors_tell_no_secret(record: Record, wine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = record.postgres.uri.replace(f":{record.postgres.port}/", ":9/")
    monkeypatch.setenv("AUTOML_STORE_PATIENCE", "1")
    for words in (("list",), ("--debug", "list"), (*SEARCH, "--trials", "2")):
        done = automl(*words, "--tracking-uri", wrong)
        assert done.returncode in (1, 6), "1 with a traceback"
        assert "***@127.0.0.1" in done.stderr
        assert PASSWORD not in done.stdout + done.stderr
    kept = [path for path in (wine / "mlruns").rglob("*") if path.is_file()]
    assert not [path for path in kept if PASSWORD.encode() in path.read_bytes()]


def test_artifacts_of_deleted_runs_and_of_nobody_are_cleaned_in_a_bucket(record: Record, wine: Path) -> None:
    from mlflow import MlflowClient

    done = automl(*SEARCH, "--name", "cleared", "--trials", "3")
    assert done.returncode == 0, done.stderr
    client = MlflowClient()
    experiment = client.get_experiment_by_name("cleared")
    rows = history.leaderboard_rows("cleared")
    client.delete_run(rows[-1].run_id)
    prefix = f"artifacts/{experiment.experiment_id}/{'0' * 32}/artifacts/model.bin"
    bucket_client(record.bucket).put_object(Bucket="models", Key=prefix, Body=bytes(1000))
    planned = json.loads(automl("clean", "--older", "0s", "--dry-run", "--json").stdout)
    sizes = {item["kind"]: item["bytes"] for item in planned if item["name"] == "cleared"}
    assert sizes["unreferenced folder"] == 1000
    assert sizes["deleted run"] > 1000
    assert automl("clean", "--older", "0s", "--yes").returncode == 0
    keys = keys_in(record.bucket)
    assert not [key for key in keys if "0" * 32 in key or rows[-1].run_id in key]
    assert [key for key in keys if rows[0].run_id in key]
    assert history.load("cleared").name == "cleared"


def away(stop: Callable[[], None], start: Callable[[], None]) -> Callable[[], None]:
    def disturb() -> None:
        stop()
        time.sleep(AWAY_SECONDS)
        start()

    return disturb


@through_the_server
@pytest.mark.parametrize("who", ["database", "server"])
def test_nothing_is_lost_while_a_server_is_away(record: Record, wine: Path, who: str) -> None:
    server = {"database": record.postgres, "server": record.server}[who]
    search_undisturbed_by(away(server.stop, server.start), f"without-{who}", wine)


def test_nothing_is_lost_while_the_bucket_is_away(record: Record, wine: Path) -> None:
    search_undisturbed_by(away(record.bucket.refuse, record.bucket.accept), "without-bucket", wine)


def search_undisturbed_by(disturb: Callable[[], None], name: str, folder: Path) -> None:
    """Search in this folder while something is away: every trial and its model are on record."""
    search_through((*SEARCH, "--name", name, "--trials", "10"), disturb, folder=folder, seconds=900)
    assert trials_of(name) == [(number, "done") for number in range(10)]
    for row in history.leaderboard_rows(name)[:2]:
        assert len(history.load(row.run_id).predict("wine.csv")) == 178
    assert len(history.load(name).predict("wine.csv")) == 178
    assert automl("resume", "--list").stdout == ""


@through_the_server
def test_ten_searches_at_once_lose_nothing_and_mix_nothing_up(record: Record, wine: Path) -> None:
    names = [f"at-once-{number}" for number in range(10)]
    command = [sys.executable, "-m", "automl", "search", "wine.csv", "--target", "class", "--trials", "3"]
    command += ["--families", "linear", "--workers", "1", "--quiet", "--name"]
    running = []
    for number, name in enumerate(names):
        folder = wine / name
        folder.mkdir()
        examples.write_example("wine", folder)
        words = [*command, name, "--seed", str(number)]
        running.append(subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True))
    for process in running:
        _, said = process.communicate(timeout=900)
        assert process.returncode == 0, said
    for number, name in enumerate(names):
        described = history.describe(name)
        assert trials_of(name) == [(0, "done"), (1, "done"), (2, "done")]
        assert described.configuration["seed"] == number  # type: ignore[union-attr]
        assert described.is_champion  # type: ignore[union-attr]
        assert history.load(name).name == name


def bucket_client(bucket: Bucket):  # type: ignore[no-untyped-def]
    import boto3

    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=bucket.endpoint, **keys)


def keys_in(bucket: Bucket) -> list[str]:
    pages = bucket_client(bucket).get_paginator("list_objects_v2").paginate(Bucket="models")
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def everything_in(bucket: Bucket) -> Iterator[str]:
    client = bucket_client(bucket)
    for key in keys_in(bucket):
        yield client.get_object(Bucket="models", Key=key)["Body"].read().decode("latin-1")


def tables_of(postgres: Postgres) -> str:
    command = [str(INITDB.with_name("pg_dump")), postgres.uri]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
