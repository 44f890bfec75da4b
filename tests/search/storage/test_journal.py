"""Disks that fill up page by page, writes that are cut short, and power that goes off: no line of a journal is torn."""

from __future__ import annotations

import errno
import io
import logging
import os
import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from toy_study import finished, grown, opened

from hwcost.errors import BadStudy
from hwcost.search import JOURNAL
from hwcost.search.storage.journal import Journal
from hwcost.search.storage.lines import decode

TRIALS = 6


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    folder = tmp_path_factory.mktemp("whole")
    grown(folder, TRIALS)
    return finished(folder)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may be larger, as on a disk that is full; the kernel refuses, after a short write."""
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 4096])
def test_a_disk_that_is_full_at_any_byte_tears_no_line(
    tmp_path: Path, whole: list[dict[str, object]], step: int
) -> None:
    """By 1 + 83 n bytes behind the end, and page by page."""
    grown(tmp_path, 2)
    path, refused = tmp_path / JOURNAL, 0
    content = path.read_bytes()
    for room in range(1, 6000, 83 if step == 1 else step):
        path.write_bytes(content)
        with room_for(len(content) + room if step == 1 else -(-len(content) // step) * step + room - 1):
            try:
                grown(tmp_path, TRIALS)
            except BadStudy as error:
                assert "cannot be written" in str(error) and "\n" not in str(error)
                refused += 1
        assert path.read_bytes().endswith(b"\n")
        assert None not in list(decode(path.read_bytes()))
        grown(tmp_path, TRIALS)
        assert finished(tmp_path) == whole
    assert refused > (10 if step == 1 else 0)


class Shim(io.FileIO):
    """A file on a bad disk: writes at most `step` bytes at a time, and fails with `error` once `left` are written."""

    step, left, error = 7, 0, errno.ENOSPC
    cut_works = True

    def write(self, content: object) -> int:
        if type(self).left <= 0:
            raise OSError(type(self).error, os.strerror(type(self).error))
        written = super().write(memoryview(content)[: min(type(self).step, type(self).left)])  # type: ignore[arg-type]
        type(self).left -= written
        return written

    def truncate(self, size: int | None = None) -> int:
        if type(self).left <= 0 and not type(self).cut_works:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return super().truncate(size)


@pytest.fixture
def shim(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Shim]]:
    real = Path.open

    def open_(path: Path, mode: str = "r", buffering: int = -1, **options: object) -> object:
        if path.name == JOURNAL and mode == "ab":
            assert buffering == 0, "a buffer would be flushed behind the cut"
            return Shim(path, mode)
        return real(path, mode, buffering, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", open_)
    yield Shim
    Shim.left, Shim.cut_works = 0, True


@pytest.mark.slow
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("cut_works", [True, False])
def test_short_writes_and_errors_lose_nothing(
    tmp_path: Path, whole: list[dict[str, object]], shim: type[Shim], code: int, cut_works: bool
) -> None:
    shim.error, shim.cut_works, shim.left = code, cut_works, 10**9
    grown(tmp_path, 2)
    content, refused = (tmp_path / JOURNAL).read_bytes(), 0
    for left in range(5, 5000, 331):
        (tmp_path / JOURNAL).write_bytes(content)
        shim.left = left
        try:
            grown(tmp_path, TRIALS)
        except BadStudy as error:
            assert "cannot be written" in str(error) and "\n" not in str(error)
            refused += 1
        shim.left = 10**9
        grown(tmp_path, TRIALS)
        assert finished(tmp_path) == whole
    assert refused > 5


def test_after_a_failed_cut_the_same_process_appends_to_whole_lines(tmp_path: Path, shim: type[Shim]) -> None:
    path = tmp_path / JOURNAL
    journal = Journal(path)
    operation = {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"a": 1}}
    shim.left = 10**6
    journal.append_logs([operation])
    shim.left, shim.cut_works = 20, False
    with pytest.raises(BadStudy):
        journal.append_logs([operation])
    assert not path.read_bytes().endswith(b"\n")
    shim.left = 10**6
    journal.append_logs([operation])
    assert list(decode(path.read_bytes())) == [operation] * 2


def test_another_writer_is_noticed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / JOURNAL)
    operation = {"op_code": 2, "worker_id": "w", "study_id": 0, "user_attr": {"a": 1}}
    journal.append_logs([operation])
    for change in (b"x", b""):
        (tmp_path / JOURNAL).write_bytes(change)
        with pytest.raises(BadStudy, match="another program"):
            journal.append_logs([operation])
        assert (tmp_path / JOURNAL).read_bytes() == change


def test_a_torn_last_line_is_dropped_with_a_note(
    tmp_path: Path, whole: list[dict[str, object]], caplog: pytest.LogCaptureFixture
) -> None:
    grown(tmp_path, TRIALS)
    path = tmp_path / JOURNAL
    content = path.read_bytes()
    start = content.rfind(b"\n", 0, -1) + 1
    for size in range(start + 1, len(content), 9):
        path.write_bytes(content[:size])
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            grown(tmp_path, TRIALS)
        assert f"dropped its torn last line ({size - start} bytes)" in caplog.text
        assert finished(tmp_path) == whole


def test_a_journal_without_checksums_is_read_and_goes_on(tmp_path: Path, whole: list[dict[str, object]]) -> None:
    import json

    grown(tmp_path, 3)
    path = tmp_path / JOURNAL
    logs = [log for log in decode(path.read_bytes()) if log is not None]
    for log in logs:
        log.pop("trial", None)
    path.write_bytes(b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs))
    grown(tmp_path, TRIALS)
    assert finished(tmp_path) == whole


def _no_study(path: Path) -> None:
    path.write_text("[" * 100_000 + "\n")


@pytest.mark.parametrize("make", [_no_study])
def test_a_deeply_nested_journal_is_one_line(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / JOURNAL)
    with pytest.raises(BadStudy, match="not a study"), opened(tmp_path):
        pass
