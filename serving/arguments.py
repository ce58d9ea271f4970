"""Validation of tool arguments, with one clear error for an invalid one."""

from __future__ import annotations

import json

from serving.budget import LEAST_TOKENS, MOST_TOKENS

MOST_CHARACTERS = 4000
"""Most characters of a query or name."""
MOST_RESULTS = 100
MOST_NAMES = 50

Names = str | list[str] | None
"""Several names, in the forms that the Kit MCP server accepts: one, a list, a JSON list, or a comma-separated list."""


class WrongArgument(ValueError):
    """An argument is invalid. The message names it and the reason."""


def query_of(text: str) -> str:
    """Return a query without control characters.

    Raises:
        WrongArgument: It is empty or too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise WrongArgument(f"The query has {len(text):,} characters; at most {MOST_CHARACTERS:,} are allowed.")
    plain = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if not plain:
        raise WrongArgument("The query is empty.")
    return plain


def name_of(text: str, argument: str) -> str:
    """Return a name without control characters; ``argument`` is the name of the argument, for the error.

    Raises:
        WrongArgument: It is too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise WrongArgument(f"{argument} has {len(text):,} characters; at most {MOST_CHARACTERS:,} are allowed.")
    return "".join(char if char.isprintable() else " " for char in text).strip()


def names_of(value: Names, argument: str) -> list[str]:
    """Return several names, each once; empty if none is given.

    Raises:
        WrongArgument: The value is not a list of names, has too many names, or a name is too long.
    """
    if value is None:
        return []
    if isinstance(value, str):
        text = name_of(value, argument) if not value.lstrip().startswith("[") else value.strip()
        if text.startswith("["):
            try:
                parsed = json.loads(text[: MOST_NAMES * MOST_CHARACTERS])
            except (ValueError, RecursionError) as error:
                raise WrongArgument(f"{argument} is not a JSON list of names ({error}).") from error
            if not isinstance(parsed, list) or not all(isinstance(item, str) for item in parsed):
                raise WrongArgument(f"{argument} is not a list of names.")
            value = parsed
        else:
            value = text.split(",")
    names = list(dict.fromkeys(name for name in (name_of(item, argument) for item in value) if name))
    if len(names) > MOST_NAMES:
        raise WrongArgument(f"{argument} has {len(names)} names; at most {MOST_NAMES} are allowed.")
    return names


def within(value: int, least: int, most: int, argument: str) -> int:
    """Return a number if it lies within the limits.

    Raises:
        WrongArgument: It lies outside the limits.
    """
    if not least <= value <= most:
        raise WrongArgument(f"{argument} is {value}; it must be {least} to {most:,}.")
    return value


def tokens_of(value: int) -> int:
    """Return the limit of tokens for an answer.

    Raises:
        WrongArgument: The limit is too low or too high.
    """
    return within(value, LEAST_TOKENS, MOST_TOKENS, "max_tokens")
