"""A registered model brings the wheel of the version that made it, so that no index has to know it."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from searched import RecordedSearch

from automl.model.predictor import Predictor
from automl.tracker.models import wheel

# Whoever runs the tests may have this checkout on the path.
ELSEWHERE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def model(recorded: RecordedSearch) -> Path:
    """The folder of a registered champion, as MLflow hands it to whoever serves it."""
    (found,) = recorded.location.root.glob("artifacts/*/models/*/artifacts")
    return found


def test_the_requirements_name_the_wheel_beside_them_and_no_package_of_that_name_elsewhere(
    model: Path,
) -> None:
    first, *others = (model / "requirements.txt").read_text().splitlines()
    assert first.startswith("./wheels/automl_on_record-")
    assert (model / first).is_file()
    assert not [line for line in others if line.startswith("automl")]
    assert first in (model / "conda.yaml").read_text()


def test_a_model_asks_for_the_libraries_that_it_was_made_with(model: Path) -> None:
    from sklearn import __version__

    lines = (model / "requirements.txt").read_text().splitlines()
    assert f"scikit-learn=={__version__}" in lines
    assert not [line for line in lines if "+" in line]  # a build that the public index does not have


def test_the_wheel_holds_every_module_and_space_with_its_digest(tmp_path: Path) -> None:
    archive = zipfile.ZipFile(tmp_path / wheel.pack_wheel(tmp_path))
    held = set(archive.namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "automl").rglob("*.py")}
    spaces = {f"automl/search_spaces/{path.name}" for path in (ROOT / "search_spaces").glob("*.yaml")}
    assert modules | spaces | {"automl/py.typed"} <= held
    (record,) = [name for name in held if name.endswith("RECORD")]
    for path, digest, size in csv.reader(archive.read(record).decode().splitlines()):
        if path != record:
            found = base64.urlsafe_b64encode(hashlib.sha256(archive.read(path)).digest()).decode().rstrip("=")
            assert (digest, int(size)) == (f"sha256={found}", len(archive.read(path)))
    assert {name for name, *_ in csv.reader(archive.read(record).decode().splitlines())} == held


def test_another_state_of_the_code_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "automl"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(wheel, "_PACKAGE", package)
    once, again = wheel.pack_wheel(tmp_path), wheel.pack_wheel(tmp_path)
    (package / "__init__.py").write_text("changed = True\n")
    assert once == again
    assert wheel.pack_wheel(tmp_path) != once


def test_without_an_installation_the_requirement_says_the_name_and_a_warning_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(wheel, "distribution", missing)
    assert wheel.pack_wheel(tmp_path).startswith("automl-on-record==")
    assert "not installed" in caplog.text


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_environment_made_of_a_model_alone_serves_it_without_an_index(
    model: Path, recorded: RecordedSearch, tmp_path: Path
) -> None:
    python = _fresh_python(tmp_path)
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-index"]
    subprocess.run(
        [*install, "-r", "requirements.txt"], cwd=model, check=True, env={**ELSEWHERE, "PIP_FIND_LINKS": ""}
    )
    where = [python, "-c", "import automl; print(automl.__file__)"]
    assert Path(subprocess.check_output(where, cwd=tmp_path, text=True, env=ELSEWHERE)).is_relative_to(
        tmp_path
    )
    rows = recorded.finished.frame.drop(columns="species").head(3)
    question = {"dataframe_split": json.loads(rows.to_json(orient="split", index=False))}
    with _serving(python, model, tmp_path) as address:
        request = urllib.request.Request(
            f"{address}/invocations", json.dumps(question).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.load(answer)
    expected = Predictor.load(recorded.champion).predict(rows)
    assert [row["species"] for row in found["predictions"]] == list(expected)


def _fresh_python(folder: Path) -> Path:
    """The interpreter of a new environment that sees this one's libraries, and not this package."""
    venv.create(folder / "fresh")
    python = folder / "fresh" / "bin" / "python"
    libraries = folder / "libraries"
    libraries.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("automl", "_automl", "__editable__")):
            (libraries / entry.name).symlink_to(entry)
    (own,) = (folder / "fresh" / "lib").glob("python*/site-packages")
    (own / "libraries.pth").write_text(f"{libraries}\n")
    server = python.with_name("uvicorn")  # what MLflow starts by its name
    server.write_text(f"#!{python}\nfrom uvicorn.main import main\nmain()\n")
    server.chmod(0o755)
    return python


@contextmanager
def _serving(python: Path, model: Path, folder: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    host, _, port = address.partition(":")
    command = [python, "-m", "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    with (folder / "log.txt").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--host", host, "--port", port],
            cwd=folder,
            env={**ELSEWHERE, "PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]])},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 240
        while not _answers(f"http://{address}/ping"):
            assert time.monotonic() < until, (folder / "log.txt").read_text()[-3000:]
            assert server.poll() is None, (folder / "log.txt").read_text()[-3000:]
            time.sleep(0.5)
        yield f"http://{address}"
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True
