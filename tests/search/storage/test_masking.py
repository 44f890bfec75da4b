"""No part of a password is ever shown, however it is spelled and wherever the library takes it to belong."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from urllib.parse import quote

import pytest

from hwcost.errors import BadStudy
from hwcost.search.storage.database import connect, told_in_one_line
from hwcost.search.storage.masking import HIDDEN, masked, masked_command, without_secrets
from hwcost.sweep.settings import Settings

PASSWORDS = ["Sesame12", "Sesa/me12", "Sesa@me12", "Sesa me12", "Sesa:me12", "Sesa?me12", "Sesa#me12", "Sesa&me=12",
             "Sesa%me12", "Sesa'me\"12", "Sesa\\me12", "/Sesame12", "@Sesame12", "Sesame12/", "Sesame12@",
             "Sesa//@me12", "Sesa[me]12", "Sesaä\tme12"]  # fmt: skip
PLACES = [
    "postgresql://me:{}@localhost:1/db",
    "postgresql://:{}@localhost:1/db",
    "postgresql+psycopg://me:{}@[::1]:1/db",
    "postgresql://localhost:1/db?password={}",
    "postgresql://me@localhost:1/db?sslmode=require&sslpassword={}&password={}",
    "mysql://me:{}@localhost:1/db?charset=utf8",
    "mariadb://me:{}@localhost:1",
    "postgresql://me:{}@localhost:port/db",
    "postgresql://me:{}@",
    "postgres:/me:{}@localhost/db",
    "me:{}@localhost/db",
    "sqlite:///missing/folder/x.db?password={}",
    "sqlite://me:{}@/x.db",
    "{}",
    "nosuch+driver://me:{}@host/db",
    "postgresql://a/me:{}@localhost:1/db",
    "odbc://?odbc_connect=DRIVER;UID=me;PWD={}",
]
URLS = [place.format(*[way(password)] * place.count("{}")) for place in PLACES for password in PASSWORDS
        for way in (str, lambda text: quote(text, safe=""))]  # fmt: skip


def leaks(text: str) -> bool:
    """Whether any part of one of the passwords is there, cut anywhere a parser may cut."""
    return re.search(r"Sesa|me]?12|%40me|%2Fme", text) is not None


@pytest.mark.parametrize("place", PLACES)
def test_nothing_that_is_shown_holds_any_part_of_a_password(place: str) -> None:
    for url in (url for at, url in enumerate(URLS) if at // (2 * len(PASSWORDS)) == PLACES.index(place)):
        assert not leaks(masked(url)), url
        for words in (["--storage", url], [f"--storage={url}"]):
            line = masked_command(["hwcost", "sweep", "digits", *words, "--out", "reports/x"])
            assert not leaks(line), url
            assert shlex.split(line)[:3] == ["hwcost", "sweep", "digits"] and line.endswith("--out reports/x")
        for message in (f"cannot reach {url}", f"bad password {url.rsplit('=', 1)[-1]}", repr(url)):
            if HIDDEN in masked(url):
                assert not leaks(without_secrets(message, url)), url


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")  # a query that the driver of SQLite does not know
@pytest.mark.parametrize("place", [place for place in PLACES if not place.startswith(("mysql", "mariadb"))])
def test_an_error_on_opening_holds_no_part_of_a_password(place: str) -> None:
    for url in (url for at, url in enumerate(URLS) if at // (2 * len(PASSWORDS)) == PLACES.index(place)):
        with pytest.raises(BadStudy) as raised, told_in_one_line(url):
            connect(url, 1)
        assert not leaks(str(raised.value)) and "\n" not in str(raised.value), url


def test_the_settings_that_are_published_hold_none() -> None:
    for url in URLS:
        published = Settings(out=Path("x"), storage=url, artifacts=f"s3://key:{url[-8:]}@bucket").to_dict()
        assert not leaks(str(published)), url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:pass@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://me@host/db?sslmode=require", "postgresql://me@host/db?***"),
        ("sqlite:////data/a b@c/x.db", "sqlite:////data/a b@c/x.db"),
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("mysql://u:p@[::1]:3306/db", "mysql://u:***@[::1]:3306/db"),
        ("s3://bucket", "s3://bucket"),
        ("nonsense", "***"),
    ],
)
def test_what_is_no_secret_is_shown(url: str, shown: str) -> None:
    assert masked(url) == shown
    assert masked_command(["hwcost", "worker", "--storage", url]) == shlex.join(
        ["hwcost", "worker", "--storage", shown]
    )


def test_other_words_of_a_command_stay(tmp_path: Path) -> None:
    words = ["hwcost", "sweep", "--out", str(tmp_path / "a b"), "--limit", "LUT=20000", "--device=xc7z020"]
    assert shlex.split(masked_command(words)) == words


def test_a_file_has_no_secrets() -> None:
    for path in ("/shared/studies.journal", "a b@c/s.journal"):
        assert masked(path) == path and without_secrets(f"no such file: {path}", path) == f"no such file: {path}"
    assert "secret" not in masked("postgresql://me:secret@here/x.journal")
