"""Files are written whole or not at all, and never through a link that somebody planted."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from hwcost.files import clear_drafts, draft_of, parse_json, replace, sealed, unsealed


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "page"
    for content in (b"old", b"new" * 100_000, b""):
        replace(path, content)
        assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["page"]


def test_a_link_is_replaced_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "page").symlink_to(tmp_path / "precious")
    (tmp_path / "page.partial").symlink_to(tmp_path / "precious")
    replace(tmp_path / "page", b"page")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "page").is_symlink() and (tmp_path / "page").read_bytes() == b"page"
    assert draft_of(tmp_path / "page") != draft_of(tmp_path / "page")


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace(tmp_path / "page", b"old")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        replace(tmp_path / "page", b"new")
    assert [(entry.name, entry.read_bytes()) for entry in tmp_path.iterdir()] == [("page", b"old")]


def test_drafts_of_killed_processes_are_cleared_and_nothing_else(tmp_path: Path) -> None:
    for name in ("page", ".page.part", ".page.0123.part", ".hidden"):
        (tmp_path / name).touch()
    draft_of(tmp_path / ("long" * 60)).touch()
    draft_of(tmp_path / "page").touch()
    clear_drafts(tmp_path)
    clear_drafts(tmp_path / "missing")
    assert {entry.name for entry in tmp_path.iterdir()} == {"page", ".page.part", ".page.0123.part", ".hidden"}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "", "nul", b"\xff\xfe", "[1"])
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_a_record_has_a_line_for_each_entry_of_a_list_and_is_what_was_written() -> None:
    record = {"trials": [{"a": [1, {"b": None}]}, {"c": 'x\n  "'}], "none": [], "nested": {"d": {"e": 2}}, "text": "é"}
    text = sealed(record)
    assert unsealed(text) == json.loads(json.dumps(record))
    assert text.decode().splitlines()[2] == '    {"a": [1, {"b": null}]},'
    assert json.loads(text).keys() == {*record, "crc32"}
    with pytest.raises(ValueError, match="another checksum"):
        unsealed(text.replace(b'"e": 2', b'"e": 3'))
    assert sealed({}) == b"{}\n" and unsealed(b"{}\n") == {}
