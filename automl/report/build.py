"""The way from a search's name to its report: read the record, the champion and the data, explain, render."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from automl.core.errors import UsageError
from automl.core.sealed import ORIGIN
from automl.model.member import read_json
from automl.model.predictor import Predictor
from automl.report.card import model_card
from automl.report.facts.evidence import ARRAYS, STORY, Evidence
from automl.report.facts.explain import Explanation, explain
from automl.report.facts.inputs import Rows, read_rows, read_rows_of_files, with_features, with_files
from automl.report.facts.single_rows import SingleRow, single_rows
from automl.report.facts.slices import Slice, slice_by
from automl.report.facts.subject import Subject, captions
from automl.report.facts.text_losses import TextLosses, text_losses
from automl.report.figures.files import plots_of_page, put_plots
from automl.report.figures.sheets import sheets_of
from automl.tracker.models.champion_page import CARD, describe_model
from automl.tracker.reading.query import Record
from automl.tracker.reading.report_material import Material, read_file, search_material, write_file
from automl.tracker.record import folder_name
from automl.tracker.store.location import DEFAULT_ROOT, locate_store

REPORT = "report.html"
EXPLAIN_SECONDS = 20.0
SINGLE_SECONDS = 6.0


def open_search(
    record: Record, name: str, *, data: str | None = None, explained: bool = True, drawn: bool = False
) -> Subject:
    """Read the latest search of this name, or the one with this run id.

    Parameters
    ----------
    data:
        The file that was searched, if it was moved.
    explained:
        Compute importance and dependence, and explain some rows, which takes up to 26 s.
    drawn:
        Draw the sheets of files that the search had no time for, and put them on its run.

    Raises
    ------
    UsageError
        If there is no such search, or ``data`` is not the data that was searched.
    """
    material = search_material(record, name)
    evidence = read_evidence(record, material)
    if evidence is None or not material.search.model_version:
        rows = Rows(reason="the search did not end, or an earlier version recorded it")
        return Subject(material=material, evidence=evidence, rows=rows)
    predictor = record.search_model(record.run(material.search.run_id))
    rows = read_rows(material, evidence, data)
    explanation: Explanation | None = None
    singles: tuple[SingleRow, ...] = ()
    losses = TextLosses()
    pictures = read_pictures(record, material)
    if drawn and rows.files and not pictures:
        opened, missing = with_files(evidence, material, predictor, data=data, store=record.location.root)
        pictures = sheets_of(opened, predictor)
        for sheet, picture in pictures.items():
            write_file(record, material.search.run_id, sheet, picture)
        if missing:
            rows = replace(rows, reason=f"{rows.reason}, of which there are no sheets: {missing}")
    if explained:
        seen = with_features(evidence, rows, predictor)
        explanation = explain(predictor, seen, seconds=EXPLAIN_SECONDS)
        singles = single_rows(predictor, seen, seconds=SINGLE_SECONDS)
        losses = text_losses(seen, predictor.layout)
    return Subject(
        material=material,
        evidence=evidence,
        explanation=explanation,
        rows=rows,
        versions=versions_of(predictor),
        pictures=pictures,
        single_rows=singles,
        text_losses=losses,
        kept_cells=kept_cells(predictor),
        origins=origins_of(predictor),
    )


def slices_of(
    record: Record, subject: Subject, columns: Sequence[str], *, data: str | None = None
) -> list[Slice]:
    """Scores by the groups of these columns.

    Raises
    ------
    UsageError
        If a column or the data does not exist.
    """
    if not columns:
        return []
    evidence, rows = subject.evidence, subject.rows
    if rows.files and evidence is not None:
        rows = read_rows_of_files(subject.material, evidence, data, record.location.root)
    if rows.frame is None or evidence is None:
        raise UsageError(f"--slice needs the data of the search: {rows.reason}.")
    return [slice_by(evidence, rows.frame, column) for column in columns]


def read_evidence(record: Record, material: Material) -> Evidence | None:
    """The evidence that the search recorded when it ended, or None."""
    run_id = material.search.run_id
    arrays, story = read_file(record, run_id, ARRAYS), read_file(record, run_id, STORY)
    return None if arrays is None or story is None else Evidence.load(arrays, story)


def read_pictures(record: Record, material: Material) -> dict[str, bytes]:
    """The sheets of files that the search recorded on its run; empty for tables."""
    sheets = {name: read_file(record, material.search.run_id, name) for name in captions()}
    return {name: content for name, content in sheets.items() if content is not None}


def kept_cells(predictor: Predictor) -> int:
    """Number of typical values that a model keeps of each column."""
    return 0 if predictor.background is None else len(predictor.background.numbers)


def versions_of(predictor: Predictor) -> dict[str, str]:
    """Versions of the libraries that made the champion."""
    versions = read_json(predictor.folder / "predictor.json").get("versions", {})
    return {str(name): str(version) for name, version in versions.items()}


def origins_of(predictor: Predictor) -> tuple[Mapping[str, str], ...]:
    """Whose published weights the champion holds, as far as its members say so."""
    files = sorted(predictor.folder.glob(f"members/*/fold_*/{ORIGIN}"))
    return tuple({str(body["weights"]): body for body in map(read_json, files)}.values())


def write_report(
    name: str,
    *,
    out: str | os.PathLike[str] | None = None,
    data: str | None = None,
    slices: Sequence[str] = (),
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> Path:
    """Make the report of a search; store it on its run and in a file.

    Parameters
    ----------
    out:
        The file; by default ``<name>-report.html`` in the working directory.
    data:
        The file that was searched, if it was moved.
    slices:
        Columns to score by group.

    Raises
    ------
    UsageError
        If there is no such search, ``data`` is not the data that was searched, or a column does not exist.
    """
    from automl.report.page import render

    record = Record(locate_store(tracking_uri, store))
    subject = open_search(record, name, data=data, drawn=True)
    content = render(subject, slices_of(record, subject, slices, data=data))
    put_plots(record, subject.material.search.run_id, plots_of_page(content))
    return _written(record, subject, REPORT, content, out=out)


def write_card(
    name: str,
    *,
    out: str | os.PathLike[str] | None = None,
    data: str | None = None,
    slices: Sequence[str] = (),
    tracking_uri: str | None = None,
    store: str | os.PathLike[str] = DEFAULT_ROOT,
) -> Path:
    """Make the model card of a search's champion; store it on its run, its model and in a file.

    Parameters and errors as in :func:`write_report`; the default file is ``<name>-card.md``.
    """
    record = Record(locate_store(tracking_uri, store))
    subject = open_search(record, name, data=data)
    if not subject.summary:
        raise UsageError(f"The search {name!r} has no champion yet, so it has no model card.")
    content = model_card(subject, slices_of(record, subject, slices, data=data))
    describe_model(record, subject.material.search, content)
    return _written(record, subject, CARD, content, out=out)


def _written(
    record: Record, subject: Subject, name: str, content: str, *, out: str | os.PathLike[str] | None
) -> Path:
    search = subject.material.search
    write_file(record, search.run_id, name, content.encode())
    path = Path(f"{folder_name(search.name)}-{name.replace('model_', '')}" if out is None else out)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}). Choose another file with -o."
        ) from error
    return path
