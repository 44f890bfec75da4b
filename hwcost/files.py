"""Files: written whole or not at all, parsed whoever wrote them, hashed."""

import json
import os
import re
import secrets
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any
from zlib import crc32

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


_SEAL = re.compile(rb',\n  "([^"]{5})": "([^"]{8})"\n\}\n?')


def sealed(record: Mapping[str, object]) -> bytes:
    """A record as indented JSON, a line for each entry of a list, with a checksum of the rest as its last, `crc32`."""
    entries = [f"  {json.dumps(name)}: {_lines(value)}" for name, value in record.items()]
    text = ("{\n" + ",\n".join(entries) + "\n}" if record else "{}").encode()
    return (text[:-2] + b',\n  "crc32": "%08x"\n}' % crc32(text) if record else text) + b"\n"


def _lines(value: object) -> str:
    """An entry of a record; of a list of thousands of trials, indenting would take most of the time of a report."""
    if isinstance(value, list) and value:
        return "[\n    " + ",\n    ".join(map(json.dumps, value)) + "\n  ]"
    return json.dumps(value, indent=2).replace("\n", "\n  ")


def unsealed(text: bytes) -> Any:
    """Read what `sealed` wrote; a text without a checksum is of an older version, or of a person.

    Raises:
        ValueError: it is no JSON, or has another checksum.
    """
    end = _SEAL.search(text, max(0, len(text) - 32))
    if end is not None and (end[1], end[2]) != (b"crc32", b"%08x" % crc32(text[: end.start()] + b"\n}")):
        raise ValueError("another checksum than its entry crc32; if the change is yours, remove that entry")
    record = parse_json(text.decode())
    if isinstance(record, dict):
        record.pop("crc32", None)
    return record


def code_hash(*others: Path) -> str:
    """A hash of the package's source and of other files, whatever line ends a checkout gave them: 64 hex digits."""
    package = Path(__file__).parent
    files = sorted(package.rglob("*.py"), key=lambda path: path.relative_to(package).as_posix())
    content = sha256()
    for path in (*files, *others):
        content.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return content.hexdigest()
