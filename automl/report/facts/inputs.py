"""The searched rows, read again from the data's own file for what needs features; the digest is compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.core.errors import DataError, UsageError
from automl.core.table import Kind
from automl.core.text import counted
from automl.data.cells.missing import LabelColumn
from automl.data.cells.row_numbers import row_numbers
from automl.data.digest import frame_digest
from automl.data.files.readers import read_table
from automl.data.modalities import modality_of
from automl.data.target import clean_target
from automl.model.predictor import Predictor
from automl.problem.settings import Settings, TextFormat
from automl.problem.source import Source, open_source
from automl.problem.weight_column import counted_rows
from automl.report.facts.evidence import Evidence, Sample
from automl.tracker.reading.report_material import Material

if TYPE_CHECKING:
    import pandas as pd


def columns_words(columns: Iterable[Mapping[str, str]]) -> str:
    """``10 input columns (8 numbers, 2 categories; 1 left out)``: ids and constants are not inputs."""
    kinds: Counter[str] = Counter(column["kind"] for column in columns)
    left_out = sum(kinds.pop(str(kind), 0) for kind in (Kind.ID, Kind.CONSTANT))
    kinds_words = ", ".join(counted(count, kind) for kind, count in kinds.items())
    kinds_words += f"{'; ' if kinds_words else ''}{left_out} left out" if left_out else ""
    return f"{counted(sum(kinds.values()), 'input column')}{f' ({kinds_words})' if kinds_words else ''}"


@dataclass(frozen=True)
class Rows:
    """The judged rows of the data as they were read, in the order of the evidence; or the reason for none.

    Attributes
    ----------
    files:
        True if the data names files: :func:`read_rows_of_files` reads its other columns.
    """

    frame: pd.DataFrame | None = None
    reason: str = ""
    files: bool = False


def read_rows(material: Material, evidence: Evidence, data: str | None = None) -> Rows:
    """Read the rows of ``data``, or of the file that the search names.

    Raises
    ------
    UsageError
        If ``data`` was given and is not the data that was searched.
    """
    modality = modality_of([column["kind"] for column in evidence.story.columns])
    if modality.kind:
        return Rows(reason=f"it is only computed for tables; this data holds {modality.rows}", files=True)
    path = Path(data) if data is not None else _found(material)
    if path is None:
        return Rows(reason="the search read a DataFrame, or its file is gone; pass the file with --data")
    configuration = material.search.configuration
    try:
        labels = LabelColumn(material.search.target)
        read = read_table(path, labels=labels, **_reading(configuration))
        frame = _counted(read.frame, material, configuration.get("task"))
    except DataError as error:
        if data is not None:
            raise
        return Rows(reason=f"{path.name} cannot be read: {error}")
    return _compared(frame, frame_digest(frame), evidence, path, given=data is not None)


def read_rows_of_files(material: Material, evidence: Evidence, data: str | None, store: Path) -> Rows:
    """Read the rows of a table with paths of files, whose digest covers the files' contents.

    Parameters
    ----------
    store:
        The folder where opened files are cached: only those that changed are read again.

    Raises
    ------
    UsageError
        For a folder of files, which has no columns, or if ``data`` is not the data that was searched.
    """
    path = Path(data) if data is not None else _found(material)
    if path is None:
        return Rows(reason="its file is gone; pass it with --data")
    if path.is_dir():
        raise UsageError(
            "--slice: a folder of files has no columns besides its classes, which the report already scores "
            "one by one. For groups, search a table with a column of paths and a column of groups: "
            "automl search TABLE.csv --target COLUMN --image-root FOLDER."
        )
    _, rows = _rows_of(material, evidence, path, store, given=data is not None)
    return rows


def with_files(
    evidence: Evidence, material: Material, predictor: Predictor, *, data: str | None, store: Path
) -> tuple[Evidence, str]:
    """The evidence with a sample whose files are open, as in the search; or unchanged, with the reason.

    Raises
    ------
    UsageError
        If ``data`` is not the data that was searched.
    """
    path = Path(data) if data is not None else _found(material)
    if path is None:
        return evidence, "they are gone; pass their folder or table with --data"
    try:
        source, rows = _rows_of(material, evidence, path, store, given=data is not None)
    except DataError as error:
        if data is not None:
            raise
        return evidence, f"{path.name} cannot be read: {error}".rstrip(".")
    if rows.frame is None:
        return evidence, rows.reason
    places = evidence.sample_places()
    table = predictor.layout.encode(rows.frame.iloc[places]).table
    return evidence.with_sample(Sample(places, source.refer(table))), ""


def _rows_of(
    material: Material, evidence: Evidence, path: Path, store: Path, *, given: bool
) -> tuple[Source, Rows]:
    """The opened files, and the judged rows if they are the data that was searched."""
    source = _opened(material, path, store)
    frame = _counted(source.read.frame, material, source.settings.task)
    return source, _compared(frame, source.digest(frame), evidence, path, given=given)


def _opened(material: Material, path: Path, store: Path) -> Source:
    """The folder, or the table with paths of files, opened as the search did."""
    given = material.search.configuration
    settings = Settings(
        source=path,
        target=material.search.target,
        task=given.get("task"),
        kinds=given.get("kinds", {}),
        image_root=_image_root(material, given.get("image_root")),
        drop=tuple(given.get("drop", ())),
        store=store,
        cache_bytes=given.get("cache_bytes", Settings.cache_bytes),
        **_reading(given),
    )
    labels = LabelColumn(material.search.target)
    return open_source(settings, lambda: read_table(path, labels=labels, **_reading(given)))


def _counted(frame: pd.DataFrame, material: Material, task: str | None) -> pd.DataFrame:
    """The rows that the search counted: those with a target and, by its weights, not of weight 0."""
    if weight := material.search.configuration.get("weight"):
        frame = counted_rows(frame, weight).frame
    return clean_target(frame, material.search.target, task=task).frame


def _compared(frame: pd.DataFrame, digest: str, evidence: Evidence, path: Path, *, given: bool) -> Rows:
    """The judged rows if this is the data that was searched; else the reason."""
    if digest == evidence.story.data_digest:
        return Rows(frame.iloc[evidence.rows])
    reason = f"{path.name} does not hold the rows that were searched: it was changed since then"
    if given:
        raise UsageError(f"--data: {reason}. Pass the original file.")
    return Rows(reason=reason)


def _image_root(material: Material, given: str | None) -> Path | None:
    """The folder that was named, relative to the working directory or to the store's folder."""
    if given is None:
        return None
    places = [folder / given for folder in (Path(), *material.folders)]
    return next((place for place in places if place.is_dir()), Path(given))


def with_features(evidence: Evidence, rows: Rows, predictor: Predictor) -> Evidence:
    """The evidence with the features of its sample, or unchanged if the rows could not be read."""
    if rows.frame is None or evidence.sample is not None:
        return evidence
    places = evidence.sample_places()
    numbered = replace(evidence, numbers=row_numbers(rows.frame))
    return numbered.with_sample(Sample(places, predictor.encode(rows.frame.iloc[places])))


def _found(material: Material) -> Path | None:
    """The file that the search was given, relative to the working directory or to the store's folder."""
    source = material.search.configuration.get("source")
    if not isinstance(source, str):
        return None
    for folder in (Path(), *material.folders):
        if (folder / source).exists():
            return folder / source
    return None


def _reading(configuration: dict[str, Any]) -> dict[str, Any]:
    """The stated options for reading the file."""
    return {item.name: configuration[item.name] for item in fields(TextFormat) if item.name in configuration}
