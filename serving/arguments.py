"""Validation of tool arguments, with one clear error for an invalid one."""

from __future__ import annotations

import json

from serving.budget import LEAST_TOKENS, MOST_TOKENS

MOST_CHARACTERS = 4000
"""Most characters of a query or name."""
MOST_RESULTS = 100
MOST_NAMES = 50

Names = str | list[str] | None
"""Several names, as the Kit MCP server accepts them: one, a list, a JSON list as text, or a list with commas."""


class WrongArgument(ValueError):
    """An argument is invalid. The message names it and the reason."""


def query_of(text: str) -> str:
    """Return a query without control characters.

    Raises:
        WrongArgument: It is empty or too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise WrongArgument(f"The query has {len(text):,} characters; at most {MOST_CHARACTERS:,} can be searched for.")
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if not plain:
        raise WrongArgument("The query is empty.")
    return plain


def name_of(text: str, what: str) -> str:
    """Return a name without control characters; ``what`` is the argument.

    Raises:
        WrongArgument: It is too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise WrongArgument(f"{what} has {len(text):,} characters; at most {MOST_CHARACTERS:,} can be looked up.")
    return "".join(char if char.isprintable() else " " for char in text).strip()


def names_of(value: Names, what: str) -> list[str]:
    """Return several names, each once; empty if none is given.

    Raises:
        WrongArgument: They are no names, too many or too long.
    """
    if value is None:
        return []
    if isinstance(value, str):
        text = name_of(value, what) if not value.lstrip().startswith("[") else value.strip()
        if text.startswith("["):
            try:
                parsed = json.loads(text[: MOST_NAMES * MOST_CHARACTERS])
            except (ValueError, RecursionError) as error:
                raise WrongArgument(f"{what} is no list of names in JSON ({error}).") from error
            if not isinstance(parsed, list) or not all(isinstance(item, str) for item in parsed):
                raise WrongArgument(f"{what} is no list of names.")
            value = parsed
        else:
            value = text.split(",")
    names = list(dict.fromkeys(name for name in (name_of(item, what) for item in value) if name))
    if len(names) > MOST_NAMES:
        raise WrongArgument(f"{what} has {len(names)} names; at most {MOST_NAMES} can be asked for at once.")
    return names


def within(value: int, least: int, most: int, what: str) -> int:
    """Return a number that lies between two others.

    Raises:
        WrongArgument: It does not.
    """
    if not least <= value <= most:
        raise WrongArgument(f"{what} is {value}; it must be {least} to {most:,}.")
    return value


def tokens_of(value: int) -> int:
    """Return the limit of tokens for an answer.

    Raises:
        WrongArgument: They are too few or too many.
    """
    return within(value, LEAST_TOKENS, MOST_TOKENS, "max_tokens")
