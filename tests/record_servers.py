"""Servers of a team's record on this machine: a database, a bucket, MLflow; each can stop and come back."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
INITDB = INSTALLED[-1] if INSTALLED else Path(shutil.which("initdb") or "")
HOST = "127.0.0.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Postgres:
    """A server in a folder of its own; it refuses to run as root."""

    def __init__(self, folder: Path, password: str) -> None:
        self.user = "postgres" if os.geteuid() == 0 else None
        self.folder, self.password, self.port = folder, password, free_port()
        if self.user is not None:
            shutil.chown(folder, self.user)
        secret = folder / "password"
        secret.write_text(password)
        self._run(
            "initdb", "-D", str(folder / "data"), "-U", "automl", "-A", "scram-sha-256", f"--pwfile={secret}"
        )
        secret.unlink()

    @property
    def uri(self) -> str:
        return f"postgresql://automl:{self.password}@{HOST}:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses={HOST} -k {self.folder}"
        self._control("-o", options, "-l", str(self.folder / "log"), "-w", "start")

    def stop(self) -> None:
        self._control("-m", "immediate", "stop")

    def _control(self, *words: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), *words)

    def _run(self, program: str, *words: str) -> None:
        command = [str(INITDB.with_name(program)), *words]
        subprocess.run(
            command, check=True, user=self.user, cwd=self.folder, stdout=subprocess.DEVNULL, timeout=120
        )


class Process:
    """A server in a process group of its own, which answers at an address when it is up."""

    def __init__(self, folder: Path, name: str) -> None:
        self.port = free_port()
        self.log = folder / f"{name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    def run(self, *command: str, look_at: str, environment: Mapping[str, str] | None = None) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        ends = time.monotonic() + 120
        while time.monotonic() < ends:
            try:
                urllib.request.urlopen(f"{self.address}{look_at}", timeout=5).close()
                return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(0.3)
        raise AssertionError(self.log.read_text(errors="replace")[-3000:])

    def stop(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


class Bucket(Process):
    """Moto's stand-in for S3 behind a door of ours, which can be closed: it keeps all in its memory.

    Attributes
    ----------
    endpoint:
        The address for clients, which refuses connections while the door is closed.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "bucket")
        self._door = _Door(self.port)
        self.endpoint = f"http://{HOST}:{self._door.port}"

    def start(self, *buckets: str) -> None:
        import boto3

        self.run("moto.server", "-H", HOST, "-p", str(self.port), look_at="/moto-api/")
        self._door.open()
        for name in buckets:
            client = boto3.client(
                "s3",
                endpoint_url=self.endpoint,
                aws_access_key_id="x",
                aws_secret_access_key="y",
                region_name="us-east-1",
            )
            client.create_bucket(Bucket=name)
            client.close()

    def refuse(self) -> None:
        self._door.close()

    def accept(self) -> None:
        self._door.open()

    def end(self) -> None:
        self._door.close()
        self.stop()

    def variables(self, secret: str) -> dict[str, str]:
        """The environment of who uses the bucket."""
        return {
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "automl",
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


class _Door:
    """A port that passes connections on to another one while it is open, and refuses them while not."""

    def __init__(self, inside: int) -> None:
        self.port, self._inside = free_port(), inside
        self._listener: socket.socket | None = None
        self._streams: list[socket.socket] = []

    def open(self) -> None:
        self._listener = socket.create_server((HOST, self.port))
        threading.Thread(target=self._listen, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for stream in self._streams:
            _end(stream)
        self._streams.clear()

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                outer, _ = listener.accept()
                inner = socket.create_connection((HOST, self._inside))
            except OSError:  # closed
                return
            self._streams += [outer, inner]
            for source, target in ((outer, inner), (inner, outer)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    try:
        while part := source.recv(1 << 16):
            target.sendall(part)
    except OSError:
        pass
    _end(source)
    _end(target)


def _end(stream: socket.socket) -> None:
    try:
        stream.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    stream.close()


class MlflowServer(Process):
    """MLflow's server with a record in a database, and artifacts where it is told."""

    def __init__(self, folder: Path, database: str, *options: str, **environment: str) -> None:
        super().__init__(folder, "server")
        self._options = options
        self._environment = {
            **environment,
            "MLFLOW_BACKEND_STORE_URI": database,
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def start(self) -> None:
        command = ("mlflow", "server", "--host", HOST, "--port", str(self.port), "--workers", "1")
        self.run(*command, *self._options, look_at="/health", environment=self._environment)
