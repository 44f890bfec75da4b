"""One line of the journal: an operation of Optuna's as JSON, ended by a checksum of the rest of the line."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from zlib import crc32

from hwcost.files import parse_json

CREATE_STUDY, SET_STUDY_ATTRIBUTE, CREATE_TRIAL, SET_PARAMETER, SET_STATE, SET_TRIAL_ATTRIBUTE = 0, 2, 4, 5, 6, 8
"""Operation codes of Optuna's journal."""

_NEEDED = {
    CREATE_STUDY: {"study_name", "directions"},
    SET_STUDY_ATTRIBUTE: {"study_id", "user_attr"},
    3: {"study_id", "system_attr"},
    CREATE_TRIAL: {"study_id", "datetime_start"},
    SET_PARAMETER: {"trial_id", "param_name", "param_value_internal", "distribution"},
    SET_STATE: {"trial_id", "state", "values"},
    7: {"trial_id", "step", "intermediate_value"},
    SET_TRIAL_ATTRIBUTE: {"trial_id", "user_attr"},
    9: {"trial_id", "system_attr"},
}

_END = re.compile(rb'(.*),"crc":"([0-9a-f]{8})"\}', re.DOTALL)


def encode(log: Mapping[str, object]) -> bytes:
    """An operation as a line, line break included."""
    body = json.dumps(log, separators=(",", ":"))[:-1].encode()
    return body + b',"crc":"%08x"}\n' % crc32(body)


def decode(content: bytes) -> Iterator[dict[str, Any] | None]:
    """The operations in a journal, None for each damaged line.

    Args:
        content: lines, each with its line break. Journals from before there were checksums are read, too; where the
            first line has a checksum, every line must.
    """
    lines = content.split(b"\n")[:-1]
    needs_checksum = bool(lines) and _END.fullmatch(lines[0]) is not None
    for line in lines:
        end = _END.fullmatch(line)
        sound = not needs_checksum if end is None else crc32(end[1]) == int(end[2], 16)
        yield _operation(line) if sound else None


def _operation(line: bytes) -> dict[str, object] | None:
    try:
        log = parse_json(line)
    except ValueError:
        return None
    code = log.get("op_code") if isinstance(log, dict) else None
    if not isinstance(code, int) or code not in _NEEDED or not _NEEDED[code] <= log.keys():
        return None
    log.pop("crc", None)
    return dict(log)
