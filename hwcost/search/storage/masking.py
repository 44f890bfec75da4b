"""URLs of databases as they may be shown: reports, settings and messages are published, passwords are not."""

import re
import shlex
from collections.abc import Sequence
from urllib.parse import quote, quote_plus

HIDDEN = "***"

_PLAIN = re.compile(r"[\w.:$ ~+-]*")
"""Everything that a name of a user, a machine or a database is made of, where no half of a password hides in it."""


ENDING = ".journal"
"""Ending of a storage that is a file, and no URL."""


def is_file(url: str) -> bool:
    """Whether a storage is a file that machines share (`hwcost.search.storage.shared_file`)."""
    return url.endswith(ENDING) and "://" not in url


def masked(url: str) -> str:
    """A URL without its password and its query, as the database library reads it.

    Passwords with unquoted `@`, `/` or `:` can end up in what the library takes for the host or the database; where
    any of these looks like that, or the URL cannot be parsed, nothing of it is shown. A file has no secrets.
    """
    if is_file(url):
        return url
    from sqlalchemy.engine import make_url  # a toolkit that only those who share a study wait for
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return HIDDEN
    file = parsed.drivername.startswith("sqlite") and {parsed.host, parsed.username, parsed.password} == {None}
    named = (parsed.username, parsed.host, parsed.database)
    clear = url.count("@") <= 1 and "@" not in url.partition("?")[2] and ":/" not in url.partition("://")[2]
    if not file and not (clear and all(name is None or _PLAIN.fullmatch(name) for name in named)):
        return HIDDEN
    user = parsed.username or ""
    who = f"{user}:{HIDDEN}@" if parsed.password is not None else f"{user}@" * bool(user)
    where = f"[{parsed.host}]" if ":" in (parsed.host or "") else parsed.host or ""
    port = "" if parsed.port is None else f":{parsed.port}"
    database = "" if parsed.database is None else f"/{parsed.database}"
    return f"{parsed.drivername}://{who}{where}{port}{database}" + f"?{HIDDEN}" * bool(parsed.query)


def masked_command(words: Sequence[str]) -> str:
    """A command line with every URL in it masked, quoted for a shell.

    Args:
        words: the command and its arguments.
    """
    shown = []
    for before, word in zip(("", *words), words, strict=False):
        flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
        if (flag or before) == "--storage" and value:
            value = masked(value)
        else:
            value = masked_if_url(value)
        shown.append(f"{flag}{equals}{value}")
    return shlex.join(shown)


def masked_if_url(text: str) -> str:
    """The text itself, or the masked URL that it is."""
    return masked(text) if "://" in text else text


def without_secrets(message: str, url: str) -> str:
    """The message of a driver about a URL, without anything that `masked` hides; empty where that is unknown."""
    from sqlalchemy.engine import make_url

    if is_file(url):
        return message
    if masked(url) == HIDDEN:
        return ""
    parsed = make_url(url)
    values = [value for given in parsed.query.values() for value in ([given] if isinstance(given, str) else given)]
    parts = [part for value in values for part in (value, *re.split(r"[=;&,\s{}]+", value)) if len(part) > 2]
    secrets = [*parts, str(parsed.password)] if parsed.password else parts
    spellings = {way(secret) for secret in secrets for way in (str, quote, quote_plus, lambda text: repr(text)[1:-1])}
    for spelling in sorted(spellings, key=len, reverse=True):
        message = message.replace(spelling, HIDDEN)
    return message
