"""The wheel of this installation, which is stored with every registered model.

A model's requirements must name a package that the reader's index may not have, in exactly the version
that can read the model. A pure Python package consists of its installed files, so they are packed again
without a build backend and without a network. The format is that of the binary distribution specification
(packaging.python.org, "Binary distribution format").
"""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import zipfile
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from automl.core.version import __version__

DISTRIBUTION = "automl-on-record"
FOLDER = "wheels"
_PACKAGE = Path(__file__).resolve().parents[2]
_CARRIED = ("METADATA", "entry_points.txt")
_WHEEL = "Wheel-Version: 1.0\nGenerator: automl\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_log = logging.getLogger(__name__)


def pack_wheel(model: Path) -> str:
    """Write this installation's wheel into a model's folder; returns the line that requires it.

    The file's build tag is made from its content's digest: MLflow keeps one environment per list of
    requirements, and two states of a checkout must not share one.

    Parameters
    ----------
    model:
        The folder that will contain ``requirements.txt``.

    Returns
    -------
    str
        ``./wheels/NAME.whl``, relative to the folder; ``automl-on-record==VERSION`` if the package is on the
        path without being installed, so that its requirements are unknown.
    """
    try:
        installed = distribution(DISTRIBUTION)
    except PackageNotFoundError:
        _log.warning(
            "%s is on the path but not installed: the model's requirements name it without its wheel. "
            "Next: install it with pip, so that models can be served elsewhere.",
            DISTRIBUTION,
        )
        return f"{DISTRIBUTION}=={__version__}"
    files = dict(_files(installed))
    digest = hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()
    stem = DISTRIBUTION.replace("-", "_")
    name = f"{stem}-{installed.version}-0{digest[:12]}-py3-none-any.whl"
    record = f"{stem}-{installed.version}.dist-info/RECORD"
    lines = [f"{path},sha256={_url_safe(content)},{len(content)}" for path, content in files.items()]
    files[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    target = model / FOLDER / name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(_zipped(tuple(files.items())))
    return f"./{FOLDER}/{name}"


@lru_cache(maxsize=1)
def _zipped(files: tuple[tuple[str, bytes], ...]) -> bytes:
    """The archive of these files, kept for the next model of this process."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files:
            entry = zipfile.ZipInfo(path)  # with a fixed date: the same files give the same bytes
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return zipped.getvalue()


def _files(installed: Distribution) -> Iterator[tuple[str, bytes]]:
    """Yield path within the wheel and content of each file, in a fixed order."""
    for path in sorted(_PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(_PACKAGE.parent).as_posix(), path.read_bytes()
    beside = _PACKAGE.parent / "search_spaces"  # their place in an editable install
    if not (_PACKAGE / "search_spaces").is_dir():
        for path in sorted(beside.glob("*.yaml")):
            yield f"{_PACKAGE.name}/search_spaces/{path.name}", path.read_bytes()
    folder = f"{DISTRIBUTION.replace('-', '_')}-{installed.version}.dist-info"
    for name in _CARRIED:
        text = installed.read_text(name)
        if text is not None:
            yield f"{folder}/{name}", text.encode()
    for file in installed.files or ():
        if ".dist-info/licenses/" in file.as_posix():
            yield f"{folder}/licenses/{file.name}", Path(str(file.locate())).read_bytes()
    yield f"{folder}/WHEEL", _WHEEL.encode()


def _url_safe(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
