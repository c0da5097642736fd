"""One image as pixels: every mode, depth and rotation becomes the same upright RGB square."""

from __future__ import annotations

import io
import math
import os
import stat
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from automl.core.errors import DataError
from automl.data.images.formats import FORMATS, foreign_format, reads_heif

if TYPE_CHECKING:
    from PIL import Image

    Picture = str | os.PathLike[str] | Image.Image | npt.NDArray[Any]

Pixels = npt.NDArray[np.uint8]

# Pillow's own limit, above which it warns of a decompression bomb: 9,459 × 9,459.
MOST_PIXELS = 89_478_485
MOST_BYTES = 512 << 20
LEAST_SIDE = 4
# What Pillow's decoders raise for damaged files, found by feeding them cut and overwritten ones.
_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, OverflowError)
_DEPTHS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class Decoded:
    """An image as it is stored.

    Attributes
    ----------
    pixels:
        ``(side, side, 3)`` uint8, the whole image squeezed into a square.
    aspect:
        Width over height of the upright image, by which views of it are cut undistorted.
    """

    pixels: Pixels
    aspect: float


def decode(picture: Picture | bytes, side: int) -> Decoded:
    """The image as an upright RGB square; grey, palette, CMYK, transparent and deep ones included.

    Transparent parts become white. Of an animation the first frame is taken. Depths above 8 bits are scaled
    by the nearest usual depth (10, 12, 14, 16) that holds the image's largest value.

    Parameters
    ----------
    picture:
        A path, the content of a file, a PIL image, or an array ``(height, width)`` or ``(height, width, 3)``
        of uint8.

    Raises
    ------
    DataError
        With the reason alone; the caller knows the name.
    """
    from PIL import Image

    content = b""
    try:
        # One that was opened elsewhere may still be on its file, and that damaged.
        if isinstance(picture, Image.Image):
            return _squeezed(picture, side)
        if isinstance(picture, np.ndarray):
            return _squeezed(_from_array(picture), side)
        content = picture if isinstance(picture, bytes) else read_file(Path(picture))
        with Image.open(io.BytesIO(content), formats=_formats(reads_heif())) as image:
            _check_size(image)
            # JPEG decodes at a half, a quarter or an eighth for next to nothing, as long as that is enough.
            image.draft(None, (2 * side, 2 * side))
            return _squeezed(image, side)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"more than {MOST_PIXELS:,} pixels: taken for a decompression bomb") from error
    except DataError:
        raise
    except (*_DAMAGED, struct.error, zlib.error) as error:
        raise DataError(_reason(error, content)) from error


def image_size(content: bytes) -> tuple[int, int]:
    """Width and height as the file's header states them.

    Raises
    ------
    DataError
        For what is not an image.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=_formats(reads_heif())) as image:
            return image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"more than {MOST_PIXELS:,} pixels: taken for a decompression bomb") from error
    except (*_DAMAGED, struct.error, zlib.error) as error:
        raise DataError(_reason(error, content)) from error


def read_file(path: Path) -> bytes:
    """The content of a regular file of sensible size.

    Raises
    ------
    DataError
        With the reason: missing, no regular file, empty, too large, not readable.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise DataError("no regular file")
        if found.st_size == 0:
            raise DataError("empty (0 bytes)")
        if found.st_size > MOST_BYTES:
            raise DataError(f"{found.st_size / 2**20:,.0f} MiB; the limit is {MOST_BYTES >> 20} MiB")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError("there is no such file") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error


@cache
def _formats(heif: bool) -> tuple[str, ...]:
    """Pillow's names of the formats that are read; no other decoder is begun, whatever a file holds."""
    from PIL import Image

    Image.init()
    if not heif:
        return tuple(name for name in FORMATS if name in Image.OPEN)
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return (*(name for name in FORMATS if name in Image.OPEN), "HEIF")


def _reason(error: BaseException, content: bytes) -> str:
    words = " ".join(str(error).split())
    if "cannot identify image file" in words:
        if foreign := foreign_format(content):
            return f"not read: {foreign}"
        head = content[:40].strip()
        if head[:1] in (b"<", b"{") or b" ".join(head.split()).decode("ascii", "replace").isprintable():
            return "not an image: the file holds text"
        return "not an image that can be identified"
    if "truncated" in words.lower():
        return f"cut off: {words}"
    return f"damaged: {words or type(error).__name__}"


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise DataError(f"{width:,} × {height:,} pixels: more than {MOST_PIXELS:,}, taken for a bomb")
    if min(width, height) < LEAST_SIDE:
        raise DataError(f"{width} × {height} pixels: nothing to see below {LEAST_SIDE} × {LEAST_SIDE}")


def _squeezed(image: Image.Image, side: int) -> Decoded:
    from PIL import Image

    _check_size(image)
    upright = _upright_rgb(image)
    aspect = upright.width / upright.height
    small = upright.resize((side, side), Image.Resampling.BICUBIC)
    return Decoded(np.asarray(small, dtype=np.uint8), aspect)


def _upright_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image, ImageOps

    # A copy in any case: what the caller passed stays as it is.
    upright = ImageOps.exif_transpose(image) if image.getexif().get(0x0112, 1) != 1 else image
    if upright.mode.startswith("I") or upright.mode == "F":
        upright = _eight_bits(upright)
    if upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info:
        clear = upright.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        return Image.alpha_composite(white, clear).convert("RGB")
    return upright.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    from PIL import Image

    values = np.asarray(image, dtype=np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65_535 or (image.mode == "F" and high <= 1.0):
        scaled = (values - min(low, 0.0)) / max(high - min(low, 0.0), 1e-12)
    else:
        needed = max(1, math.ceil(math.log2(high + 1))) if high > 0 else 1
        depth = next(bits for bits in _DEPTHS if bits >= needed)
        scaled = values / (2**depth - 1)
    return Image.fromarray((scaled * 255).round().astype(np.uint8))


def _from_array(array: npt.NDArray[Any]) -> Image.Image:
    from PIL import Image

    grey = array.ndim == 2
    if array.dtype != np.uint8 or not (grey or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise DataError(
            f"an array of {array.dtype} with shape {array.shape}; allowed is uint8, (height, width) or "
            "(height, width, 3)"
        )
    return Image.fromarray(array)
