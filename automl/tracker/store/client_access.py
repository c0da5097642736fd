"""Access to a store by MLflow's client: to servers, databases, files of another schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, final

from automl.tracker.store.location import all_pages
from automl.tracker.store.lookups import find_alias, find_run, find_version_run
from automl.tracker.store.runs import ChosenTrials, ExperimentName, MetricPoint, Run, RunData, RunInfo
from automl.tracker.tags import NOTE, PARENT, SEARCH

if TYPE_CHECKING:
    from mlflow import MlflowClient

_PAGE = 1000
_ACTIVE = 1  # mlflow.entities.ViewType.ACTIVE_ONLY


def client_access(connect: Callable[[], MlflowClient]) -> _ClientAccess:
    """Access to a store through the client that ``connect`` makes."""
    return _ClientAccess(connect)


@final
class _ClientAccess:
    """Access by MLflow's client: to servers, databases, files of another schema."""

    def __init__(self, connect: Callable[[], MlflowClient]) -> None:
        self._client = connect()

    def experiments(self) -> list[ExperimentName]:
        items = self._experiments(_ACTIVE)
        return [ExperimentName(str(item.name), str(item.experiment_id)) for item in items]

    def experiment_id(self, name: str) -> str | None:
        experiment = self._client.get_experiment_by_name(name)
        return None if experiment is None else str(experiment.experiment_id)

    def runs_beginning(self, beginning: str) -> list[Run]:
        ids = [item.experiment_id for item in self.experiments()]
        return self._runs(ids, f"attributes.run_id LIKE '{beginning}%'")

    def search_runs(self, experiments: Sequence[str]) -> list[Run]:
        return self._runs(experiments, f"tags.`{SEARCH}` LIKE '%'")

    def trial_runs(self, experiment: str, search_run_id: str) -> list[Run]:
        runs = self._runs([experiment], f"tags.`{PARENT}` = '{search_run_id}'")
        return list(map(_without_description, runs))

    def first_trials(self, chosen: ChosenTrials, metric: str, *, ascending: bool, most: int) -> list[Run]:
        tags = {PARENT: chosen.search_run_id, **chosen.tags}
        runs: list[Any] = []
        token: str | None = None
        order = [f"metrics.`{metric}` {'ASC' if ascending else 'DESC'}", "attributes.start_time ASC"]
        while len(runs) < most:
            page = self._client.search_runs(
                [chosen.experiment],
                " AND ".join(f"tags.`{key}` = {_quoted(value)}" for key, value in tags.items()),
                _ACTIVE,
                max_results=min(most - len(runs), _PAGE),
                order_by=order,
                page_token=token,
            )
            runs += page
            token = page.token
            if not token:
                break
        return [_without_description(_of_client(run)) for run in runs]

    def count_trials(self, chosen: ChosenTrials) -> int | None:
        return None

    def run(self, run_id: str) -> Run | None:
        run = find_run(self._client, run_id)
        return None if run is None else _of_client(run)

    def deleted_runs(self, beginning: str) -> list[Run]:
        from mlflow.entities import ViewType

        ids = [str(item.experiment_id) for item in self._experiments(ViewType.ALL)]
        return self._runs(ids, f"attributes.run_id LIKE '{beginning}%'", ViewType.DELETED_ONLY)

    def deleted_time(self, run_id: str) -> int | None:
        return None  # MLflow's interface has no such field (3.17)

    def history(self, run_id: str, metric: str) -> list[MetricPoint]:
        points = self._client.get_metric_history(run_id, metric)
        return [MetricPoint(float(item.value), int(item.timestamp), int(item.step)) for item in points]

    def version_of(self, name: str, alias: str) -> str:
        version = find_alias(self._client, name, alias)
        return "" if version is None else str(version.version)

    def version_run(self, name: str, version: str) -> str:
        return find_version_run(self._client, name, version)

    def version_place(self, name: str, version: str, run_id: str = "") -> str | None:
        from mlflow.exceptions import MlflowException

        if run_id and self.version_run(name, version) != run_id:
            return None
        try:
            return str(self._client.get_model_version_download_uri(name, version))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None

    def files(self, run: Run) -> tuple[str, ...]:
        return tuple(item.path for item in self._client.list_artifacts(run.info.run_id))

    def logged_model_place(self, model_id: str) -> str:
        return str(self._client.get_logged_model(model_id).artifact_location)

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        self._client.set_tag(run_id, key, value)

    def _experiments(self, view: int) -> Iterator[Any]:
        return all_pages(
            lambda token: self._client.search_experiments(
                view,
                _PAGE,
                filter_string=f"tags.`{SEARCH}` LIKE '%'",
                order_by=["last_update_time DESC"],
                page_token=token,
            )
        )

    def _runs(self, experiments: Sequence[str], condition: str, view: int = _ACTIVE) -> list[Run]:
        if not experiments:
            return []
        runs = all_pages(
            lambda token: self._client.search_runs(
                list(experiments),
                condition,
                view,
                max_results=_PAGE,
                page_token=token,
                order_by=["attributes.start_time DESC"],
            )
        )
        return list(map(_of_client, runs))


def _quoted(value: str) -> str:
    return f'"{value}"' if "'" in value else f"'{value}'"


def _without_description(run: Run) -> Run:
    tags = {name: value for name, value in run.data.tags.items() if name != NOTE}
    return replace(run, data=replace(run.data, tags=tags))


def _of_client(run: Any) -> Run:
    info, data = run.info, run.data
    return Run(
        RunInfo(
            run_id=str(info.run_id),
            experiment_id=str(info.experiment_id),
            status=str(info.status),
            start_time=info.start_time,
            end_time=info.end_time,
            artifact_uri=str(info.artifact_uri),
            lifecycle_stage=str(info.lifecycle_stage),
        ),
        RunData(dict(data.tags), dict(data.metrics), dict(data.params)),
    )
