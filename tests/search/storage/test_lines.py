"""Lines of the journal: what is encoded is decoded, and a damaged line is noticed."""

from __future__ import annotations

import pytest

from hwcost.search.storage import journal as module
from hwcost.search.storage.lines import decode, encode


def _flip(line: bytes, at: int, bit: int) -> bytes:
    return line[:at] + bytes([line[at] ^ 1 << bit]) + line[at + 1 :]


def test_every_flipped_bit_of_a_line_is_noticed() -> None:
    line = encode({"op_code": 6, "worker_id": "w", "trial_id": 3, "state": 1, "values": [97.25, 1200.0]})
    first = encode({"op_code": 0, "worker_id": "w", "study_name": module.STUDY_NAME, "directions": [2, 1]})
    for at in range(len(line) - 1):
        for bit in range(8):
            assert None in list(decode(first + _flip(line, at, bit)))


def test_operation_codes_are_those_of_optuna() -> None:
    from optuna.storages.journal._storage import JournalOperation

    from hwcost.search.storage import lines

    assert JournalOperation.CREATE_STUDY == lines.CREATE_STUDY
    assert JournalOperation.SET_STUDY_USER_ATTR == lines.SET_STUDY_ATTRIBUTE
    assert JournalOperation.CREATE_TRIAL == lines.CREATE_TRIAL
    assert JournalOperation.SET_TRIAL_PARAM == lines.SET_PARAMETER
    assert JournalOperation.SET_TRIAL_STATE_VALUES == lines.SET_STATE
    assert JournalOperation.SET_TRIAL_USER_ATTR == lines.SET_TRIAL_ATTRIBUTE


FIRST = {"op_code": 0, "worker_id": "w", "study_name": module.STUDY_NAME, "directions": [2, 1]}
STATE = {"op_code": 6, "worker_id": "w", "trial_id": 3, "state": 1, "values": [97.25, 1200.0]}


def test_what_is_encoded_is_decoded() -> None:
    content = encode(FIRST) + encode(STATE)
    assert list(decode(content)) == [FIRST, STATE]
    assert list(decode(content[:-1])) == [FIRST]  # a line without its end was never written


@pytest.mark.parametrize(
    "line", [b"[6]\n", b'{"op_code":10}\n', b'{"op_code":"6"}\n', b'{"op_code":6,"trial_id":3,"state":1}\n', b"\xff\n"]
)
def test_a_line_that_holds_no_operation_is_none(line: bytes) -> None:
    assert list(decode(line)) == [None]


def test_behind_a_checksum_every_line_has_one() -> None:
    plain = b'{"op_code":6,"trial_id":3,"state":1,"values":[1.0]}\n'
    assert list(decode(encode(FIRST) + plain)) == [FIRST, None]
    assert None not in list(decode(plain + encode(FIRST)))
