"""One image as pixels: modes, depths, rotations; what is damaged is refused with its reason."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl.core.errors import DataError
from automl.data.images.decode import decode


@pytest.fixture
def picture() -> Image.Image:
    """Red on the left, blue on the right, wider than high."""
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[:, :30, 0] = 200
    pixels[:, 30:, 2] = 200
    return Image.fromarray(pixels)


def content(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **how)
    return file.getvalue()


def test_every_mode_becomes_the_same_kind_of_square(picture: Image.Image) -> None:
    for mode in ("L", "RGB", "RGBA", "P", "LA", "1"):
        made = decode(content(picture.convert(mode)), 16)
        assert made.pixels.shape == (16, 16, 3), mode
        assert made.aspect == pytest.approx(1.5)
    assert decode(content(picture.convert("CMYK"), "JPEG"), 16).pixels[8, 2, 0] > 120


def test_transparent_parts_are_white() -> None:
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    assert (decode(content(clear), 8).pixels == 255).all()


def test_sixteen_bits_keep_their_contrast() -> None:
    deep = Image.fromarray((np.linspace(0, 65_535, 400).reshape(20, 20)).astype(np.uint16))
    assert decode(content(deep), 20).pixels.max() == 255
    twelve = Image.fromarray((np.linspace(0, 4_095, 400).reshape(20, 20)).astype(np.uint16))
    assert decode(content(twelve), 20).pixels.max() == 255


def test_rotation_in_the_metadata_is_undone(picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned = decode(content(picture.rotate(180), "JPEG", exif=exif, quality=95), 16)
    plain = decode(content(picture, "JPEG", quality=95), 16)
    assert np.abs(turned.pixels.astype(int) - plain.pixels).max() < 12
    exif[0x0112] = 6
    assert decode(content(picture, "JPEG", exif=exif), 16).aspect == pytest.approx(40 / 60)


def test_a_path_an_image_and_an_array_give_the_same_pixels(picture: Image.Image, tmp_path: Path) -> None:
    picture.save(tmp_path / "a.png")
    from_path = decode(tmp_path / "a.png", 16).pixels
    assert (from_path == decode(picture, 16).pixels).all()
    assert (from_path == decode(np.asarray(picture), 16).pixels).all()


def test_damaged_files_are_refused_with_the_reason(picture: Image.Image, tmp_path: Path) -> None:
    whole = content(picture, "JPEG")
    for damaged, reason in (
        (whole[: len(whole) // 2], "cut off|damaged"),
        (b"not an image at all", "contains text"),
        (b"two lines,\nand no image\n", "contains text"),
        (bytes(range(256)), "identified"),
        (content(Image.new("RGB", (1, 1))), "too small"),
    ):
        with pytest.raises(DataError, match=reason):
            decode(damaged, 16)
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(DataError, match="0 bytes"):
        decode(tmp_path / "empty.jpg", 16)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(DataError, match="not a regular file"):
            decode(tmp_path / "pipe.jpg", 16)


def test_an_opened_image_on_a_damaged_file_is_refused_too(picture: Image.Image) -> None:
    whole = content(picture, "JPEG")
    with (
        Image.open(io.BytesIO(whole[: len(whole) - 60])) as opened,
        pytest.raises(DataError, match="cut off"),
    ):
        decode(opened, 16)


def test_any_cut_of_a_file_is_refused_or_read(picture: Image.Image) -> None:
    for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
        whole = content(picture, kind)
        for end in range(0, len(whole), max(1, len(whole) // 25)):
            with contextlib.suppress(DataError):  # anything else would end the test
                assert decode(whole[:end], 8).pixels.shape == (8, 8, 3)


def test_a_decompression_bomb_is_not_unpacked() -> None:
    bomb = content(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 1_000_000
    with pytest.raises(DataError, match="bomb"):
        decode(bomb, 16)
