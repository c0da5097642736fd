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
# Errors of Pillow's decoders for damaged files, found by testing truncated and overwritten ones.
_DAMAGED = (OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, OverflowError)
_DEPTHS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class DecodedImage:
    """An image in the form in which it is stored.

    Attributes
    ----------
    pixels:
        ``(side, side, 3)`` uint8, the whole image squeezed into a square.
    aspect:
        Width over height of the upright image, needed to cut undistorted views.
    """

    pixels: Pixels
    aspect: float


def decode(picture: Picture | bytes, side: int) -> DecodedImage:
    """Decode an image to an upright RGB square, including grey, palette, CMYK, transparent and deep ones.

    Transparent parts become white. Animations are reduced to their first frame. Depths above 8 bits are
    scaled by the smallest usual depth (10, 12, 14, 16) that holds the image's largest value.

    Parameters
    ----------
    picture:
        A path, the content of a file, a PIL image, or an array ``(height, width)`` or ``(height, width, 3)``
        of uint8.

    Raises
    ------
    DataError
        With the reason only; the caller knows the name.
    """
    from PIL import Image

    content = b""
    try:
        # An image that was opened elsewhere may still read from its file, which may be damaged.
        if isinstance(picture, Image.Image):
            return _squeezed(picture, side)
        if isinstance(picture, np.ndarray):
            return _squeezed(_from_array(picture), side)
        content = picture if isinstance(picture, bytes) else read_file(Path(picture))
        with Image.open(io.BytesIO(content), formats=_formats(reads_heif())) as image:
            _check_size(image)
            # JPEG decodes at a half, a quarter or an eighth at almost no cost, if that is enough.
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
        If it is not an image.
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
        With the reason: missing, not a regular file, empty, too large, not readable.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError("not a regular file")
        if status.st_size == 0:
            raise DataError("empty (0 bytes)")
        if status.st_size > MOST_BYTES:
            raise DataError(f"{status.st_size / 2**20:,.0f} MiB; the limit is {MOST_BYTES >> 20} MiB")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError("there is no such file") from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error


@cache
def _formats(heif: bool) -> tuple[str, ...]:
    """Pillow's names of the formats that are read; no other decoder runs, whatever a file contains."""
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
            return "not an image: the file contains text"
        return "not an image that can be identified"
    if "truncated" in words.lower():
        return f"cut off: {words}"
    return f"damaged: {words or type(error).__name__}"


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise DataError(f"{width:,} × {height:,} pixels: more than {MOST_PIXELS:,}, taken for a bomb")
    if min(width, height) < LEAST_SIDE:
        raise DataError(
            f"{width} × {height} pixels: too small; at least {LEAST_SIDE} × {LEAST_SIDE} are needed"
        )


def _squeezed(image: Image.Image, side: int) -> DecodedImage:
    from PIL import Image

    _check_size(image)
    upright = _upright_rgb(image)
    aspect = upright.width / upright.height
    small = upright.resize((side, side), Image.Resampling.BICUBIC)
    return DecodedImage(np.asarray(small, dtype=np.uint8), aspect)


def _upright_rgb(image: Image.Image) -> Image.Image:
    from PIL import Image, ImageOps

    # Always a copy: the caller's image stays unchanged.
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
            f"an array of {array.dtype} with shape {array.shape}; allowed are uint8 and (height, width) or "
            "(height, width, 3)"
        )
    return Image.fromarray(array)
