"""Image formats: the suffixes and Pillow formats that are read, and those that are left out."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

# Raster formats by their names in Pillow, which decodes them without other programs. Deliberately not all
# that Pillow opens: EPS and WMF are drawings (for EPS it starts Ghostscript, which runs code from the file),
# PSD has layers, MPEG and FLI are films, FITS, HDF5, GRIB and BUFR hold measurements, DDS and the like are
# textures of games. PDF can only be written.
FORMATS = {
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo"),
    "PNG": (".png", ".apng"),
    "GIF": (".gif",),
    "BMP": (".bmp",),
    "DIB": (".dib",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "AVIF": (".avif", ".avifs"),
    "JPEG2000": (".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    "ICO": (".ico",),
    "PCX": (".pcx",),
    "QOI": (".qoi",),
    "SGI": (".sgi",),
    "TGA": (".tga",),
}
SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)
# Formats of Apple's phones; read if the extra is installed.
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
_HEIF_EXTRA = "pip install pillow-heif to read .heic"
# Endings of paths in a table that name an image, even if it cannot be read.
PATH_SUFFIXES = SUFFIXES + HEIF_SUFFIXES
# People expect these to be read as well, so leaving them out is a warning instead of a note.
UNREAD_SUFFIXES = (
    *(".heics", ".heifs", ".jxl", ".jxr", ".wdp", ".svg", ".eps", ".ps"),
    *(".wmf", ".emf", ".psd", ".xcf", ".dds", ".icns", ".cur", ".xbm", ".xpm", ".ras", ".pcd", ".exr"),
    *(".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".dcm", ".dicom", ".fits"),
    *(".mp4", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg"),
)


@cache
def reads_heif() -> bool:
    """Return whether the extra that decodes pictures from Apple's phones is installed."""
    return find_spec("pillow_heif") is not None


def read_suffixes() -> tuple[str, ...]:
    """The suffixes that are read in this environment."""
    return PATH_SUFFIXES if reads_heif() else SUFFIXES


def is_unread_picture(suffix: str) -> bool:
    """Return whether people would expect files with this suffix to be read although they are not."""
    return suffix in (*UNREAD_SUFFIXES, *HEIF_SUFFIXES) and suffix not in read_suffixes()


def remedy_for(suffixes: set[str]) -> str:
    """Advice on how to make pictures with these suffixes readable."""
    remedy = f"convert {', '.join(sorted(suffixes))} to JPEG or PNG"
    return f"{remedy}, or {_HEIF_EXTRA}" if suffixes & set(HEIF_SUFFIXES) else remedy


def foreign_format(content: bytes) -> str:
    """The format of a file that begins like a known format which is not read, or an empty string."""
    if content[4:8] == b"ftyp":
        brand = content[8:12]
        if brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"):
            return (
                "a damaged HEIC image"
                if reads_heif()
                else f"a HEIC image; convert it to JPEG, or {_HEIF_EXTRA}"
            )
        if brand in (b"avif", b"avis"):
            return "an AVIF image, damaged or of a kind that this version of Pillow cannot read"
        return "a film"
    for head, name in ((b"%!PS", "PostScript"), (b"%PDF", "PDF"), (b"8BPS", "Photoshop")):
        if content.startswith(head):
            return f"a {name} file; convert it to PNG"
    if b"<svg" in content[:1000]:
        return "an SVG drawing; convert it to PNG"
    if content.startswith(b"\xc5\xd0\xd3\xc6"):
        return "a PostScript file; convert it to PNG"
    return ""
