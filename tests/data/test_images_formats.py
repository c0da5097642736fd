"""Which files count as images, and what is said of the others."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pictures import lay
from PIL import Image

from automl.core.errors import DataError
from automl.core.table import Kind
from automl.data.columns.kinds import decide
from automl.data.images.decode import decode
from automl.data.images.folder import scan_classes, scan_images
from automl.data.images.formats import FORMATS, SUFFIXES, UNREAD_SUFFIXES, reads_heif
from automl.data.images.modality import MODALITY
from automl.data.images.table import read_folder, unlabelled_folder
from automl.data.named_files import path_columns

PIXELS = Image.fromarray(np.random.default_rng(1).integers(0, 255, (24, 24, 3)).astype(np.uint8))


@pytest.fixture
def without_heif(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    reads_heif.cache_clear()
    yield
    reads_heif.cache_clear()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_images_of_every_suffix_are_read(tmp_path: Path, suffix: str) -> None:
    kind = next(name for name, suffixes in FORMATS.items() if suffix in suffixes)
    mode = {".pbm": "1", ".pgm": "L", ".pfm": "F"}.get(suffix, "RGB")
    PIXELS.convert(mode).save(tmp_path / f"a{suffix.upper()}", format=kind)
    assert [file.path for file in scan_images(tmp_path).files] == [f"a{suffix.upper()}"]
    assert decode(tmp_path / f"a{suffix.upper()}", 8).pixels.std() > 1


def test_what_pillow_knows_of_these_formats_is_on_the_list() -> None:
    Image.init()
    for suffix, kind in Image.registered_extensions().items():
        assert (suffix in SUFFIXES) >= (kind in FORMATS and kind not in ("SGI", "TGA")), suffix
    assert not set(SUFFIXES) & set(UNREAD_SUFFIXES)


def test_drawings_and_documents_are_refused_whatever_their_suffix() -> None:
    for kind, reason in (("EPS", "PostScript"), ("PDF", "PDF")):
        file = io.BytesIO()
        PIXELS.save(file, format=kind)
        with pytest.raises(DataError, match=f"not read: a {reason} file; convert it to PNG"):
            decode(file.getvalue(), 8)
    with pytest.raises(DataError, match="SVG drawing"):
        decode(b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', 8)


@pytest.mark.usefixtures("without_heif")
def test_what_is_left_out_is_named_with_its_suffix_and_number(tmp_path: Path) -> None:
    lay(tmp_path, "cat/", "dog/", "cat/a.heic", "cat/b.HEIC", "dog/c.psd", "dog/notes.txt", "dog/none")
    folder = read_folder(tmp_path)
    assert folder.notes[1] == "Files that are not images were ignored: 1 without suffix, 1 .txt."
    (finding,) = folder.findings
    assert finding.evidence == "Images in formats that are not read were left out: 2 .heic, 1 .psd."
    assert "Convert .heic, .psd to JPEG or PNG, or pip install pillow-heif" in finding.remedy
    assert [finding.evidence in note for note in unlabelled_folder(tmp_path)[1]] == [False, True]


@pytest.mark.usefixtures("without_heif")
def test_errors_name_the_suffixes_that_were_found(tmp_path: Path) -> None:
    lay(tmp_path, "cat/", "dog/a.heic", "dog/b.heic", "dog/c.xyz")
    with pytest.raises(
        DataError, match=r"'dog' in .* contains no images. Found: 2 .heic, 1 .xyz. To use them, convert"
    ):
        scan_classes(tmp_path)
    with pytest.raises(DataError, match=r"contains no images \(.jpg, .*Found: 2 .heic, 1 .xyz"):
        scan_images(tmp_path / "dog")
    with pytest.raises(DataError, match=r"a HEIC image; convert it to JPEG, or pip install pillow-heif"):
        decode(b"\0\0\0\x18ftypheic" + b"\0" * 40, 8)


def test_pictures_of_phones_are_read_with_the_extra(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    reads_heif.cache_clear()
    heif.from_pillow(PIXELS).save(tmp_path / "a.heic")
    assert [file.path for file in scan_images(tmp_path).files] == ["a.heic"]
    assert decode(tmp_path / "a.heic", 8).pixels.shape == (8, 8, 3)


def test_columns_of_paths_are_known_by_the_same_suffixes() -> None:
    for suffix in (".jfif", ".jpe", ".avif", ".heic", ".TIF"):
        column = pd.Series([f"a/{number}{suffix}" for number in range(20)], name="photo")
        assert path_columns(MODALITY, column.to_frame(), {}) == ("photo",)
        assert decide("photo", column).column.kind is Kind.IMAGE
    mixed = [f"{number}.{'svg' if number % 2 else 'jpe'}" for number in range(20)]
    assert path_columns(MODALITY, pd.DataFrame({"photo": mixed}), {}) == ("photo",)
    assert path_columns(MODALITY, pd.DataFrame({"photo": ["a.svg", "b.txt"]}), {}) == ()
