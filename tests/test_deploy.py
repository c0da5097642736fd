"""The files in ``deploy/``: whole, closed to the outside, without secrets. No container is started."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    body = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    assert {"database", "bucket", "server", "head", "worker"} <= body["services"].keys()
    return dict(body["services"])


def example() -> dict[str, str]:
    lines = (DEPLOY / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_ports_are_published_on_this_machine_alone(services: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {"server": ["${BIND:-127.0.0.1}:${PORT:-5055}:5055"]}
    assert example()["BIND"] == "127.0.0.1"


def test_passwords_have_no_default_and_stand_in_no_file() -> None:
    used = {name: (mark, default) for name, mark, default in VARIABLE.findall(COMPOSE.read_text())}
    secret = {name for name in used if "PASSWORD" in name}
    assert secret == {"POSTGRES_PASSWORD", "BUCKET_PASSWORD"}
    assert {used[name][0] for name in secret} == {"?"}
    assert {name for name, value in example().items() if not value} == secret
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "deploy/.env" in ignored


def test_no_password_is_part_of_a_command(services: dict[str, Any]) -> None:
    commands = [str(service.get("command", "")) for service in services.values()]
    assert not [command for command in commands if "PASSWORD" in command or "://mlflow:" in command]


def test_nodes_and_searches_get_no_keys(services: dict[str, Any]) -> None:
    for name in ("head", "worker"):
        assert not re.search(r"PASSWORD|SECRET|AWS_", str(services[name])), name


def new_env(file: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(DEPLOY / "new_env.py"), str(file)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_new_file_of_passwords_is_complete_and_never_the_same(tmp_path: Path) -> None:
    def made(name: str) -> dict[str, str]:
        assert new_env(tmp_path / name).returncode == 0
        lines = (tmp_path / name).read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))

    first, second = made("first"), made("second")
    assert first.keys() == example().keys()
    assert all(first.values())
    assert {name for name in first if first[name] != second[name]} == {
        "POSTGRES_PASSWORD",
        "BUCKET_PASSWORD",
    }


def test_nobody_else_can_read_the_passwords_and_they_are_not_replaced(tmp_path: Path) -> None:
    new_env(tmp_path / ".env")
    before = (tmp_path / ".env").read_text(encoding="utf-8")
    if os.name == "posix":
        assert (tmp_path / ".env").stat().st_mode & 0o777 == 0o600
    again = new_env(tmp_path / ".env")
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    assert (tmp_path / ".env").read_text(encoding="utf-8") == before


def test_nodes_of_the_cluster_cannot_reach_the_database_or_the_bucket(services: dict[str, Any]) -> None:
    reach = {name: set(service.get("networks", ["default"])) for name, service in services.items()}
    for node in ("head", "worker"):
        assert not reach[node] & (reach["database"] | reach["bucket"])
        assert reach[node] & reach["server"], "searches record through the server"


def test_what_the_image_copies_is_there() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_the_manifest_for_kubernetes_says_that_it_is_untested_and_keeps_secrets_elsewhere() -> None:
    text = (DEPLOY / "kuberay.yaml").read_text(encoding="utf-8")
    assert "NOT TESTED" in text
    cluster, claim = yaml.safe_load_all(text)
    assert (cluster["apiVersion"], cluster["kind"], claim["kind"]) == (
        "ray.io/v1",
        "RayCluster",
        "PersistentVolumeClaim",
    )
    groups = cluster["spec"]["workerGroupSpecs"]
    assert all(group["minReplicas"] <= group["replicas"] <= group["maxReplicas"] for group in groups)
    pods = [group["template"]["spec"] for group in (cluster["spec"]["headGroupSpec"], *groups)]
    assert len({container["image"] for pod in pods for container in pod["containers"]}) == 1
    assert not re.search(r"PASSWORD|SECRET_", text)
