from __future__ import annotations

import os
from pathlib import Path

import pytest

from automl.executors.ray_cluster.parcels import Parcel, Unpacker, pack, read_part


def a_folder(root: Path) -> Path:
    (root / "fold_0" / "deep").mkdir(parents=True)
    (root / "fold_0" / "deep" / "trees.bin").write_bytes(os.urandom(1000))
    (root / "empty").write_bytes(b"")
    (root / "member.json").write_bytes(b"{}" * 40)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("inline", [0, 10, 5000])
@pytest.mark.parametrize("part", [7, 1000, 1001, 4000])
def test_a_folder_arrives_as_it_was_however_it_is_cut(tmp_path: Path, inline: int, part: int) -> None:
    folder = a_folder(tmp_path / "there")
    parcel = pack(folder, inline)
    unpacker = Unpacker(tmp_path / "here", parcel)
    while not unpacker.complete:
        unpacker.write(read_part(folder, parcel, unpacker.received, part))
    assert contents(tmp_path / "here") == contents(folder)


def test_what_lay_there_before_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "member.json").write_text("older and longer than the new one" * 9)
    folder = a_folder(tmp_path / "there")
    assert Unpacker(tmp_path / "here", pack(folder, 5000)).complete
    assert contents(tmp_path / "here") == contents(folder)


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside"])
def test_a_path_out_of_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="leads out"):
        Unpacker(tmp_path / "here", Parcel(((name, 1),), b"x"))


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    parcel = pack(folder)
    (folder / "member.json").write_bytes(b"")
    with pytest.raises(OSError, match="shorter"):
        read_part(folder, parcel, 0)
