"""The database of a shared study: opened with one line for whatever is wrong with it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage

from hwcost.errors import BadStudy

SILENT_BEATS = 4
"""Heartbeats that a process may miss before it counts as dead: one is lost easily, four are not."""

SQLITE_WAIT_S = 60
"""What a process waits for others that write to the same file."""


def masked(text: str) -> str:
    """Without the password of any URL in it: reports and settings are published, passwords are not."""
    return re.sub(r"(://[^:@/\s]*):[^@/\s]+@", r"\1:***@", text)


def connect(url: str, heartbeat_s: int) -> RDBStorage:
    """Open a storage.

    Args:
        url: of any database that Optuna's RDBStorage takes; postgresql:// means psycopg 3, the one of our extra.
        heartbeat_s: seconds between two signs of life of a process.

    Raises:
        BadStudy: no such database, no driver for it, or no URL at all.
    """
    from sqlalchemy.exc import SQLAlchemyError  # a toolkit that only those who share a study wait for

    driven = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url)
    sqlite = driven.startswith("sqlite")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # heartbeats, since Optuna 2.9
            return RDBStorage(
                driven,
                engine_kwargs={"connect_args": {"timeout": SQLITE_WAIT_S}} if sqlite else {"pool_pre_ping": True},
                heartbeat_interval=heartbeat_s,
                grace_period=SILENT_BEATS * heartbeat_s,
            )
    except ImportError as error:
        raise BadStudy(
            f"storage {masked(url)}: no driver ({error.__cause__ or error}); pip install 'hwcost[postgres]'"
        ) from error
    except (SQLAlchemyError, StorageInternalError, ValueError) as error:
        raise BadStudy(
            f"storage {masked(url)}: cannot be opened ({_first_line(error)}); start the database, or mend the URL"
        ) from error


@contextmanager
def told_in_one_line(url: str) -> Iterator[None]:
    """A database that goes away in the middle is the user's to mend, like a full disk."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise BadStudy(
            f"storage {masked(url)}: lost ({_first_line(error)}); what is finished is kept, run the command again"
        ) from error


def _first_line(error: BaseException) -> str:
    while isinstance(error, StorageInternalError) and error.__cause__ is not None:
        error = error.__cause__
    return masked(next(iter(str(error).splitlines()), type(error).__name__))
