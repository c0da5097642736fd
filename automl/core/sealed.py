"""Safe model folders: a manifest with a SHA-256 of every file, checked before anything is opened."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from automl.core.errors import ModelFileError

MANIFEST = "manifest.json"
FROZEN = "frozen"
"""Folder of a predictor with the frozen nets that its members share; their files' names begin with:"""
FROZEN_FILE = "backbone-"
ORIGIN = "origin.json"
"""File of a fold's model that says whose published weights are in it: ``name``, ``licence``, ``source``."""
_FORMAT = 1


def seal(folder: Path, *, kind: str) -> None:
    """Write ``manifest.json`` over every file in ``folder``; ``kind`` says what the folder holds."""
    files = {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }
    body = {"format": _FORMAT, "kind": kind, "files": files}
    (folder / MANIFEST).write_text(json.dumps(body, indent=1, sort_keys=True), encoding="utf-8")


def verify(folder: Path, *, kind: str) -> dict[str, str]:
    """Check that ``folder`` holds exactly the files of its manifest, unchanged.

    Returns
    -------
    dict
        SHA-256 by path below ``folder``, for :func:`confirm`.

    Raises
    ------
    ModelFileError
        Without a manifest, or for an unknown format, another kind, a missing, extra or changed file, a
        link, or a path that leaves the folder. Nothing but the manifest was parsed by then.
    """
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise ModelFileError(f"{folder} is not an automl model: it has no {MANIFEST}.")
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        stated, found_kind, files = body["format"], body["kind"], dict(body["files"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(f"{path} cannot be read ({error}): the model is damaged.") from error
    if stated != _FORMAT:
        raise ModelFileError(
            f"{folder} has model format {stated}; this version of automl reads format {_FORMAT}. "
            "Install the version that wrote it, or train again."
        )
    if found_kind != kind:
        raise ModelFileError(f"{folder} holds a {found_kind}, not a {kind}.")
    for name in files:
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or "\\" in name:
            raise ModelFileError(f"The manifest of {folder} names {name!r}, a path outside the folder.")
    present = _files_within(folder)
    missing, extra = sorted(set(files) - present), sorted(present - set(files))
    if missing or extra:
        what = f"lacks {missing[0]!r}" if missing else f"holds {extra[0]!r}, which the manifest does not name"
        raise ModelFileError(f"{folder} {what}: the model was changed after it was saved.")
    confirm(folder, files)
    return files


def confirm(folder: Path, hashes: Mapping[str, str]) -> None:
    """Check files again right before they are opened: they may have been changed since :func:`verify`.

    Raises
    ------
    ModelFileError
        For a file that has another SHA-256 than it should, or that is gone or a link by now.
    """
    for name, expected in hashes.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise ModelFileError(f"{path} is not a plain file any more: the model was changed.")
        if _sha256(path) != expected:
            raise ModelFileError(f"{path} has another SHA-256 than the manifest: it was changed.")


def folder_bytes(folder: Path) -> int:
    """Total size of the files in ``folder``, in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _files_within(folder: Path) -> set[str]:
    paths: set[str] = set()
    for root, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            path = Path(root) / name
            if path.is_symlink():
                raise ModelFileError(f"{path} is a link: model folders hold plain files only.")
            if not stat.S_ISREG(path.lstat().st_mode) and name in files:  # a pipe would wait for ever
                raise ModelFileError(f"{path} is not a plain file: the model was changed after it was saved.")
        paths |= {(Path(root) / name).relative_to(folder).as_posix() for name in files}
    return paths - {MANIFEST}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
