"""The files that pages need, served from here and kept by browsers for a year.

One address part is a hash of the content of all of them: a file that changes has a new address, and
a style sheet names its fonts and pictures relative to its own.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

FOLDER = Path(__file__).parent.parent / "static"
#: What is served, by the end of its name; nothing else of the folder is.
_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is and gzipped; `gzipped` is None for what is compressed already."""

    kind: str
    body: bytes
    gzipped: bytes | None


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by their name below `static/`, and the hash of their content."""

    version: str
    files: Mapping[str, Asset]

    def address(self, name: str) -> str:
        """Where the file is served. Raises KeyError for one that there is not."""
        if name not in self.files:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"

    def icon(self, name: str) -> str:
        """An icon as markup, of the colour of the text around it, hidden from screen readers."""
        drawn = self.files[f"vendor/dkfds/img/svg-icons/{name}.svg"].body.decode()
        attributes = 'class="icon-svg" aria-hidden="true" focusable="false"'
        return drawn.strip().replace("<svg ", f"<svg {attributes} ", 1)


@cache
def assets() -> Assets:
    """The files, read once. Blocks for some milliseconds the first time."""
    found: dict[str, Asset] = {}
    digest = hashlib.sha256()
    for path in sorted(FOLDER.rglob("*")):
        kind = _KINDS.get(path.suffix)
        if kind is None or not path.is_file():
            continue
        name, body = str(PurePosixPath(path.relative_to(FOLDER))), path.read_bytes()
        digest.update(f"{name}\0{len(body)}\0".encode() + body)
        gzipped = None if path.suffix == ".woff2" else gzip.compress(body, 9, mtime=0)
        found[name] = Asset(kind, body, gzipped)
    return Assets(digest.hexdigest()[:16], found)
