"""Commands whose options may follow their arguments. doit itself stops reading options at the first argument."""

from __future__ import annotations

import getopt
from itertools import pairwise
from typing import Any

from doit.cmdparse import CmdParseError


def options_first(parser: Any, words: list[str]) -> list[str]:
    """Return the words of a command line with the options before the arguments.

    Args:
        parser: doit's parser of the command (`doit.cmdparse.CmdParse`).
        words: The words after the command's name.

    Raises:
        getopt.GetoptError: An option is unknown or lacks its value.
    """
    short, long = parser.get_short(), parser.get_long()
    options, arguments = getopt.gnu_getopt(words, short, long)
    with_value = {f"-{letter}" for letter, mark in pairwise(short) if mark == ":"}
    with_value |= {f"--{name[:-1]}" for name in long if name.endswith("=")}
    return [
        *(word for name, value in options for word in ([name, value] if name in with_value else [name])),
        "--",
        *arguments,
    ]


class InterspersedOptions:
    """A mixin for doit's commands: options in any place."""

    def parse_execute(self, in_args: list[str]) -> int:
        """Parse and execute.

        Raises:
            CmdParseError: An option is unknown or lacks its value.
        """
        try:
            in_args = options_first(self.cmdparser, in_args)  # type: ignore[attr-defined]
        except getopt.GetoptError as error:
            name = self.name  # type: ignore[attr-defined]
            raise CmdParseError(f"{error}; doit help {name} shows the options.") from None
        return int(super().parse_execute(in_args))  # type: ignore[misc]
