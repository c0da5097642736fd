"""A finished run, written at once: in one transaction if the store is a local file, else by the client."""

from __future__ import annotations

import math
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from automl.tracker.record import DatasetRecord
from automl.tracker.store.location import StoreLocation, local_path
from automl.tracker.store.tables import (
    Point,
    RunRecord,
    has_written_tables,
    insert_input,
    insert_run,
    one_transaction,
)
from automl.tracker.writing.datasets import describe_dataset, log_dataset

if TYPE_CHECKING:
    from mlflow import MlflowClient

METRICS_PER_BATCH = 1000


class RunWriter:
    """Writer of the runs of one experiment.

    Through the client, a run takes three calls and six transactions, 20 ms of CPU time; in a SQLite file it
    is one transaction without MLflow, and readers see the run completely or not at all.

    Parameters
    ----------
    connect:
        Gives the store's client, which may import MLflow.
    root:
        The experiment's artifact location.
    """

    def __init__(
        self,
        connect: Callable[[], MlflowClient],
        location: StoreLocation,
        *,
        experiment_id: str,
        root: str,
        dataset: DatasetRecord,
        target: str,
    ) -> None:
        self._connect = connect
        self._dataset, self._target = dataset, target
        self._location = location
        self._experiment_id = experiment_id
        database = location.database
        in_file = database is not None and "://" not in root and has_written_tables(database)
        self._root = local_path(root) if in_file else None

    @property
    def _client(self) -> MlflowClient:
        return self._connect()

    @property
    def keeps_folders(self) -> bool:
        """True if artifacts are plain local folders, which can also be deleted again."""
        return self._root is not None

    def folder_of(self, run_id: str) -> Path | None:
        """The artifact folder of a run that :meth:`writing` wrote, or None if it is not local."""
        return None if self._root is None else self._root / run_id / "artifacts"

    @contextmanager
    def writing(self, run: RunRecord, run_id: str = "") -> Iterator[tuple[str, Path]]:
        """Yield the run's id and a folder for its artifacts; write the run afterwards.

        ``run_id`` is that of a run which was begun before and is completed now; in a SQLite file it may also
        be the id for a new run.
        """
        if self._root is not None:
            run_id = run_id or uuid.uuid4().hex
            folder = self._root / run_id / "artifacts"
            if folder.exists():
                shutil.rmtree(folder)  # its run was never written: that is the last step
            folder.mkdir(parents=True)
            yield run_id, folder
            self._insert(run, run_id, folder)
            return
        if not run_id:
            made = self._client.create_run(
                self._experiment_id, start_time=run.started, tags=dict(run.tags), run_name=run.name
            )
            run_id = made.info.run_id
        else:
            self._restore_tags(run_id, run)
        with TemporaryDirectory(prefix="automl-upload-") as scratch:
            yield run_id, Path(scratch)
            if any(Path(scratch).iterdir()):
                self._client.log_artifacts(run_id, scratch)
        log_points(self._client, run_id, run.points, run.params)
        log_dataset(self._client, run_id, self._dataset, self._target)
        self._client.set_terminated(run_id, status=run.status, end_time=run.ended)

    def _restore_tags(self, run_id: str, run: RunRecord) -> None:
        """Restore the tags of a run that its process had left open."""
        from mlflow.entities import RunTag

        noted = self._client.get_run(run_id).data.tags
        if "automl.error" in noted and "automl.error" not in run.tags:
            self._client.delete_tag(run_id, "automl.error")
        self._client.log_batch(run_id, tags=[RunTag(key, value) for key, value in run.tags.items()])

    def _insert(self, run: RunRecord, run_id: str, folder: Path) -> None:
        database = self._location.database
        assert database is not None
        described = describe_dataset(self._dataset, self._target)
        number = int(self._experiment_id)
        with one_transaction(database) as connection:
            insert_run(connection, run, run_id, experiment_id=number, place=str(folder))
            insert_input(connection, run_id, described, experiment_id=number)


def log_points(
    client: MlflowClient,
    run_id: str,
    points: tuple[Point, ...] | list[Point],
    params: Mapping[str, str] | None = None,
) -> None:
    """Log params and metrics through the client, in batches of the size that it accepts."""
    from mlflow.entities import Metric, Param

    listed = [Param(key, value) for key, value in (params or {}).items()]
    metrics = [Metric(p.name, p.value, p.timestamp, p.step) for p in points if math.isfinite(p.value)]
    for start in range(0, max(len(metrics), 1), METRICS_PER_BATCH):
        batch = metrics[start : start + METRICS_PER_BATCH]
        if batch or listed:
            client.log_batch(run_id, metrics=batch, params=listed)
        listed = []
