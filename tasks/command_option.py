"""Options of doit's commands."""

from __future__ import annotations

from typing import Any


def option(
    name: str, text: str, kind: type = str, short: str = "", *, long: str | None = None, **more: Any
) -> dict[str, Any]:
    """Return an option in the form of doit's ``cmd_options``.

    Args:
        name: Name of its value among the parsed options.
        text: The help text.
        kind: Type of its value. Its empty value is the default, unless ``more`` sets another.
        short: The letter on the command line; empty for none.
        long: The word on the command line; by default the name with hyphens.
        more: Further items, such as ``default`` and ``choices``.
    """
    word = name.replace("_", "-") if long is None else long
    described = {"name": name, "short": short, "long": word, "type": kind, "default": kind()}
    return {**described, "help": text, **more}
