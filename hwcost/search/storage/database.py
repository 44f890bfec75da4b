"""The database of a shared study: opened with one line for whatever is wrong with it."""

import json
import random
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from hwcost.errors import BadStudy
from hwcost.search.storage.masking import is_file, masked, without_secrets
from hwcost.search.storage.shared_file import SharedFile

SILENT_BEATS = 4
"""Heartbeats that a process may miss before it counts as dead: one is lost easily, four are not."""

LONGEST_BEAT_S = 86_400
"""Seconds between two signs of life, at most: a day."""

SQLITE_WAIT_S = 60
"""Seconds that a process waits for others that write to the same file."""

FOUNDING_TRIES = 40
"""Attempts to open a database while others make its tables: first starts at the same time, and no longer than 8 s."""

_DRIVERS = {
    "postgresql": ("postgresql+psycopg", "postgres"),
    "postgres": ("postgresql+psycopg", "postgres"),
    "mysql": ("mysql+pymysql", "mysql"),
    "mariadb": ("mariadb+pymysql", "mysql"),
}
"""Kind of a URL -> the driver that it means, and our extra that installs it; a URL may name its own (kind+driver)."""


@dataclass(frozen=True)
class Share:
    """The place of a shared study.

    Attributes:
        url: of the database, or path of a file that ends in .journal.
        artifacts: of the weights; a folder that every machine can reach, or s3://BUCKET.
        heartbeat_s: seconds between two signs of life, at least 1.
    """

    url: str
    artifacts: str
    heartbeat_s: int = 15


Storage = RDBStorage | SharedFile


def close(storage: Storage) -> None:
    """Let go of a storage."""
    storage.remove_session()
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()


def connect(url: str, heartbeat_s: int) -> Storage:
    """Open a storage.

    Args:
        url: path of a file that ends in .journal, for machines that share a folder; or URL of any database that
            Optuna's RDBStorage takes; postgresql:// means psycopg 3, mysql:// and mariadb:// PyMySQL, the ones of our
            extras.
        heartbeat_s: seconds between two signs of life of a process.

    Raises:
        BadStudy: no such database, no driver for it, or no URL at all.
    """
    if is_file(url):
        try:
            return SharedFile(url, heartbeat_s=heartbeat_s, grace_period=SILENT_BEATS * heartbeat_s)
        except Exception as error:  # Optuna reads what is stored unchecked
            raise BadStudy(
                f"storage {url}: cannot be opened ({_reason(error, url)}); restore it, or give another file in a "
                "folder that exists"
            ) from error
    from sqlalchemy.exc import SQLAlchemyError  # a toolkit that only those who share a study wait for

    kind, _, where = url.partition("://")
    driver, extra = _DRIVERS.get(kind, (kind, ""))
    sqlite = kind.startswith("sqlite")
    options = {"connect_args": {"timeout": SQLITE_WAIT_S}} if sqlite else {"pool_pre_ping": True}
    try:
        storage = _opened(f"{driver}://{where}" if where else url, options, heartbeat_s)
        _make_room(storage)
        return storage
    except ImportError as error:
        remedy = f"pip install 'hwcost[{extra}]'" if extra else "install it with pip"
        raise BadStudy(
            f"storage {masked(url)}: no driver ({_reason(error.__cause__ or error, url)}); {remedy}"
        ) from error
    except (SQLAlchemyError, StorageInternalError, ValueError, RuntimeError, AssertionError) as error:
        raise BadStudy(
            f"storage {masked(url)}: cannot be opened ({_reason(error, url)}); start the database, or mend the URL"
        ) from error


def _opened(url: str, options: Mapping[str, object], heartbeat_s: int) -> RDBStorage:
    """The storage, its tables made where they are missing: again where another process makes them at the same time."""
    for attempt in range(1, FOUNDING_TRIES + 1):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # heartbeats, since Optuna 2.9
                return RDBStorage(
                    url,
                    engine_kwargs=dict(options),
                    heartbeat_interval=heartbeat_s,
                    grace_period=SILENT_BEATS * heartbeat_s,
                )
        except Exception as error:
            if attempt == FOUNDING_TRIES or not _half_founded(error):
                raise
            time.sleep(random.uniform(0.02, 0.2))
    raise AssertionError("the loop returns or raises")


def _half_founded(error: BaseException) -> bool:
    """Whether an error may come from tables that another process is making."""
    from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

    while isinstance(error, StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    taken = isinstance(error, OperationalError | ProgrammingError) and "already exists" in str(error)
    return taken or isinstance(error, IntegrityError | AssertionError)  # Optuna asserts that there is a version


def _make_room(storage: RDBStorage) -> None:
    """Let the record of a trial be longer than 64 kB, where MySQL's TEXT ends: its epochs may be."""
    if storage.engine.dialect.name not in ("mysql", "mariadb"):
        return
    from sqlalchemy import inspect, text

    columns = inspect(storage.engine).get_columns("trial_user_attributes")
    if not any(str(column["type"]).startswith("LONGTEXT") for column in columns):
        with storage.engine.begin() as connection:
            connection.execute(text("ALTER TABLE trial_user_attributes MODIFY value_json LONGTEXT"))


@contextmanager
def told_in_one_line(url: str) -> Iterator[None]:
    """Report a database that is lost in the middle of a run in one line, like a full disk."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (json.JSONDecodeError, RecursionError) as error:  # Optuna reads what is stored unchecked
        raise BadStudy(f"storage {masked(url)}: holds a text that is no JSON; restore the database") from error
    except (SQLAlchemyError, StorageInternalError) as error:
        raise BadStudy(
            f"storage {masked(url)}: lost ({_reason(error, url)}); what is finished is kept, run the command again"
        ) from error


def _reason(error: BaseException, url: str) -> str:
    """The first line of an error, without secrets; only its kind where the URL hides them too well."""
    while isinstance(error, StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    line = next(iter(str(error).splitlines()), "")
    return without_secrets(line, url) or type(error).__name__
