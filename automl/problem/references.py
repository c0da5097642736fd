"""Folders beside a saved problem that its rows refer to, such as decoded images: found, and renamed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather

from automl.data.modalities import modalities


def folders_beside(problem_folder: Path) -> tuple[str, ...]:
    """The folders that references ``FOLDER#ROW`` of a saved problem lead into, each once."""
    folders: dict[str, None] = {}
    for file in _files(problem_folder):
        for column in feather.read_table(file).columns:
            folders |= {str(cell).rpartition("#")[0]: None for cell in column.unique().to_pylist() if cell}
    return tuple(folder for folder in folders if folder)


def refer_to(problem_folder: Path, places: Mapping[str, str]) -> None:
    """Change the references of a saved problem to folders that lie elsewhere now.

    Parameters
    ----------
    places:
        New folder by the old one.
    """
    for file in _files(problem_folder):
        table = feather.read_table(file, memory_map=False)
        columns = [
            pa.array([_moved(cell, places) for cell in column.to_pylist()], column.type)
            for column in table.columns
        ]
        moved = pa.table(columns, schema=table.schema)
        feather.write_feather(moved, file, compression="uncompressed")


def kept_in(problem_folder: Path, *, cache_dir: Path, weights_dir: Path | None) -> None:
    """Change the folders of a saved problem: for what trials compute, and with published weights."""
    place = problem_folder / "problem.json"
    body = json.loads(place.read_text(encoding="utf-8"))
    body |= {"cache_dir": str(cache_dir), "weights_dir": str(weights_dir or "")}
    place.write_text(json.dumps(body), encoding="utf-8")


def _moved(reference: Any, places: Mapping[str, str]) -> Any:
    folder, mark, row = str(reference).rpartition("#")
    return f"{places[folder]}{mark}{row}" if folder in places else reference


def _files(problem_folder: Path) -> Iterator[Path]:
    """Files with references, of the rows that are trained on and of those kept apart."""
    for kind, modality in modalities().items():
        if modality.portable:
            for folder in (problem_folder, problem_folder / "untouched"):
                if (folder / f"{kind}.arrow").is_file():
                    yield folder / f"{kind}.arrow"
