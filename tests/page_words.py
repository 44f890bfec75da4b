"""Words that a page shows: its text, and the data that its figures are drawn from."""

import re

CODE = re.compile(r'<script>.*?</script>|(?<=[{,:])\s*"(?:\w+_)?accuracy"(?=[:,}\]])', re.DOTALL)
"""Code of a page, and keys of its data, which compute with the neutral key of the score."""


def shown(page: str) -> str:
    """The page without its code and without keys of the score."""
    return CODE.sub("", page)
