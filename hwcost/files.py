"""Files: written whole or not at all, parsed whoever wrote them, hashed."""

import json
import os
import re
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Any

_DRAFT = re.compile(r"\..+\.[0-9a-f]{16}\.part")


def draft_of(path: Path) -> Path:
    """A name next to `path` for its next content: unpredictable, so that no link can be planted there."""
    return path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}.part")


def replace(path: Path, content: bytes) -> None:
    """Write a draft, have it on the disk, and rename it: neither a reader nor a kill ever meets half a file.

    Args:
        path: of the file, in a folder that exists; a symbolic link there is replaced, never followed.
        content: all of it.

    Raises:
        OSError: it cannot be written; the old file is untouched and no draft stays behind.
    """
    draft = draft_of(path)
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def clear_drafts(folder: Path) -> None:
    """Remove the drafts that killed processes left in a folder; call it only where nobody else writes."""
    for path in folder.glob(".*.part"):
        if _DRAFT.fullmatch(path.name):
            path.unlink(missing_ok=True)


def parse_json(text: str | bytes) -> Any:
    """The value that a JSON text holds.

    Raises:
        ValueError: it is none, or it is nested too deeply to be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def code_hash(*others: Path) -> str:
    """A hash of the package's source and of other files, whatever line ends a checkout gave them: 64 hex digits."""
    package = Path(__file__).parent
    files = sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).as_posix())
    content = sha256()
    for path in (*files, *others):
        content.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return content.hexdigest()
